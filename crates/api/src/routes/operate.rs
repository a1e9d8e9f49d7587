//! The ledger, the rules, and how things stand.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::caller::{Reader, Writer};
use crate::model::{Finding, Page, Problem, Status};
use crate::problem::Refused;
use crate::{Api, convert};

/// What to look for in the ledger.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    /// Kinds that begin so: `grant.`
    #[serde(default)]
    kind: Option<String>,
    /// A text that the event holds.
    #[serde(default)]
    text: Option<String>,
    /// Older than this sequence number.
    #[serde(default)]
    before: Option<u64>,
    /// At most so many (50 unless said, 500 at the most).
    #[serde(default)]
    limit: Option<u32>,
}

/// Events of the ledger, newest first, one a line: the exact bytes that were hashed.
#[utoipa::path(get, path = "/api/v1/ledger", security(("token" = [])), params(Search), responses((status = 200, content_type = "application/x-ndjson"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn ledger_search(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(search): Query<Search>,
) -> Result<Response, Refused> {
    let Search { kind, text, before, limit } = search;
    let leaves = api.engine.ledger_search(&caller, kind.as_deref(), text.as_deref(), before, limit.unwrap_or(50)).await?;
    let body: String = leaves.into_iter().flat_map(|leaf| [leaf, "\n".to_owned()]).collect();
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The whole ledger with a fresh checkpoint, for `ajar ledger verify`.
#[utoipa::path(get, path = "/api/v1/ledger/export", security(("token" = [])), responses((status = 200, content_type = "application/x-ndjson"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn ledger_export(State(api): State<Api>, Reader(caller): Reader) -> Result<Response, Refused> {
    // The first answer decides the status: an auditor gets a stream, anybody else a refusal.
    api.engine.ledger_search(&caller, None, None, None, 1).await?;
    let (chunks, reader) = tokio::sync::mpsc::channel::<Result<bytes::Bytes, std::io::Error>>(4);
    let export = async move {
        let send = |chunk: Vec<u8>| {
            let chunks = chunks.clone();
            async move { chunks.send(Ok(chunk.into())).await.map_err(drop) }
        };
        if let Err(refusal) = api.engine.ledger_export(&caller, send).await {
            tracing::error!(error = %refusal, "an export of the ledger broke off");
            drop(chunks.send(Err(std::io::Error::other("the export broke off"))).await);
        }
    };
    let body = futures::StreamExt::boxed(futures::stream::select(
        tokio_stream::wrappers::ReceiverStream::new(reader),
        futures::StreamExt::filter_map(futures::stream::once(export), |()| async { None }),
    ));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// Signs the ledger as it is now. Keep checkpoints apart from the server: each proves what was there.
#[utoipa::path(post, path = "/api/v1/ledger/checkpoint", security(("token" = [])), responses((status = 200, content_type = "text/plain"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn ledger_checkpoint(State(api): State<Api>, Writer(caller): Writer) -> Result<String, Refused> {
    Ok(api.engine.ledger_checkpoint(&caller).await?)
}

/// The key that checks the ledger's signatures.
#[utoipa::path(get, path = "/api/v1/ledger/key", security(("token" = [])), responses((status = 200, content_type = "text/plain"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn ledger_key(State(api): State<Api>, _caller: Reader) -> String {
    format!("{}\n", api.engine.ledger_verifier())
}

/// Which resource to check.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only this one.
    #[serde(default)]
    resource: Option<String>,
}

async fn findings(api: &Api, caller: &ajar_engine::Caller, only: Option<&str>) -> Result<Vec<Finding>, Refused> {
    let found = Arc::clone(&api.engine).doctor(caller, only).await?;
    Ok(found.into_iter().flat_map(|(name, list)| list.into_iter().map(move |f| convert::finding(name.as_str(), f))).collect())
}

/// Proves on each target that Ajar can mint and revoke there and that expiry is honoured: for operators.
#[utoipa::path(post, path = "/api/v1/doctor", security(("token" = [])), params(Which), responses((status = 200, body = Page<Finding>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn doctor(
    State(api): State<Api>,
    Writer(caller): Writer,
    Query(which): Query<Which>,
) -> Result<Json<Page<Finding>>, Refused> {
    Ok(Json(Page { items: findings(&api, &caller, which.resource.as_deref()).await?, next: None }))
}

/// How things stand, in numbers and words.
#[utoipa::path(get, path = "/api/v1/status", security(("token" = [])), responses((status = 200, body = Status), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn status(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Status>, Refused> {
    let status = api.engine.status(&caller).await?;
    let unconfirmed = status.unconfirmed.iter().map(|(id, resource, why)| {
        format!("{id} on {resource} is not confirmed to be gone ({why}): Ajar keeps trying; 'ajar doctor {resource}' says what is wrong with the target")
    });
    let no_rules =
        status.rules_hash.is_none().then(|| "no rules are in force, so nobody can ask for anything: 'ajar policy apply DIR'".to_owned());
    let ledger = status.ledger.map(|words| {
        format!(
            "the ledger is not what was recorded: {words}. Keep the server's folder as it is, and see 'ajar ledger verify' on an export"
        )
    });
    Ok(Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pending: status.pending,
        open: status.open,
        held: status.held,
        live: status.live,
        events: status.events,
        problems: unconfirmed.chain(no_rules).chain(status.drift).chain(ledger).collect(),
        integrations: status.integrations.into_iter().map(convert::integration).collect(),
        rules_hash: status.rules_hash,
    }))
}
