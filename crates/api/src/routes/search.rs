//! What was asked, done and recorded, found again: as pages, and as files.

use std::sync::Arc;

use ajar_engine::{Answer, Engine, Facet, SearchQuery, Within};
use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::instant;
use crate::Api;
use crate::caller::Reader;
use crate::download::{Format, Record, file};
use crate::model::{Found, Problem, SearchAnswer, SearchFacet, SearchFacets};
use crate::problem::Refused;

/// Items of a file at the most.
const FILE_MAX: usize = 100_000;
/// Items that a file reads at a time.
const FILE_PAGE: u32 = 500;

/// Where to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Where {
    /// Requests.
    #[default]
    Requests,
    /// Sessions.
    Sessions,
    /// What was recorded in sessions.
    Statements,
    /// The ledger's events: for auditors and operators.
    Events,
}

/// What to look for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Looking {
    /// `requests` (unless said), `sessions`, `statements` or `events`.
    #[serde(default, rename = "in")]
    #[param(inline)]
    within: Where,
    /// A text; capitals don't matter.
    q: Option<String>,
    /// Whose; of events, who acted.
    person: Option<String>,
    /// On what.
    resource: Option<String>,
    /// As what.
    role: Option<String>,
    /// In which state: of requests and sessions.
    state: Option<String>,
    /// `postgres`, `http` or `ssh`; of events, what their kind begins with: `grant.`
    kind: Option<String>,
    /// At this instant or later.
    from: Option<String>,
    /// Before this instant.
    to: Option<String>,
    /// The cursor: `next` of the page before.
    before: Option<String>,
    /// At most so many (50 unless said, 500 at the most).
    limit: Option<u32>,
    /// Everything that fits as a file, 100,000 items at the most: `csv` or `json`.
    #[param(inline)]
    format: Option<Format>,
}

/// Looks for something in what the caller may see, newest first. Each answer is bounded in time: `searched_to` says how far back it came, and
/// `next` goes on from there.
#[utoipa::path(get, path = "/api/v1/search", security(("token" = [])), params(Looking), responses((status = 200, body = SearchAnswer), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn search(State(api): State<Api>, Reader(caller): Reader, Query(looking): Query<Looking>) -> Result<Response, Refused> {
    let Looking { within, q, person, resource, role, state, kind, from, to, before, limit, format } = looking;
    let (within, word) = match within {
        Where::Requests => (Within::Requests, "requests"),
        Where::Sessions => (Within::Sessions, "sessions"),
        Where::Statements => (Within::Statements, "statements"),
        Where::Events => (Within::Events, "events"),
    };
    let limit = if format.is_some() { Some(FILE_PAGE) } else { limit };
    let (from, to, counts) = (instant("from", from)?, instant("to", to)?, format.is_none());
    let query = SearchQuery { within, text: q, person, resource, role, state, kind, from, to, before, limit, counts };
    let answer = api.engine.search(&caller, query.clone()).await?;
    let Some(format) = format else {
        return Ok(Json(answered(&api.engine, answer)).into_response());
    };
    // The first answer decides the status; the others follow while the file is written.
    let engine = Arc::clone(&api.engine);
    let pages = futures::stream::try_unfold(Next::Answered(answer), move |next| {
        let (engine, caller, query) = (Arc::clone(&engine), caller.clone(), query.clone());
        async move {
            let answer = match next {
                Next::Answered(answer) => answer,
                Next::From(before) => engine.search(&caller, SearchQuery { before: Some(before), ..query }).await?,
                Next::Nothing => return Ok(None),
            };
            let next = answer.next.clone().map_or(Next::Nothing, Next::From);
            let items: Vec<Found> = answer.found.into_iter().map(|found| shown(&engine, found)).collect();
            Ok(Some((items, next)))
        }
    });
    Ok(file::<Found>(&format!("ajar-{word}"), format, &[], Some(FILE_MAX), pages))
}

/// How a file goes on.
enum Next {
    Answered(Answer),
    From(String),
    Nothing,
}

fn answered(engine: &Engine, answer: Answer) -> SearchAnswer {
    let facet = |facet: Vec<Facet>| facet.into_iter().map(|one| SearchFacet { value: one.value, count: one.count }).collect();
    let facets = answer.facets;
    SearchAnswer {
        items: answer.found.into_iter().map(|found| shown(engine, found)).collect(),
        next: answer.next,
        facets: SearchFacets {
            person: facet(facets.person),
            resource: facet(facets.resource),
            role: facet(facets.role),
            state: facet(facets.state),
            kind: facet(facets.kind),
        },
        searched_to: answer.searched_to.map(|at| at.to_string()),
    }
}

fn shown(engine: &Engine, found: ajar_engine::Found) -> Found {
    Found {
        what: found.what.to_owned(),
        id: found.id,
        at: found.at.to_string(),
        who: found.who.map_or_else(|| "the server".to_owned(), |who| engine.name(who)),
        resource: found.resource.map(|resource| resource.to_string()),
        role: found.role.map(|role| role.to_string()),
        state: found.state,
        kind: found.kind,
        text: found.text,
        request: found.request.map(|id| id.to_string()),
        grant: found.grant.map(|id| id.to_string()),
        session: found.session.map(|id| id.to_string()),
        at_in_session: found.at_in_session,
        seq: found.seq,
    }
}

impl Record for Found {
    const COLUMNS: &'static [&'static str] =
        &["what", "id", "at", "who", "resource", "role", "state", "kind", "text", "request", "grant", "session", "at_in_session", "seq"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.what.clone(),
            self.id.clone(),
            self.at.clone(),
            self.who.clone(),
            text(&self.resource),
            text(&self.role),
            text(&self.state),
            text(&self.kind),
            self.text.clone(),
            text(&self.request),
            text(&self.grant),
            text(&self.session),
            self.at_in_session.map(|at| at.to_string()).unwrap_or_default(),
            self.seq.map(|seq| seq.to_string()).unwrap_or_default(),
        ]
    }
}
