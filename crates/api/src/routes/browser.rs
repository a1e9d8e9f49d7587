//! Signing in and out from a browser: the token goes into a cookie that scripts can't read.

use std::net::SocketAddr;

use ajar_core::secret::Secret;
use ajar_engine::{Caller, IssuedToken};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::caller::OurPage;
use crate::model::{BrowserSignIn, Me, Problem};
use crate::problem::Refused;
use crate::{Api, convert, cookie};

/// What a browser's token is called among its owner's tokens.
const LABEL: &str = "browser";

impl Api {
    /// Who the caller is.
    pub(super) fn me(&self, caller: &Caller) -> Result<Me, Refused> {
        let rules = self.engine.rules();
        let standing = self.engine.standing(caller)?;
        Ok(Me {
            id: caller.principal.to_string(),
            name: caller.name.to_string(),
            audit: rules.may_audit(caller.principal),
            operate: rules.may_operate(caller.principal),
            scope: convert::scope(caller.scope),
            token: standing.token.to_string(),
            expires_at: standing.expires_at.to_string(),
            passkeys: u32::try_from(standing.passkeys).unwrap_or(u32::MAX),
            fresh_until: standing.fresh_until.map(|until| until.to_string()),
            can_password: standing.can_password,
        })
    }

    /// The answer that signs a browser in. The token that its cookie held before is over: a session that was set beforehand, by whomever,
    /// does not live on beside the new one (W1).
    pub(super) async fn signed_in(&self, before: Option<Secret>, issued: &IssuedToken) -> Result<Response, Refused> {
        if let Some(before) = before {
            self.engine.token_surrender(&before).await?;
        }
        let caller = self.engine.authenticate(&issued.token)?;
        let me = self.me(&caller)?;
        let life = issued.expires_at.since(self.engine.now());
        let cookie = cookie::set(&issued.token, std::time::Duration::from(life).as_secs())?;
        Ok(([(header::SET_COOKIE, cookie)], Json(me)).into_response())
    }
}

/// Signs a browser in with name and password. The token goes into the cookie `__Host-ajar`, out of scripts' reach; always a new one, and
/// the one that the cookie held before is revoked. Needs the header `ajar-web: 1`.
#[utoipa::path(post, path = "/api/v1/browser/sign-in", operation_id = "browser_sign_in", request_body = BrowserSignIn, responses((status = 200, body = Me, headers(("set-cookie" = String))), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    OurPage(before): OurPage,
    Json(body): Json<BrowserSignIn>,
) -> Result<Response, Refused> {
    let (_, issued) = api.engine.sign_in(&body.name, Secret::new(body.password), LABEL, client.ip()).await?;
    api.signed_in(before, &issued).await
}

/// Signs the browser out: its token is revoked and its cookie is taken away. Needs the header `ajar-web: 1`.
#[utoipa::path(post, path = "/api/v1/browser/sign-out", operation_id = "browser_sign_out", responses((status = 204), (status = 403, body = Problem)))]
pub(super) async fn sign_out(
    State(api): State<Api>,
    OurPage(token): OurPage,
) -> Result<(StatusCode, [(HeaderName, HeaderValue); 1]), Refused> {
    if let Some(token) = token {
        api.engine.token_surrender(&token).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::clear()?)]))
}
