//! Signing a command line in through a browser: begun and collected by the one, decided in the other.

use std::net::SocketAddr;

use ajar_core::secret::Secret;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::Api;
use crate::caller::Browser;
use crate::model::{CliLogin, CliLoginSecret, CliLoginWaiting, NewCliLogin, Problem, Token};
use crate::problem::Refused;
use crate::routes::sign_in::shown;

/// Begins to sign a command line in through a browser. Show the code and open the URL; ask for the token with the secret.
#[utoipa::path(post, path = "/api/v1/cli-logins", request_body = NewCliLogin, responses((status = 200, body = CliLogin), (status = 503, body = Problem)))]
pub(super) async fn begin(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(body): Json<NewCliLogin>,
) -> Result<Json<CliLogin>, Refused> {
    let login = api.engine.cli_login(&body.label, client.ip())?;
    Ok(Json(CliLogin {
        url: format!("{}/cli/{}", api.public_url, login.code),
        id: login.id,
        secret: login.secret.expose().to_owned(),
        code: login.code,
        expires_at: login.expires_at.to_string(),
    }))
}

/// The sign-in that waits under a code, for whoever is signed in by the cookie.
#[utoipa::path(get, path = "/api/v1/cli-logins/{code}", params(("code" = String, Path)), responses((status = 200, body = CliLoginWaiting), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn waiting(
    State(api): State<Api>,
    Browser(caller): Browser,
    Path(code): Path<String>,
) -> Result<Json<CliLoginWaiting>, Refused> {
    let login = api.engine.cli_login_waiting(&caller, &code)?;
    Ok(Json(CliLoginWaiting {
        code: login.code,
        from: login.from.to_string(),
        label: login.label,
        at: login.at.to_string(),
        expires_at: login.expires_at.to_string(),
    }))
}

/// Signs the command line with this code in as the caller, who has compared the code. A token is made for it.
#[utoipa::path(post, path = "/api/v1/cli-logins/{code}/approve", params(("code" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn approve(State(api): State<Api>, Browser(caller): Browser, Path(code): Path<String>) -> Result<StatusCode, Refused> {
    api.engine.cli_login_approve(&caller, &code).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses the command line with this code.
#[utoipa::path(post, path = "/api/v1/cli-logins/{code}/refuse", params(("code" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn refuse(State(api): State<Api>, Browser(caller): Browser, Path(code): Path<String>) -> Result<StatusCode, Refused> {
    api.engine.cli_login_refuse(&caller, &code)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token of a sign-in, once, for the command line that began it; 202 while it waits.
#[utoipa::path(post, path = "/api/v1/cli-logins/{id}/token", params(("id" = String, Path)), request_body = CliLoginSecret, responses((status = 200, body = Token), (status = 202, body = Object), (status = 403, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn token(State(api): State<Api>, Path(id): Path<String>, Json(body): Json<CliLoginSecret>) -> Result<Response, Refused> {
    Ok(match api.engine.cli_login_token(&id, &Secret::new(body.secret))? {
        Some(issued) => shown(&issued).into_response(),
        None => (StatusCode::ACCEPTED, Json(serde_json::Map::new())).into_response(),
    })
}
