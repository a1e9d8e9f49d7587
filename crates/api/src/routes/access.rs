//! Grants, leases, sessions and recordings.

use ajar_core::id::SessionId;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Listing;
use crate::caller::{Reader, Writer};
use crate::model::{Grant, Lease, NewExtension, Page, Problem, Request, Session};
use crate::problem::Refused;
use crate::{Api, convert};

fn page<T>(items: Vec<T>, id: impl Fn(&T) -> String) -> Json<Page<T>> {
    let next = items.last().map(id);
    Json(Page { items, next })
}

/// Grants, newest first: one's own, and those for what one owns; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/grants", security(("token" = [])), params(Listing), responses((status = 200, body = Page<Grant>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn grant_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Grant>>, Refused> {
    let grants = api.engine.grants(&caller, listing.query()?).await?;
    Ok(page(grants.iter().map(|g| api.grant(&caller, g)).collect(), |g: &Grant| g.id.clone()))
}

/// One grant.
#[utoipa::path(get, path = "/api/v1/grants/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Grant), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn grant_show(State(api): State<Api>, Reader(caller): Reader, Path(id): Path<String>) -> Result<Json<Grant>, Refused> {
    let id = api.grant_id(&id).await?;
    Ok(Json(api.grant(&caller, &api.engine.grant(&caller, id).await?)))
}

/// The logins that were minted for a grant, with the proof that they are gone.
#[utoipa::path(get, path = "/api/v1/grants/{id}/leases", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Page<Lease>), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn grant_leases(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(id): Path<String>,
) -> Result<Json<Page<Lease>>, Refused> {
    let id = api.grant_id(&id).await?;
    let leases = api.engine.leases_of(&caller, id).await?;
    Ok(Json(Page { items: leases.iter().map(convert::lease).collect(), next: None }))
}

/// Gives a grant of one's own back: its sessions are cut at once.
#[utoipa::path(post, path = "/api/v1/grants/{id}/return", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Grant), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn grant_return(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<Json<Grant>, Refused> {
    let id = api.grant_id(&id).await?;
    api.engine.grant_return(&caller, id).await?;
    Ok(Json(api.grant(&caller, &api.engine.grant(&caller, id).await?)))
}

/// Asks to go on with an open grant of one's own: a request like any other, which opens a grant that its sessions move on to. The same
/// one again finds the one that is pending.
#[utoipa::path(post, path = "/api/v1/grants/{id}/extend", security(("token" = [])), params(("id" = String, Path)), request_body = NewExtension, responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn grant_extend(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    Json(body): Json<NewExtension>,
) -> Result<Json<Request>, Refused> {
    let id = api.grant_id(&id).await?;
    let NewExtension { duration, reason, ticket, scope } = body;
    let submitted = api.engine.grant_extend(&caller, id, ajar_engine::NewExtension { duration, reason, ticket, scope }).await?;
    api.one_request(&caller, submitted.request).await
}

/// Takes a grant away: for operators, and owners of the resource. Its sessions are cut at once.
#[utoipa::path(post, path = "/api/v1/grants/{id}/revoke", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Grant), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn grant_revoke(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<Json<Grant>, Refused> {
    let id = api.grant_id(&id).await?;
    api.engine.grant_revoke(&caller, id).await?;
    Ok(Json(api.grant(&caller, &api.engine.grant(&caller, id).await?)))
}

/// Sessions, newest first: one's own, and those in what one owns; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/sessions", security(("token" = [])), params(Listing), responses((status = 200, body = Page<Session>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn session_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Session>>, Refused> {
    let sessions = api.engine.sessions(&caller, listing.query()?).await?;
    Ok(page(sessions.into_iter().map(|s| api.session(&caller, s)).collect(), |s: &Session| s.id.clone()))
}

/// One session.
#[utoipa::path(get, path = "/api/v1/sessions/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Session), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn session_show(State(api): State<Api>, Reader(caller): Reader, Path(id): Path<String>) -> Result<Json<Session>, Refused> {
    let id = api.session_id(&id).await?;
    Ok(Json(api.session(&caller, api.engine.session(&caller, id).await?)))
}

/// The recording of a session, as it is on disk: one JSON object a line.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/recording", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, content_type = "application/x-ndjson"), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn session_recording(State(api): State<Api>, Reader(caller): Reader, Path(id): Path<String>) -> Result<Response, Refused> {
    let id = api.session_id(&id).await?;
    let path = api.engine.recording(&caller, id).await?;
    let file = tokio::fs::File::open(&path).await.map_err(|_| no_recording(id))?;
    let chunks = futures::stream::unfold(file, |mut file| async {
        use tokio::io::AsyncReadExt;
        let mut chunk = bytes::BytesMut::with_capacity(64 * 1024);
        match file.read_buf(&mut chunk).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(chunk.freeze()), file)),
            Err(error) => Some((Err(error), file)),
        }
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(chunks)).into_response())
}

pub(super) fn no_recording(id: SessionId) -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "no_recording", &format!("{id} has no recording: it never went live"))
}
