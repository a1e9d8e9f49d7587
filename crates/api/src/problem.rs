//! Refusals as problem details (RFC 9457) with stable codes.

use ajar_core::port::{Refusal, RefusalKind};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::model::Problem;

/// An answer that is a refusal.
#[derive(Debug)]
pub(crate) struct Refused(Box<Problem>);

impl Refused {
    pub(crate) fn new(status: StatusCode, code: &str, title: &str) -> Self {
        Self(Box::new(Problem {
            kind: format!("urn:ajar:problem:{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: None,
            hint: None,
            field: None,
            problems: Vec::new(),
        }))
    }

    pub(crate) fn with_problems(mut self, problems: Vec<String>) -> Self {
        self.0.problems = problems;
        self
    }

    pub(crate) fn about(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    pub(crate) fn with_hint(mut self, hint: &str) -> Self {
        self.0.hint = Some(hint.to_owned());
        self
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal.kind {
            RefusalKind::BadCredential => (StatusCode::UNAUTHORIZED, "bad_credential"),
            RefusalKind::NotRequestable | RefusalKind::Lacking => (StatusCode::NOT_FOUND, "not_requestable"),
            RefusalKind::Denied => (StatusCode::FORBIDDEN, "denied"),
            RefusalKind::StepUpNeeded => (StatusCode::FORBIDDEN, "step_up_needed"),
            RefusalKind::Expired => (StatusCode::GONE, "expired"),
            RefusalKind::BadInput => (StatusCode::BAD_REQUEST, "bad_input"),
            RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        let mut refused = Self::new(status, code, &refusal.message);
        refused.0.detail = refusal.detail;
        refused.0.hint = refusal.hint;
        refused.0.field = refusal.field.map(str::to_owned);
        refused
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self.0).unwrap_or_default();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
