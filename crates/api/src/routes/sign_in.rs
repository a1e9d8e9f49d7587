//! Signing in, and tokens.

use std::net::SocketAddr;

use ajar_core::id::TokenId;
use ajar_core::secret::Secret;
use ajar_core::time::Span;
use axum::Json;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::caller::{Anyone, Reader, Writer};
use crate::model::{Doors, Me, NewToken, OwnToken, Page, Password, Problem, SignIn, Token};
use crate::problem::Refused;
use crate::{Api, convert};

pub(super) fn shown(issued: &ajar_engine::IssuedToken) -> Json<Token> {
    Json(Token { id: issued.id.to_string(), token: issued.token.expose().to_owned(), expires_at: issued.expires_at.to_string() })
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/api/v1/sign-in", request_body = SignIn, responses((status = 200, body = Token), (status = 401, body = Problem)))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(body): Json<SignIn>,
) -> Result<Json<Token>, Refused> {
    let (_, issued) = api.engine.sign_in(&body.name, Secret::new(body.password), &body.label, client.ip()).await?;
    Ok(shown(&issued))
}

/// Who the caller is.
#[utoipa::path(get, path = "/api/v1/me", security(("token" = [])), responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub(super) async fn me(State(api): State<Api>, Anyone(caller): Anyone) -> Result<Json<Me>, Refused> {
    Ok(Json(api.me(&caller)?))
}

/// Which tokens.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// The cursor: `next` of the page before.
    #[serde(default)]
    before: Option<String>,
}

/// The caller's own tokens that are good, the latest first.
#[utoipa::path(get, path = "/api/v1/tokens", security(("token" = [])), params(Which), responses((status = 200, body = Page<OwnToken>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn token_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(which): Query<Which>,
) -> Result<Json<Page<OwnToken>>, Refused> {
    let bad = |_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", "'before' is not a cursor");
    let before = which.before.map(|b| b.parse::<TokenId>()).transpose().map_err(bad)?;
    let (tokens, next) = api.engine.tokens(&caller, before)?;
    let item = |issued: ajar_core::directory::Issued| OwnToken {
        id: issued.id.to_string(),
        scope: convert::scope(issued.scope),
        issued_at: issued.at.to_string(),
        expires_at: issued.expires_at.to_string(),
        current: caller.token() == Some(issued.id),
        label: issued.label,
    };
    Ok(Json(Page { items: tokens.into_iter().map(item).collect(), next: next.map(|id| id.to_string()) }))
}

/// Issues another token for the caller.
#[utoipa::path(post, path = "/api/v1/tokens", security(("token" = [])), request_body = NewToken, responses((status = 200, body = Token), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn token_issue(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<NewToken>,
) -> Result<Json<Token>, Refused> {
    let life: Option<Span> = match body.life.as_deref().map(str::parse).transpose() {
        Ok(life) => life,
        Err(_) => return Err(Refused::new(StatusCode::BAD_REQUEST, "bad_input", "'for' is not a length of time: write it like 12h")),
    };
    let issued = api.engine.token_issue(&caller, &body.label, convert::scope_in(body.scope), life).await?;
    Ok(shown(&issued))
}

/// Takes a token of the caller's back.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn token_revoke(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    let id: TokenId = id.parse().map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", "that is not a token's id"))?;
    api.engine.token_revoke(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where native clients go.
#[utoipa::path(get, path = "/api/v1/doors", security(("token" = [])), responses((status = 200, body = Doors), (status = 401, body = Problem)))]
pub(super) async fn doors(State(api): State<Api>, _caller: Anyone) -> Json<Doors> {
    Json(Doors::clone(&api.doors))
}

/// Changes the caller's password; or somebody else's, for operators.
#[utoipa::path(post, path = "/api/v1/password", security(("token" = [])), request_body = Password, responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn password(
    State(api): State<Api>,
    Writer(caller): Writer,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(body): Json<Password>,
) -> Result<StatusCode, Refused> {
    let Password { name, current, new } = body;
    let current = current.map(Secret::new);
    api.engine.password_change(&caller, name.as_deref(), current, Secret::new(new), client.ip()).await?;
    Ok(StatusCode::NO_CONTENT)
}
