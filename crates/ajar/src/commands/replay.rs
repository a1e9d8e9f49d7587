//! A session's recording, for reading: as lines, played on a terminal, or as a cast.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use futures::{Stream, StreamExt};
use tokio::time::Instant;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, data, inert, raw, say};
use crate::recording::list::{List, Told};
use crate::recording::player::{Pace, Player, Then};
use crate::recording::tape::{Channel, Tape};
use crate::recording::tty::{self, Pressed, Tty};
use crate::recording::{Lines, cast};

pub(super) async fn replay(client: &Client, out: Output, args: &cli::Replay) -> Result<(), Failure> {
    if let Some(file) = &args.cast {
        let tape = read(client, &args.id).await?;
        let channel = chosen(&tape, args.channel)?;
        return write_cast(&tape, channel, file);
    }
    if out.format != Format::Table {
        let chunks = client.get_stream(&["sessions", &args.id, "recording"], &[]).await?;
        return pass_on(out, chunks, args.search.as_deref()).await;
    }
    if !args.list && args.search.is_none() && tty::is_there() {
        let tape = read(client, &args.id).await?;
        if args.channel.is_some() || !tape.terminals().is_empty() {
            let number = chosen(&tape, args.channel)?.number;
            let others: Vec<_> = tape.terminals().iter().filter(|n| **n != number).map(ToString::to_string).collect();
            let channel = tape.take(number).context("the channel is not there")?;
            play(channel, args).await?;
            if !others.is_empty() {
                say(&format!("that was channel {number}; others with a terminal: {} (--channel N)", others.join(", ")));
            }
            return Ok(());
        }
    }
    let chunks = client.get_stream(&["sessions", &args.id, "recording"], &[]).await?;
    list(chunks, args.search.as_deref()).await
}

/// The lines as they are, those with `search` if that is given; for programs.
pub(super) async fn pass_on(
    out: Output,
    mut chunks: impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin,
    search: Option<&str>,
) -> Result<(), Failure> {
    let (mut lines, mut first) = (Lines::default(), true);
    let mut pass = |line: &str| {
        let wanted = std::mem::take(&mut first) || search.is_none_or(|text| line.contains(text));
        if wanted { out.line(line) } else { Ok(()) }
    };
    while let Some(chunk) = chunks.next().await {
        for line in lines.push(&chunk?) {
            pass(&line)?;
        }
    }
    lines.rest().map_or(Ok(()), |line| pass(&line))
}

async fn list(mut chunks: impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin, search: Option<&str>) -> Result<(), Failure> {
    let mut lines = Lines::default();
    let mut list = search.map_or_else(|| List::new(None), List::only);
    while let Some(chunk) = chunks.next().await {
        for line in lines.push(&chunk?) {
            tell(list.line(&line))?;
        }
    }
    if let Some(line) = lines.rest() {
        tell(list.line(&line))?;
    }
    tell(list.rest())
}

/// Says whose recording it is, and writes what happened.
pub(super) fn tell(told: Vec<Told>) -> Result<(), Failure> {
    for told in told {
        match told {
            Told::Title(title) => say(&title),
            Told::Line(line) => data(&format!("{line}\n"))?,
        }
    }
    Ok(())
}

/// The whole recording, by channels.
async fn read(client: &Client, id: &str) -> Result<Tape, Failure> {
    let mut chunks = client.get_stream(&["sessions", id, "recording"], &[]).await?;
    let (mut lines, mut tape) = (Lines::default(), Tape::default());
    while let Some(chunk) = chunks.next().await {
        for line in lines.push(&chunk?) {
            tape.line(&line);
        }
    }
    Ok(tape)
}

/// The channel that was named, or the first with a terminal.
fn chosen(tape: &Tape, named: Option<u64>) -> Result<&Channel, Failure> {
    let terminals = tape.terminals();
    let hint = || {
        let all: Vec<_> = terminals.iter().map(ToString::to_string).collect();
        if all.is_empty() { "--list shows what happened in it".to_owned() } else { format!("channels with a terminal: {}", all.join(", ")) }
    };
    let number = named.or_else(|| terminals.first().copied());
    let number = number.ok_or_else(|| Failure::new(Code::Error, "nothing in this session had a terminal").hint(hint()))?;
    tape.channel(number).ok_or_else(|| Failure::new(Code::Error, format!("this session has no channel {number}")).hint(hint()))
}

/// Only for whoever asked for it: 0600.
fn write_cast(tape: &Tape, channel: &Channel, file: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    if file == Path::new("-") {
        let mut all = Vec::new();
        cast::write(tape, channel, &mut all)?;
        return raw(&all);
    }
    let failed = || format!("cannot write {}", file.display());
    let to = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(file).with_context(failed)?;
    let mut to = std::io::BufWriter::new(to);
    cast::write(tape, channel, &mut to).and_then(|()| to.flush()).with_context(failed)?;
    say(&format!("{} holds channel {}: asciinema play {0}", inert(&file.display().to_string()), channel.number));
    Ok(())
}

/// Plays a channel on the terminal.
async fn play(channel: Channel, args: &cli::Replay) -> Result<(), Failure> {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut player = Player::new(channel, Pace { speed: args.speed, max_idle: micros(args.max_idle) })?;
    if let Some(at) = args.at {
        player.jump_to(micros(at));
    }
    let mut tty = Tty::enter()?;
    let begun = Instant::now();
    loop {
        player.tick(micros(begun.elapsed()));
        let (cols, rows) = tty.size();
        tty.draw(&player.paint(cols, rows))?;
        // The time that is shown goes on although nothing else does.
        let wait = player.wait().map(|wait| wait.clamp(SECOND / 100, SECOND));
        tokio::select! {
            biased;
            pressed = tty.pressed() => match pressed {
                Pressed::Keys(keys) => {
                    player.tick(micros(begun.elapsed()));
                    if keys.into_iter().any(|key| player.key(key) == Then::Quit) {
                        return Ok(());
                    }
                }
                Pressed::Resized => player.again(),
                Pressed::Gone => return Ok(()),
            },
            () = tty::sleep(wait) => {}
        }
    }
}

/// In microseconds.
const SECOND: u64 = 1_000_000;
