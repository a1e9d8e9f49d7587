//! What changes, as it changes; and what machines ask.

use std::convert::Infallible;

use ajar_core::event::{Envelope, Event as Happened, Stream as Of};
use ajar_engine::{Caller, NoticeView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;

use crate::Api;
use crate::caller::Reader;
use crate::model::{Change, Problem};

/// Changes of requests, grants and sessions that the caller may see, and the caller's notices, as server-sent events. A change says what to read again,
/// not what it is: whoever may not read it gets nothing out of it.
#[utoipa::path(get, path = "/api/v1/events", security(("token" = [])), responses((status = 200, content_type = "text/event-stream"), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn events(State(api): State<Api>, Reader(caller): Reader) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let feed = api.engine.feed();
    let told = api.engine.notices_newest(&caller);
    let changes = futures::stream::unfold((feed, told, api, caller), |(mut feed, told, api, caller)| async move {
        let events = feed.next().await?;
        let mut out = Vec::new();
        let mut say = |seq: u64, change: Change| {
            out.extend(Event::default().event("change").id(seq.to_string()).json_data(change).map(Ok));
        };
        for envelope in events {
            if let Some(change) = change(&api, &caller, &envelope).await {
                say(envelope.seq, change);
            }
        }
        let newest = api.engine.notices_newest(&caller);
        for (seq, change) in notices(&api, &caller, told, newest).await {
            say(seq, change);
        }
        Some((futures::stream::iter(out), (feed, newest, api, caller)))
    });
    Sse::new(futures::StreamExt::flatten(changes)).keep_alive(KeepAlive::default())
}

/// What the caller was told after `told`, up to `newest`; what came since comes with its own events.
async fn notices(api: &Api, caller: &Caller, told: u64, newest: u64) -> Vec<(u64, Change)> {
    if newest <= told {
        return Vec::new();
    }
    let views = api.engine.notices(caller, Some(told), Some(u32::MAX)).await.unwrap_or_default();
    let change = |n: NoticeView| (n.seq, Change { what: "notice".to_owned(), id: n.seq.to_string(), kind: n.kind.to_owned() });
    views.into_iter().filter(|n| n.seq <= newest).map(change).collect()
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
