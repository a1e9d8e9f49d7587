//! What callers are told: problem details (RFC 9457), each with the next command (I20).

use ajar_core::id::RequestId;
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::{Refusal, RefusalKind};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::body::Answer;

/// One problem, as a caller gets it.
#[derive(Debug, Clone)]
pub(super) struct Problem(Box<Words>);

#[derive(Debug, Clone)]
struct Words {
    status: StatusCode,
    /// A stable word, for programs.
    code: &'static str,
    title: String,
    detail: Option<String>,
    hint: Option<String>,
    /// The request that it waits for.
    request: Option<RequestId>,
    /// Where somebody goes on.
    link: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self(Box::new(Words { status, code, title: title.into(), detail: None, hint: None, request: None, link: None }))
    }

    pub(super) fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The request waits for a decision.
    pub(super) fn pending(request: RequestId, public_url: &str, role: Option<&str>) -> Self {
        let link = format!("{}/requests/{request}", public_url.trim_end_matches('/'));
        let role = role.map(|role| format!(" (role {role})")).unwrap_or_default();
        let mut problem = Self::new(StatusCode::FORBIDDEN, "pending", format!("this needs an approval{role}: {request} waits for it"))
            .hint(format!("ajar requests {request}; with the header 'Ajar-Hold: 60s' a request waits for the decision"));
        (problem.0.request, problem.0.link) = (Some(request), Some(link));
        problem
    }

    /// Nobody has asked for it.
    pub(super) fn unasked(resource: &ResourceName, role: Option<&RoleName>, link: String) -> Self {
        let role = role.map(|role| format!(" with role {role}")).unwrap_or_default();
        let mut problem = Self::new(StatusCode::FORBIDDEN, "not_open", format!("{resource} is not open to you{role}"));
        problem.0.hint = Some(format!("ask for it: {link}"));
        problem.0.link = Some(link);
        problem
    }

    /// Whether it isn't known who asks, as far as they have said.
    pub(super) fn is_about_who(&self) -> bool {
        self.0.status == StatusCode::UNAUTHORIZED
    }

    pub(super) fn response(self) -> Response<Answer> {
        let Words { status, code, title, detail, hint, request, link } = *self.0;
        let mut body = Map::new();
        body.insert("type".into(), json!(format!("urn:ajar:{code}")));
        body.insert("title".into(), Value::String(title));
        body.insert("status".into(), json!(status.as_u16()));
        let more = [("detail", detail), ("hint", hint)];
        body.extend(more.into_iter().filter_map(|(key, text)| Some((key.to_owned(), Value::String(text?)))));
        body.extend(request.map(|id| ("request".to_owned(), json!(id))));
        body.extend(link.map(|link| ("link".to_owned(), Value::String(link))));
        let bytes = Bytes::from(Value::Object(body).to_string());
        let mut response = Response::new(Answer::Words(Full::new(bytes)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"ajar\""));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ajar: your name and a token\", charset=\"UTF-8\""));
        }
        response
    }

    /// A browser is sent to where the request is, or is made.
    pub(super) fn page(self) -> Response<Answer> {
        let link = self.0.link.as_deref().and_then(|link| HeaderValue::from_str(link).ok());
        let mut response = self.response();
        if let Some(link) = link {
            *response.status_mut() = StatusCode::SEE_OTHER;
            response.headers_mut().insert(LOCATION, link);
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.kind {
            RefusalKind::BadCredential => (StatusCode::UNAUTHORIZED, "bad_credential"),
            RefusalKind::NotRequestable | RefusalKind::Lacking => (StatusCode::FORBIDDEN, "not_requestable"),
            RefusalKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            RefusalKind::StepUpNeeded => (StatusCode::FORBIDDEN, "step_up_needed"),
            RefusalKind::Expired => (StatusCode::FORBIDDEN, "expired"),
            RefusalKind::BadInput => (StatusCode::BAD_REQUEST, "bad_input"),
            RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let Refusal { message, detail, hint, .. } = refusal;
        Self(Box::new(Words { status, code, title: message, detail, hint, request: None, link: None }))
    }
}
