//! Rules tried out on the past: for auditors and operators. Nothing is changed, so that a token for reading is enough.

use ajar_core::time::Span;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;

use super::policy::refused;
use crate::Api;
use crate::caller::Reader;
use crate::model::{PolicyFiles, PolicyReplay, PolicySuggestions, Problem};
use crate::problem::Refused;

/// How far back is looked unless it is said.
const SINCE: Span = Span::from_secs(90 * 24 * 3600);

/// How far back.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    /// So long: `30d`; `90d` unless said.
    #[serde(default)]
    since: Option<String>,
}

impl Back {
    fn span(self) -> Result<Span, Refused> {
        let Some(text) = self.since else { return Ok(SINCE) };
        text.parse().map_err(|error| Refused::new(StatusCode::BAD_REQUEST, "bad_input", &format!("'since' is {error}")))
    }
}

/// Runs files over the requests of the past: what would go otherwise, and what that does to waiting.
#[utoipa::path(post, path = "/api/v1/policy/replay", security(("token" = [])), params(Back), request_body = PolicyFiles, responses((status = 200, body = PolicyReplay), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn policy_replay(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(back): Query<Back>,
    Json(body): Json<PolicyFiles>,
) -> Result<Json<PolicyReplay>, Refused> {
    let report = api.engine.policy_replay(&caller, body.files, back.span()?).await.map_err(refused)?;
    Ok(Json(PolicyReplay::of(report, &|id| api.engine.name(id))))
}

/// What the past suggests about the rules in force.
#[utoipa::path(get, path = "/api/v1/policy/suggestions", security(("token" = [])), params(Back), responses((status = 200, body = PolicySuggestions), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn policy_suggestions(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(back): Query<Back>,
) -> Result<Json<PolicySuggestions>, Refused> {
    Ok(Json(api.engine.policy_suggestions(&caller, back.span()?).await?.into()))
}
