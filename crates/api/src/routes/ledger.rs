//! The ledger looked into, in place.

use ajar_engine::Verified as Found;
use ajar_ledger::proof::InclusionProof;
use axum::Json;
use axum::extract::{Path, State};

use crate::Api;
use crate::caller::Reader;
use crate::model::{LastCheckpoint, LedgerProof, LedgerStatus, Problem, Verified};
use crate::problem::Refused;

fn verified(found: Found) -> Verified {
    let Found { at, size, ok, words, took } = found;
    Verified { at: at.to_string(), size, ok, words, took_ms: took.as_millis() }
}

/// How the ledger stands: its size and root, the last checkpoint, the last verification. For auditors and operators.
#[utoipa::path(get, path = "/api/v1/ledger/status", security(("token" = [])), responses((status = 200, body = LedgerStatus), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn ledger_status(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<LedgerStatus>, Refused> {
    let status = api.engine.ledger_status(&caller).await?;
    let checkpoint =
        status.checkpoint.map(|last| LastCheckpoint { size: last.size, at: last.at.map(|at| at.to_string()), note: last.note });
    Ok(Json(LedgerStatus { size: status.size, root: status.root, checkpoint, verified: status.verified.map(verified) }))
}

/// Reads and hashes all events again, and compares them with what was recorded and with the last checkpoint. It changes nothing. One at a time:
/// who asks meanwhile gets the answer of the one that runs. For auditors and operators.
#[utoipa::path(post, path = "/api/v1/ledger/verify", security(("token" = [])), responses((status = 200, body = Verified), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn ledger_verify(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Verified>, Refused> {
    Ok(Json(verified(api.engine.ledger_verify(&caller).await?)))
}

/// The proof that an event is in the ledger, against a checkpoint that is signed now: kept as it comes, `ajar ledger prove` checks it without a
/// server. For auditors and operators.
#[utoipa::path(get, path = "/api/v1/ledger/events/{seq}/proof", security(("token" = [])), params(("seq" = u64, Path, description = "The event's sequence number.")), responses((status = 200, body = LedgerProof), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn ledger_proof(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(seq): Path<String>,
) -> Result<Json<LedgerProof>, Refused> {
    let bad = |_| Refused::new(axum::http::StatusCode::BAD_REQUEST, "bad_input", "that is not the sequence number of an event");
    let seq = seq.parse().map_err(bad)?;
    let InclusionProof { seq, kind, at, event, leaf_hash, size, root, path, checkpoint, key } =
        api.engine.ledger_proof(&caller, seq).await?;
    Ok(Json(LedgerProof { seq, kind, at, event, leaf_hash, size, root, path, checkpoint, key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What goes over the wire is what the file's checker reads, letter by letter.
    #[test]
    fn the_answer_is_spelled_as_the_file_is() {
        let proof = LedgerProof {
            seq: 1,
            kind: "a.b".into(),
            at: "now".into(),
            event: "{\"why\":\"\u{1}\\u00e9 \u{2028}\"}".into(),
            leaf_hash: "00".into(),
            size: 2,
            root: "11".into(),
            path: vec!["22".into()],
            checkpoint: "a\n\n— b".into(),
            key: "k".into(),
        };
        let text = serde_json::to_string(&proof).unwrap_or_default();
        let read: InclusionProof = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert_eq!(serde_json::to_string(&read).unwrap_or_default(), text);
    }
}
