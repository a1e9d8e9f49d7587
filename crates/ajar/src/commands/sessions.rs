//! Sessions: which there are, one as it happens, and its end.

use std::time::Duration;

use ajar_api::model::{KillSession, Page, Session};
use futures::StreamExt;

use super::access::query;
use super::replay::{pass_on, tell};
use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Output, Table, say};
use crate::recording::Lines;
use crate::recording::list::List;
use crate::recording::live::{Live, Shown};
use crate::recording::tty::{self, Pressed, Tty, quits};

/// What goes through is told after so long at the latest.
const TOLD: Duration = Duration::from_secs(1);
/// So much of a reason is in a list.
const REASON: usize = 60;

fn some(text: Option<&String>) -> String {
    text.cloned().unwrap_or_default()
}

/// Why it is over; of one that lives, its state.
fn because(session: &Session, whole: bool) -> String {
    let Some(by) = &session.killed_by else {
        return session.ended_because.clone().unwrap_or_else(|| session.state.clone());
    };
    let mut reason = session.killed_because.clone().unwrap_or_else(|| "(erased)".into());
    if !whole && let Some((end, _)) = reason.char_indices().nth(REASON) {
        reason.truncate(end);
        reason.push('…');
    }
    format!("killed by {by}: {reason}")
}

pub(super) async fn list(client: &Client, out: Output, args: &cli::List) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        let session: Session = client.get(&["sessions", id], &[]).await?;
        return one(out, &session);
    }
    let page: Page<Session> = client.get(&["sessions"], &query(args)).await?;
    out.list(&page.items, || {
        let mut table = Table::new(&["session", "state", "who", "resource", "role", "arrived", "ended", "statements"]);
        for s in &page.items {
            let statements = s.entries.map(|n| n.to_string()).unwrap_or_default();
            let (role, ended) = (some(s.role.as_ref()), some(s.ended_at.as_ref()));
            let because = because(s, false);
            table.row([s.id.clone(), because, s.principal.clone(), s.resource.clone(), role, s.arrived_at.clone(), ended, statements]);
        }
        table
    })
}

fn one(out: Output, s: &Session) -> Result<(), Failure> {
    out.one(s, || {
        let over = s.ended_because.is_some() || s.killed_by.is_some();
        vec![
            ("session", s.id.clone()),
            ("state", s.state.clone()),
            ("who", s.principal.clone()),
            ("resource", s.resource.clone()),
            ("role", some(s.role.as_ref())),
            ("grant", some(s.grant.as_ref())),
            ("protocol", s.protocol.clone()),
            ("client", some(s.client.as_ref())),
            ("arrived", s.arrived_at.clone()),
            ("live", some(s.live_at.as_ref())),
            ("ended", some(s.ended_at.as_ref())),
            ("because", if over { because(s, true) } else { String::new() }),
            ("statements", s.entries.map(|n| n.to_string()).unwrap_or_default()),
            ("sha256", some(s.recording_sha256.as_ref())),
        ]
    })
}

pub(super) async fn kill(client: &Client, out: Output, args: cli::Kill) -> Result<(), Failure> {
    let session: Session = client.post(&["sessions", &args.id, "kill"], &KillSession { reason: args.reason }).await?;
    one(out, &session)
}

pub(super) async fn watch(client: &Client, out: Output, args: &cli::Watch) -> Result<(), Failure> {
    let from = if args.now { "now" } else { "start" };
    let mut chunks = client.get_stream(&["sessions", &args.id, "watch"], &[("from", from.to_owned())]).await?;
    if out.format != Format::Table {
        return pass_on(out, chunks, None).await;
    }
    let mut lines = Lines::default();
    let draws = !args.list && !args.now && tty::is_there();
    let mut live = draws.then(|| Live::new(args.channel));
    let mut list = List::new(Some(u64::try_from(TOLD.as_micros()).unwrap_or(u64::MAX)));
    loop {
        let chunk = match tokio::time::timeout(TOLD, chunks.next()).await {
            Err(_) => {
                tell(list.rest())?;
                continue;
            }
            Ok(None) => break,
            Ok(Some(chunk)) => chunk?,
        };
        let mut seen = false;
        for line in lines.push(&chunk) {
            if let Some(live) = &mut live {
                seen |= live.line(&line) == Shown::Picture;
            }
            // Once there is a terminal to be seen, it is; what came before has been told.
            if !seen {
                tell(list.line(&line))?;
            }
        }
        if let Some(live) = live.as_mut().filter(|_| seen) {
            return draw(live, lines, chunks).await;
        }
    }
    tell(list.rest())
}

/// Shows a terminal as it changes, until its session ends or `q` is pressed.
async fn draw(
    live: &mut Live,
    mut lines: Lines,
    mut chunks: impl futures::Stream<Item = Result<Vec<u8>, Failure>> + Unpin,
) -> Result<(), Failure> {
    let mut tty = Tty::enter()?;
    loop {
        let (cols, rows) = tty.size();
        tty.draw(&live.paint(cols, rows))?;
        tokio::select! {
            biased;
            pressed = tty.pressed() => match pressed {
                Pressed::Resized => live.again(),
                Pressed::Gone => return Ok(()),
                Pressed::Keys(keys) if quits(&keys) => return Ok(()),
                Pressed::Keys(_) => {}
            },
            chunk = chunks.next() => match chunk {
                None => break,
                Some(chunk) => {
                    for line in lines.push(&chunk?) {
                        live.line(&line);
                    }
                }
            },
        }
    }
    drop(tty);
    say("the session has ended");
    Ok(())
}
