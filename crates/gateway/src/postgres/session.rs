//! The walk of one client: known, let in or held, dialled, relayed, cut, reported.

use std::future::poll_fn;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ajar_core::permit::Claims;
use ajar_core::port::{Access, Admission, CutReason, Opening, RefusalKind};
use ajar_core::session::EndReason;
use ajar_wire::pg::messages;
use ajar_wire::pg::startup::Startup;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::cancel::Registered;
use super::dial::{self, DialError, Login, Target};
use super::handshake::{self, Arrival, Client};
use super::hold::{self, Outcome};
use super::relay::{End, Relay, Remains};
use super::stream::Stream;
use super::words::{self, PATIENCE};
use crate::cut::{Cut, Due};
use crate::listener::Shared;
use crate::places::Place;
use crate::report::{Gauge, Owed, because};

/// What passed the relay before a revocation may take this long to reach the client.
const DRAIN: Duration = Duration::from_millis(5);
/// How long the last words may take after a cut.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Serves one connection from its first byte to its report.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream, address: IpAddr, starting: Place) {
    let arrival = tokio::time::timeout(shared.limits.start_up, handshake::greet(&shared, tcp, address)).await;
    drop(starting);
    match arrival {
        Ok(Ok(Arrival::Client(client))) => visit(&shared, *client).await,
        Ok(Ok(Arrival::Cancel(key))) => shared.postgres.cancels.obey(&key).await,
        Ok(Err(why)) => {
            metrics::counter!("ajar_gateway_rejections_total", "why" => "start_up").increment(1);
            tracing::debug!(%why, "a connection ended before it was known who it is");
        }
        Err(_) => {
            metrics::counter!("ajar_gateway_rejections_total", "why" => "too_slow").increment(1);
            tracing::debug!("a connection took too long to say who it is");
        }
    }
}

async fn visit(shared: &Shared, client: Client) {
    let Client { mut stream, startup, who, knock, mut behind } = client;
    let cancelled = Arc::new(Notify::new());
    let key = shared.postgres.cancels.register(&*shared.entropy, startup.spoken(), Arc::clone(&cancelled));
    // Not given up when the client leaves: what the door has begun, it must be told the end of.
    let mut held = match shared.door.knock(&who, knock).await {
        Err(refusal) => return say(stream, &words::refused(&refusal)).await,
        Ok(Admission::Open(opening)) => {
            let owed = Owed::new(opening.session, shared.reports.clone());
            return Visit { shared, owed, key }.carry(stream, startup, behind, opening, false).await;
        }
        Ok(Admission::Held(held)) => held,
        // That is for those who said that they don't wait.
        Ok(Admission::Asked(_) | Admission::Unasked { .. }) => return say(stream, &words::stopping()).await,
    };
    let mut owed = Owed::new(held.session, shared.reports.clone());
    owed.because(EndReason::ClientLeft);
    if stream.send(&greeting(&key)).is_err() {
        return;
    }
    let waiting = Gauge::new("held");
    let mut signal = shared.signal.subscribe();
    let outcome = hold::wait(&mut held, &mut stream, &mut behind, &cancelled, &mut signal).await;
    drop(waiting);
    match outcome {
        Outcome::Open(opening) => {
            owed.because(EndReason::FailedToOpen);
            Visit { shared, owed, key }.carry(stream, startup, behind, opening, true).await;
        }
        Outcome::Refused(refusal) => {
            owed.because(if refusal.kind == RefusalKind::Unavailable { EndReason::FailedToOpen } else { EndReason::Refused });
            drop(owed);
            say(stream, &words::refused(&refusal)).await;
        }
        Outcome::Left => {}
        Outcome::TooMuch => {
            owed.because(EndReason::Violation);
            say(stream, &words::violation("the client", &"it sends before it was let in")).await;
        }
        Outcome::Stopping => {
            owed.because(EndReason::ServerStopped);
            say(stream, &words::stopping()).await;
        }
    }
}

/// A session that the door knows of.
struct Visit<'a> {
    shared: &'a Shared,
    owed: Owed,
    key: Registered,
}

impl Visit<'_> {
    /// From the door's word to the end of the session.
    async fn carry(mut self, mut stream: Stream, startup: Startup, behind: Vec<u8>, opening: Box<Opening>, greeted: bool) {
        let shared = self.shared;
        let Opening { session, grant, access, resource, orders } = *opening;
        let Access::Login { lease, login, secret } = access else {
            let message = format!("{} has no login", resource.name);
            return say(stream, &words::fatal(words::NOT_NOW, &message, None, None)).await;
        };
        let now = shared.clock.now();
        // INVARIANT I02: checked again right before dialling.
        let permit = match shared.verifier.permit(&grant, now) {
            Ok(permit) => permit,
            Err(why) => {
                let message = format!("{} does not let you in: {why}", grant.claims.grant);
                return say(stream, &words::fatal(words::NOT_ALLOWED, &message, None, None)).await;
            }
        };
        let mut cut = Cut::new(orders, shared, &permit);
        // INVARIANT I13: what can't be recorded isn't opened.
        let recorder = match shared.archive.begin(session, permit.claims(), "postgres", now).await {
            Ok(recorder) => recorder,
            Err(error) => {
                tracing::error!(session.id = %session, %error, "a recording could not be begun: the session is refused");
                self.owed.because(EndReason::RecordingFailed);
                return say(stream, &words::unrecorded()).await;
            }
        };
        let login = Login { lease, name: login, secret, resource };
        let dialled = tokio::select! {
            biased;
            reason = cut.reached() => Err(Undialled::Cut(reason)),
            dialled = dial::dial(shared, permit, &login, &startup) => dialled.map_err(Undialled::Failed),
        };
        let target = match dialled {
            Ok(target) => target,
            Err(why) => {
                let last_words = self.undialled(&why, cut.claims());
                self.owed.recorded(recorder.finish().await.ok());
                drop(self.owed);
                return say(stream, &last_words).await;
            }
        };
        let mut out = if greeted { Vec::new() } else { greeting(&self.key) };
        out.extend_from_slice(&target.signed_in.forward);
        messages::ready_for_query(&mut out, target.signed_in.status);
        let sent = stream.send(&out);
        let Target { stream: upstream, signed_in, behind: down, route } = target;
        self.key.lead_to(route, signed_in.cancel_key);
        let mut relay = Relay::new(stream, upstream, cut.deadline(), recorder, shared.clock.mono());
        let begun = if sent.is_ok() { relay.begin(&behind, &down) } else { Err(End::ClientLeft) };
        drop((behind, down, out, startup));
        let live = Gauge::new("live");
        let ending = match begun {
            Err(end) => Ending::from(end),
            Ok(()) => run(&mut relay, &mut cut).await,
        };
        drop(live);
        // A cancel must not reach whoever gets the target's process next (P5).
        drop(self.key);
        finish(shared, self.owed, relay.end(shared.clock.mono()), &cut, ending).await;
    }

    fn undialled(&mut self, why: &Undialled, claims: &Claims) -> Vec<u8> {
        match why {
            Undialled::Cut(reason) => {
                self.owed.because(because(*reason));
                words::cut(claims, *reason)
            }
            Undialled::Failed(error) => {
                tracing::warn!(grant.id = %claims.grant, resource = %claims.resource, %error, source = ?std::error::Error::source(error), "the target could not be opened");
                words::unreachable(claims, error)
            }
        }
    }
}

enum Undialled {
    Cut(CutReason),
    Failed(DialError),
}

/// Why a live session ends.
#[derive(Debug)]
enum Ending {
    Cut(CutReason),
    Itself(End),
}

impl From<End> for Ending {
    fn from(end: End) -> Self {
        if matches!(end, End::Deadline) { Self::Cut(CutReason::Expired) } else { Self::Itself(end) }
    }
}

async fn run(relay: &mut Relay, cut: &mut Cut) -> Ending {
    loop {
        tokio::select! {
            biased;
            due = cut.due() => match due {
                Due::Warning(seconds) => relay.tell(&words::warning(cut.claims(), seconds)),
                Due::Extended => relay.tell(&words::extended(cut.claims())),
                Due::Cut(reason) => return Ending::Cut(reason),
            },
            end = poll_fn(|cx| relay.poll(cx)) => return Ending::from(end),
        }
    }
}

/// Says the last words, completes the recording, pays what is owed.
async fn finish(shared: &Shared, mut owed: Owed, remains: Remains, cut: &Cut, ending: Ending) {
    let claims = cut.claims();
    let Remains { mut client, at_boundary, recorder, bytes_in, bytes_out, last } = remains;
    owed.carried(bytes_in, bytes_out);
    owed.because(match &ending {
        Ending::Cut(reason) => because(*reason),
        Ending::Itself(End::ClientLeft) => EndReason::ClientLeft,
        Ending::Itself(End::TargetLeft) => EndReason::TargetLeft,
        Ending::Itself(End::Deadline) => EndReason::Cut,
        Ending::Itself(End::ClientViolation(_) | End::TargetViolation(_)) => EndReason::Violation,
        Ending::Itself(End::RecordingFailed(_)) => EndReason::RecordingFailed,
    });
    let deadline = cut.deadline();
    let mut last = last;
    match &ending {
        Ending::Cut(reason) => {
            // What was passed on in time may still arrive in time; what can't is thrown away with the connection.
            let limit = if *reason == CutReason::Expired { deadline.left() } else { DRAIN };
            let drained = !client.has_backlog() || matches!(tokio::time::timeout(limit, client.flush()).await, Ok(Ok(())));
            if client.has_backlog() || !drained {
                client.abort();
            } else {
                last = last.min(shared.clock.mono());
                if at_boundary && client.send(&words::cut(claims, *reason)).is_err() {
                    tracing::debug!(grant.id = %claims.grant, "the client left before it could be told why");
                }
                client.close(LAST_WORDS).await;
            }
        }
        Ending::Itself(end) => {
            let last_words = match end {
                End::ClientLeft | End::TargetLeft | End::Deadline => Vec::new(),
                End::ClientViolation(why) => words::violation("the client", why),
                End::TargetViolation(why) => words::violation(claims.resource.as_str(), why),
                End::RecordingFailed(error) => {
                    tracing::error!(grant.id = %claims.grant, %error, "a recording failed: its session is closed");
                    words::unrecorded()
                }
            };
            if at_boundary && !last_words.is_empty() && client.send(&last_words).is_err() {
                tracing::debug!(grant.id = %claims.grant, "the client left before it could be told why");
            }
            if matches!(end, End::ClientLeft) {
                drop(client);
            } else {
                client.close(PATIENCE.min(deadline.left())).await;
            }
        }
    }
    if matches!(ending, Ending::Cut(CutReason::Expired)) {
        owed.late_by(deadline.lateness_of(last));
    }
    metrics::counter!("ajar_gateway_statements_total").increment(recorder.entries());
    owed.complete(recorder).await;
    metrics::counter!("ajar_gateway_bytes_total", "direction" => "in").increment(bytes_in);
    metrics::counter!("ajar_gateway_bytes_total", "direction" => "out").increment(bytes_out);
}

/// That a client is known, and its key.
fn greeting(key: &Registered) -> Vec<u8> {
    let mut out = Vec::new();
    messages::authentication_ok(&mut out);
    messages::backend_key_data(&mut out, &key.key());
    out
}

/// The last words for a client that isn't in.
async fn say(mut stream: Stream, words: &[u8]) {
    if stream.send(words).is_ok() {
        stream.close(PATIENCE).await;
    }
}
