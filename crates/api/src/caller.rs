//! Who is asking: a bearer token in every request. There are no cookies here, so nothing that a browser sends by itself counts (W8).
//! What a token is good for stands in each handler's signature.

use ajar_core::secret::Secret;
use ajar_engine::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use crate::Api;
use crate::problem::Refused;

/// Somebody who has proven who they are, whatever their token is good for: for what it takes to connect.
#[derive(Debug, Clone)]
pub(crate) struct Anyone(pub(crate) Caller);

/// Somebody whose token is good for reading.
#[derive(Debug, Clone)]
pub(crate) struct Reader(pub(crate) Caller);

/// Somebody whose token is good for everything that they may do.
#[derive(Debug, Clone)]
pub(crate) struct Writer(pub(crate) Caller);

impl FromRequestParts<Api> for Anyone {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Refused> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or_else(|| Refused::new(StatusCode::UNAUTHORIZED, "bad_credential", "sign in first: 'ajar login'"))?;
        Ok(Self(api.engine.authenticate(&Secret::new(token.trim().to_owned()))?))
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
