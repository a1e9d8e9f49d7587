//! Who is asking: a bearer token in every request, or a browser's cookie, which counts only where no other site can have made the
//! browser ask (W8, [`crate::cookie`]). What a token is good for stands in each handler's signature.

use ajar_core::secret::Secret;
use ajar_engine::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use crate::problem::Refused;
use crate::{Api, cookie};

/// Somebody who has proven who they are, whatever their token is good for: for what it takes to connect.
#[derive(Debug, Clone)]
pub(crate) struct Anyone(pub(crate) Caller);

/// Somebody whose token is good for reading.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Caller);

/// Somebody whose token is good for everything that they may do.
#[derive(Debug, Clone)]
pub(crate) struct Writer(pub(crate) Caller);

/// Somebody in front of a browser: known by its cookie and by nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Browser(pub(crate) Caller);

/// A call from our own pages, whoever is in front of them; with the token in its cookie, good or not.
#[derive(Debug)]
pub(crate) struct OurPage(pub(crate) Option<Secret>);

fn sign_in_first() -> Refused {
    Refused::new(StatusCode::UNAUTHORIZED, "bad_credential", "sign in first: 'ajar login'")
}

impl FromRequestParts<Api> for OurPage {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        cookie::same_origin(&parts.method, &parts.headers, &api.public_url)?;
        Ok(Self(cookie::read(&parts.headers)))
    }
}

impl FromRequestParts<Api> for Anyone {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let caller = match parts.headers.get(header::AUTHORIZATION) {
            // Who says who they are is not also somebody else by a cookie.
            Some(said) => {
                let token = said.to_str().ok().and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(sign_in_first)?;
                let caller = api.engine.authenticate(&Secret::new(token.trim().to_owned()))?;
                api.engine.seen(&caller);
                caller
            }
            None => Browser::from_request_parts(parts, api).await?.0,
        };
        Ok(Self(caller))
    }
}

impl FromRequestParts<Api> for Browser {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let token = cookie::read(&parts.headers).ok_or_else(sign_in_first)?;
        // Before anything is said about the token: other sites learn nothing, not even whether somebody is signed in.
        cookie::same_origin(&parts.method, &parts.headers, &api.public_url)?;
        let caller = api.engine.authenticate(&token)?;
        api.engine.seen(&caller);
        Ok(Self(caller))
    }
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let Anyone(caller) = Anyone::from_request_parts(parts, api).await?;
        caller.reads()?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Api> for Writer {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let Anyone(caller) = Anyone::from_request_parts(parts, api).await?;
        caller.writes()?;
        Ok(Self(caller))
    }
}
