//! What changes, as it changes; and what machines ask.

use std::convert::Infallible;
use std::time::Duration;

use ajar_core::event::Envelope;
use ajar_engine::{Attending, Caller, Feed, NoticeView};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::StreamExt;

use crate::Api;
use crate::caller::Reader;
use crate::model::{Change, Problem};
use crate::problem::Refused;

/// How often it is asked again whether somebody may still listen, at least.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Somebody who listens.
struct Listening {
    api: Api,
    caller: Caller,
    feed: Feed,
    /// The newest notice that they were told of.
    told: u64,
    /// They are there as long as they listen.
    _there: Attending,
}

impl Listening {
    /// What there is to say next; nothing for now, perhaps. `None` at the end: INVARIANT W3, whoever may not listen any more hears no more.
    async fn next(&mut self) -> Option<Vec<Event>> {
        let heard = tokio::time::timeout(ASK_AGAIN, self.feed.next()).await;
        self.api.engine.still(&self.caller).ok()?;
        let Ok(heard) = heard else { return Some(Vec::new()) };
        let events = heard?;
        let mut out = Vec::new();
        if events.is_empty() {
            // They read too slowly, and some were dropped.
            let missed = Change { what: "everything".to_owned(), id: String::new(), kind: String::new() };
            out.extend(Event::default().event("change").json_data(missed));
        }
        let mut say = |seq: u64, change: Change| out.extend(Event::default().event("change").id(seq.to_string()).json_data(change));
        for envelope in events {
            if let Some(change) = change(&self.api, &self.caller, &envelope).await {
                say(envelope.seq, change);
            }
        }
        let newest = self.api.engine.notices_newest(&self.caller);
        for (seq, change) in notices(&self.api, &self.caller, self.told, newest).await {
            say(seq, change);
        }
        self.told = newest;
        Some(out)
    }
}

/// Changes of requests, grants, sessions and locks that the caller may see, and the caller's notices, as server-sent events. A change says what to read again,
/// not what it is: whoever may not read it gets nothing out of it; `everything` where some were missed. It begins with a comment, and ends within a second of
/// the token's end. Nothing is told again: whoever comes back, with whatever `Last-Event-ID`, reads the lists again.
#[utoipa::path(get, path = "/api/v1/events", security(("token" = [])), responses((status = 200, description = "Each event's data is one", content_type = "text/event-stream", body = Change), (status = 401, body = Problem), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn events(State(api): State<Api>, Reader(caller): Reader) -> Result<impl IntoResponse, Refused> {
    let there = api.engine.attend(&caller)?;
    let (feed, told) = (api.engine.feed(), api.engine.notices_newest(&caller));
    let listening = Listening { api, caller, feed, told, _there: there };
    let changes = futures::stream::unfold(listening, |mut listening| async move {
        let said = listening.next().await?;
        Some((futures::stream::iter(said), listening))
    });
    // Browsers and proxies see at once that it is open.
    let begun = futures::stream::iter([Event::default().comment("listening")]);
    let all = begun.chain(changes.flatten()).map(Ok::<_, Infallible>);
    Ok(([("x-accel-buffering", "no")], Sse::new(all).keep_alive(KeepAlive::default())))
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
    let (what, id) = (envelope.stream.word().to_owned(), envelope.stream.to_string());
    api.engine.hears(caller, envelope).await.then(|| Change { what, id, kind: envelope.event.kind().to_owned() })
}

/// Whether it can decide and record.
pub(super) async fn ready(State(api): State<Api>) -> impl IntoResponse {
    if api.engine.is_ready().await { (StatusCode::OK, "ready\n") } else { (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n") }
}

/// For Prometheus. No label holds a name of a person, a reason or an address (I17).
pub(super) async fn metrics(State(api): State<Api>) -> String {
    api.metrics.render()
}
