//! Every access of a time, for auditors: as pages, and as files.

use std::sync::Arc;

use ajar_core::id::GrantId;
use ajar_core::time::Timestamp;
use ajar_engine::{Accesses, Engine};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::instant;
use crate::Api;
use crate::caller::Reader;
use crate::convert::verdict;
use crate::download::{Format, Record, file};
use crate::model::{Access, AccessReviewer, Page, Problem};
use crate::problem::Refused;

/// Accesses that a file reads at a time.
const FILE_PAGE: u32 = 200;

/// Which accesses.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Open at this instant or later; 92 days before the end unless said.
    from: Option<String>,
    /// Open before this instant; now unless said.
    to: Option<String>,
    /// Of whom.
    person: Option<String>,
    /// On what.
    resource: Option<String>,
    /// The cursor: `next` of the page before.
    before: Option<String>,
    /// At most so many (50 unless said, 500 at the most).
    limit: Option<u32>,
    /// All of them as a file: `csv` or `json`.
    #[param(inline)]
    format: Option<Format>,
}

/// Every access of a time, newest first: what was open at any instant of it, with its reasons, reviewers and proof. For auditors and operators.
#[utoipa::path(get, path = "/api/v1/accesses", security(("token" = [])), params(Which), responses((status = 200, body = Page<Access>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn accesses(State(api): State<Api>, Reader(caller): Reader, Query(which): Query<Which>) -> Result<Response, Refused> {
    let Which { from, to, person, resource, before, limit, format } = which;
    let cursor = |text: String| text.parse::<GrantId>();
    let before = before.map(cursor).transpose();
    let before = before.map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", "'before' is not a cursor"))?;
    let limit = if format.is_some() { Some(FILE_PAGE) } else { limit };
    let (from, to) = (instant("from", from)?, instant("to", to)?);
    let wanted = api.engine.accesses_of(&caller, ajar_engine::AccessQuery { from, to, person, resource, before, limit })?;
    if let Some(format) = format {
        return Ok(download(&api, wanted, format));
    }
    let (found, more) = api.engine.accesses(&wanted).await?;
    let items: Vec<Access> = found.into_iter().map(|access| shown(&api.engine, access)).collect();
    let next = items.last().filter(|_| more).map(|access| access.grant.clone());
    Ok(Json(Page { items, next }).into_response())
}

fn download(api: &Api, wanted: Accesses, format: Format) -> Response {
    let day = |at: Timestamp| at.to_string().split('T').next().unwrap_or_default().to_owned();
    let name = format!("ajar-accesses-{}-{}", day(wanted.from), day(wanted.to));
    let about = [("from", wanted.from.to_string()), ("to", wanted.to.to_string())];
    let engine = Arc::clone(&api.engine);
    let pages = futures::stream::try_unfold(Some(wanted), move |wanted| {
        let engine = Arc::clone(&engine);
        async move {
            let Some(wanted) = wanted else { return Ok(None) };
            let (found, more) = engine.accesses(&wanted).await?;
            let next = found.last().filter(|_| more).map(|last| wanted.older_than(last.grant));
            Ok(Some((found.into_iter().map(|access| shown(&engine, access)).collect(), next)))
        }
    });
    file::<Access>(&name, format, &about, None, pages)
}

fn shown(engine: &Engine, access: ajar_engine::Access) -> Access {
    let name = |id| engine.name(id);
    Access {
        extended_by: access.extended_by().map(|by| by.to_string()),
        grant: access.grant.to_string(),
        request: access.request.to_string(),
        person: name(access.person),
        requester: name(access.requester),
        resource: access.resource.to_string(),
        role: access.role.to_string(),
        reason: access.reason,
        ticket: access.ticket,
        reviewers: access
            .reviewers
            .iter()
            .map(|review| AccessReviewer {
                name: name(review.who),
                verdict: verdict(review.verdict).to_owned(),
                at: review.at.to_string(),
                beforehand: review.beforehand,
                afterwards: review.afterwards,
            })
            .collect(),
        automatic: access.automatic,
        emergency: access.emergency,
        rules: access.rules.iter().map(ToString::to_string).collect(),
        opened_at: access.opened_at.to_string(),
        ended_at: access.ended.as_ref().map(|closing| closing.at.to_string()),
        ended_because: access.ended.as_ref().map(|closing| closing.reason.word().to_owned()),
        proven_gone_at: access.proven_gone_at.map(|at| at.to_string()),
        sessions: access.used.sessions,
        statements: access.used.statements,
        events: access.events,
    }
}

impl Record for Access {
    const COLUMNS: &'static [&'static str] = &[
        "grant",
        "request",
        "person",
        "requester",
        "resource",
        "role",
        "reason",
        "ticket",
        "reviewers",
        "automatic",
        "emergency",
        "rules",
        "opened_at",
        "ended_at",
        "ended_because",
        "extended_by",
        "proven_gone_at",
        "sessions",
        "statements",
        "events",
    ];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let reviewer = |review: &AccessReviewer| {
            let when = match (review.beforehand, review.afterwards) {
                (true, _) => " beforehand",
                (_, true) => " afterwards",
                (false, false) => "",
            };
            format!("{} {} {}{when}", review.name, review.verdict, review.at)
        };
        vec![
            self.grant.clone(),
            self.request.clone(),
            self.person.clone(),
            self.requester.clone(),
            self.resource.clone(),
            self.role.clone(),
            text(&self.reason),
            text(&self.ticket),
            self.reviewers.iter().map(reviewer).collect::<Vec<_>>().join("; "),
            self.automatic.to_string(),
            self.emergency.to_string(),
            self.rules.join("; "),
            self.opened_at.clone(),
            text(&self.ended_at),
            text(&self.ended_because),
            text(&self.extended_by),
            text(&self.proven_gone_at),
            self.sessions.to_string(),
            self.statements.to_string(),
            self.events.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        ]
    }
}
