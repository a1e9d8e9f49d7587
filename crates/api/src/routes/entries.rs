//! Browsers that the door of an HTTP API sent here to sign in.

use axum::Json;
use axum::extract::State;

use crate::Api;
use crate::caller::Writer;
use crate::model::{HttpEntry, NewHttpEntry, Problem};
use crate::problem::Refused;

/// Sends a browser back to an API's door, which knows by a code in the URL who is signed in here: for 30 seconds, once.
#[utoipa::path(post, path = "/api/v1/http-entries", security(("token" = [])), request_body = NewHttpEntry, responses((status = 200, body = HttpEntry), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn http_enter(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<NewHttpEntry>,
) -> Result<Json<HttpEntry>, Refused> {
    Ok(Json(HttpEntry { url: api.engine.http_entry(&caller, &body.to).await? }))
}
