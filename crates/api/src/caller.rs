//! Who is asking: a bearer token in every request. There are no cookies here, so nothing that a browser sends by itself counts (W8).

use ajar_core::secret::Secret;
use ajar_engine::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use crate::Api;
use crate::problem::Refused;

/// Somebody who has proven who they are. A handler that takes one can't be reached without a token.
#[derive(Debug, Clone)]
pub(crate) struct SignedIn(pub(crate) Caller);

impl FromRequestParts<Api> for SignedIn {
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
