//! About a request: what happened to it, what helps to decide it.

use ajar_engine::{Context, Earlier};
use axum::Json;
use axum::extract::{Path, State};

use crate::Api;
use crate::caller::Reader;
use crate::model::{Alike, EarlierRequest, Happened, Opens, Problem, RequestContext, RequesterContext, Timeline};
use crate::problem::Refused;

/// Everything that happened to a request, its grants, logins and sessions, in words, oldest first. Logins and sessions are told to who
/// may see the grants.
#[utoipa::path(get, path = "/api/v1/requests/{id}/timeline", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Timeline), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_timeline(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<Timeline>, Refused> {
    let id = api.request_id(&id).await?;
    let ajar_engine::Timeline { happened, left_off } = api.engine.timeline(&caller, id).await?;
    let items = happened.into_iter().map(|h| Happened {
        seq: h.seq,
        at: h.at.to_string(),
        by: h.by.map(|by| api.engine.name(by)),
        kind: h.kind.to_owned(),
        text: h.text,
        what: h.stream.word().to_owned(),
        id: h.stream.to_string(),
    });
    Ok(Json(Timeline { items: items.collect(), left_off }))
}

/// What helps to decide a request: what whom it is for did before, what became of the like, what it opens.
#[utoipa::path(get, path = "/api/v1/requests/{id}/context", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = RequestContext), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_context(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<RequestContext>, Refused> {
    let id = api.request_id(&id).await?;
    let Context { last, alike, opens, rules, low_risk, online } = api.engine.context(&caller, id).await?;
    let earlier = |e: Earlier| EarlierRequest {
        request: e.request.to_string(),
        at: e.at.to_string(),
        resource: e.ask.resource.to_string(),
        role: e.ask.role.to_string(),
        state: e.state.to_owned(),
        sessions: e.used.sessions,
        statements: e.used.statements,
    };
    let opens = opens.into_iter().map(|o| Opens {
        resource: o.ask.resource.to_string(),
        kind: o.resource.map(|r| r.kind.word().to_owned()).unwrap_or_default(),
        role: o.ask.role.to_string(),
        words: o.words,
    });
    Ok(Json(RequestContext {
        requester: RequesterContext { last: last.into_iter().map(earlier).collect() },
        alike: Alike {
            approved: alike.approved,
            denied: alike.denied,
            expired: alike.expired,
            median_s: alike.median.map(|m| std::time::Duration::from(m).as_secs_f64()),
        },
        opens: opens.collect(),
        rule_words: rules,
        low_risk,
        online: online.into_iter().map(|id| api.engine.name(id)).collect(),
    }))
}
