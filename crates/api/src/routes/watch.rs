//! What changes, as it changes; and what machines ask.

use std::convert::Infallible;

use ajar_core::event::{Envelope, Event as Happened, Stream as Of};
use ajar_engine::Caller;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;

use crate::Api;
use crate::caller::Reader;
use crate::model::{Change, Problem};

/// Changes of requests, grants and sessions that the caller may see, as server-sent events. A change says what to read again,
/// not what it is: whoever may not read it gets nothing out of it.
#[utoipa::path(get, path = "/api/v1/events", security(("token" = [])), responses((status = 200, content_type = "text/event-stream"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn events(State(api): State<Api>, Reader(caller): Reader) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feed = api.engine.feed();
    let changes = futures::stream::unfold((feed, api, caller), |(mut feed, api, caller)| async {
        let events = feed.next().await?;
        let mut out = Vec::new();
        for envelope in events {
            if let Some(change) = change(&api, &caller, &envelope).await
                && let Ok(event) = Event::default().event("change").id(envelope.seq.to_string()).json_data(change)
            {
                out.push(Ok(event));
            }
        }
        Some((futures::stream::iter(out), (feed, api, caller)))
    });
    Sse::new(futures::StreamExt::flatten(changes)).keep_alive(KeepAlive::default())
}

async fn change(api: &Api, caller: &Caller, envelope: &Envelope) -> Option<Change> {
    let (what, sees) = match (&envelope.event, envelope.stream) {
        (Happened::Request(_), Of::Request(id)) => ("request", api.engine.request(caller, id).await.is_ok()),
        (Happened::Grant(_), Of::Grant(id)) => ("grant", api.engine.grant(caller, id).await.is_ok()),
        (Happened::Session(_), Of::Session(id)) => ("session", api.engine.session(caller, id).await.is_ok()),
        (
            Happened::Request(_)
            | Happened::Grant(_)
            | Happened::Session(_)
            | Happened::Lease(_)
            | Happened::Lock(_)
            | Happened::Delegation(_)
            | Happened::Preapproval(_)
            | Happened::Debt(_)
            | Happened::Principal(_)
            | Happened::Token(_)
            | Happened::Policy(_),
            _,
        ) => return None,
    };
    sees.then(|| Change { what: what.to_owned(), id: envelope.stream.to_string(), kind: envelope.event.kind().to_owned() })
}

/// Whether it can decide and record.
pub(super) async fn ready(State(api): State<Api>) -> impl IntoResponse {
    if api.engine.is_ready().await { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n") }
}

/// For Prometheus. No label holds a name of a person, a reason or an address (I17).
pub(super) async fn metrics(State(api): State<Api>) -> String {
    api.metrics.render()
}
