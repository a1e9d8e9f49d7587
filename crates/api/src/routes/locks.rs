//! Locking, being away, approving beforehand.

use ajar_engine::{NewDelegation as ToDelegate, NewPreapproval as ToPreapprove, ToLock};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::{instant, span};
use crate::Api;
use crate::caller::{Reader, Writer};
use crate::model::{Delegation, Lock, NewDelegation, NewLock, NewPreapproval, Page, Preapproval, Problem};
use crate::problem::Refused;

/// The locks in force that the caller may know of.
#[utoipa::path(get, path = "/api/v1/locks", security(("token" = [])), responses((status = 200, body = Page<Lock>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn lock_list(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Lock>>, Refused> {
    let items = api.engine.locks(&caller).await?.into_iter().map(|l| api.lock(l)).collect();
    Ok(Json(Page { items, next: None }))
}

/// Locks somebody or something: what is open is cut and revoked at once, and nothing opens until the lock is lifted. Operators lock
/// anything, owners their resources, everybody themselves.
#[utoipa::path(post, path = "/api/v1/locks", security(("token" = [])), request_body = NewLock, responses((status = 200, body = Lock), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn lock_place(State(api): State<Api>, Writer(caller): Writer, Json(new): Json<NewLock>) -> Result<Json<Lock>, Refused> {
    let what = match (new.user, new.resource) {
        (Some(user), None) => ToLock::Principal(user),
        (None, Some(resource)) => ToLock::Resource(resource),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Refused::new(StatusCode::BAD_REQUEST, "bad_input", "say what to lock: 'user' or 'resource'"));
        }
    };
    let id = api.engine.lock(&caller, what, new.reason).await?;
    let found = api.engine.locks(&caller).await?.into_iter().find(|l| l.placed.id == id);
    let lifted = || Refused::new(StatusCode::CONFLICT, "lifted", "it was lifted meanwhile");
    Ok(Json(api.lock(found.ok_or_else(lifted)?)))
}

/// Lifts a lock: for operators, and owners of a locked resource. What it closed stays closed.
#[utoipa::path(delete, path = "/api/v1/locks/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn lock_lift(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    let id = api.lock_id(&id).await?;
    api.engine.unlock(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delegations in force and to come, from or to the caller; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/delegations", security(("token" = [])), responses((status = 200, body = Page<Delegation>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn delegation_list(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Delegation>>, Refused> {
    let items = api.engine.delegations(&caller).await?.iter().map(|d| api.delegation(d)).collect();
    Ok(Json(Page { items, next: None }))
}

/// The caller is away for a time: another is asked instead of them.
#[utoipa::path(post, path = "/api/v1/delegations", security(("token" = [])), request_body = NewDelegation, responses((status = 200, body = Delegation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn delegation_make(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(new): Json<NewDelegation>,
) -> Result<Json<Delegation>, Refused> {
    let (from, life) = (instant("from", new.from)?, span("for", &new.duration)?);
    let made = api.engine.delegate(&caller, ToDelegate { to: new.to, from, life }).await?;
    Ok(Json(api.delegation(&made)))
}

/// Ends a delegation: one's own; for operators, anybody's.
#[utoipa::path(delete, path = "/api/v1/delegations/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn delegation_end(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    let id = api.delegation_id(&id).await?;
    api.engine.undelegate(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pre-approvals in force and to come, by or for the caller; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/preapprovals", security(("token" = [])), responses((status = 200, body = Page<Preapproval>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn preapproval_list(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Preapproval>>, Refused> {
    let items = api.engine.preapprovals(&caller).await?.iter().map(|p| api.preapproval(p)).collect();
    Ok(Json(Page { items, next: None }))
}

/// The caller approves beforehand what somebody is to ask for: a request that it covers counts it as theirs, if it asks them then.
#[utoipa::path(post, path = "/api/v1/preapprovals", security(("token" = [])), request_body = NewPreapproval, responses((status = 200, body = Preapproval), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn preapproval_give(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(new): Json<NewPreapproval>,
) -> Result<Json<Preapproval>, Refused> {
    let NewPreapproval { user, resource, role, from, duration, most, note } = new;
    let (from, life) = (instant("from", from)?, span("for", &duration)?);
    let most = most.map(|most| span("most", &most)).transpose()?;
    let given = api.engine.preapprove(&caller, ToPreapprove { user, resource, role, from, life, most, note }).await?;
    Ok(Json(api.preapproval(&given)))
}

/// Ends a pre-approval: one's own; for operators, anybody's. What it has let through stays approved.
#[utoipa::path(delete, path = "/api/v1/preapprovals/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn preapproval_end(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    let id = api.preapproval_id(&id).await?;
    api.engine.preapproval_end(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
