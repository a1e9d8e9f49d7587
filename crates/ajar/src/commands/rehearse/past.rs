//! The requests of the past: what a draft would have changed about them, and what they suggest.

use std::path::Path;
use std::sync::Arc;

use ajar_api::model::{PolicyFiles, PolicyReplay, PolicySuggestions};
use ajar_core::port::Clock;
use ajar_core::time::{Span, Timestamp};
use ajar_policy::{Replay, Suggest};

use super::offline::Ledger;
use super::{markdown, rules, usage};
use crate::cli::Format;
use crate::cli::rehearse::{Past, Rehearse, Shape, Suggest as SuggestArgs};
use crate::client::Client;
use crate::clock::SystemClock;
use crate::exit::Failure;
use crate::folder::read_dir;
use crate::output::{Output, Table, data, say};

pub(in crate::commands) async fn replay(client: impl Fn() -> Result<Client, Failure>, out: Output, args: Rehearse) -> Result<(), Failure> {
    let Rehearse { dir, past } = args;
    let report = match &past.ledger {
        Some(file) => replay_offline(&dir, file, &past)?,
        None => {
            let files = read_dir(&dir)?;
            super::super::policy::check(&files)?;
            let body = PolicyFiles { files, commit: None, expect: None };
            client()?.post_with(&["policy", "replay"], &query(&past), &body).await?
        }
    };
    let Some(out) = shape(out, past.format) else { return data(&markdown::replay(&report)) };
    if out.format != Format::Table {
        return out.data(&report);
    }
    data(&format!("{}\n", report.headline))?;
    let mut table = Table::new(&["request", "at", "who", "what", "then", "became", "now", "rule", "why"]);
    for row in &report.rows {
        let who = row.by.as_ref().map_or_else(|| row.who.clone(), |by| format!("{} (asked by {by})", row.who));
        let at = row.at.get(..16).unwrap_or(&row.at).to_owned();
        let why = row.why.clone().unwrap_or_default();
        let (before, became, after) = (row.before.clone(), row.became.clone(), row.after.clone());
        table.row([row.id.clone(), at, who, row.what.clone(), before, became, after, row.rules.join(", "), why]);
    }
    out.list(&report.rows, || table)?;
    if report.left_off > 0 {
        say(&format!("and {} more", report.left_off));
    }
    report.notes.iter().for_each(|note| say(&format!("note: {note}")));
    Ok(())
}

pub(in crate::commands) async fn suggest(
    client: impl Fn() -> Result<Client, Failure>,
    out: Output,
    args: SuggestArgs,
) -> Result<(), Failure> {
    let SuggestArgs { dir, past } = args;
    let found: PolicySuggestions = match (&past.ledger, &dir) {
        (Some(file), Some(dir)) => suggest_offline(dir, file, &past)?,
        (Some(_), None) => return Err(usage("which rules? An exported ledger holds none").hint("ajar policy suggest DIR --ledger FILE")),
        (None, _) => client()?.get(&["policy", "suggestions"], &query(&past)).await?,
    };
    let Some(out) = shape(out, past.format) else { return data(&markdown::suggestions(&found)) };
    out.list(&found, || {
        let mut table = Table::new(&["where", "rule", "suggestion", "because", "for example", "change"]);
        for item in &found.items {
            let (place, change) = (item.place.clone().unwrap_or_default(), item.change.replace('\n', "; "));
            table.row([place, item.rule.clone(), item.message.clone(), item.evidence.clone(), item.examples.join(", "), change]);
        }
        table
    })?;
    if out.format == Format::Table && found.items.is_empty() {
        say(&format!("{} requests suggest nothing", found.requests));
    }
    found.notes.iter().for_each(|note| say(&format!("note: {note}")));
    Ok(())
}

/// The format; `None` for Markdown.
fn shape(out: Output, said: Option<Shape>) -> Option<Output> {
    match said {
        None => Some(out),
        Some(Shape::Table) => Some(Output { format: Format::Table }),
        Some(Shape::Json) => Some(Output { format: Format::Json }),
        Some(Shape::Markdown) => None,
    }
}

fn query(past: &Past) -> Vec<(&'static str, String)> {
    past.since.iter().map(|since| ("since", since.clone())).collect()
}

/// From when on; an exported ledger is looked at as a whole unless it is said.
fn since(past: &Past) -> Result<Option<Timestamp>, Failure> {
    let since = past.since.as_deref().map(str::parse::<Span>).transpose().map_err(|error| usage(format!("--since is {error}")))?;
    Ok(since.map(|since| SystemClock::new().now().before(since)))
}

fn replay_offline(dir: &Path, file: &Path, past: &Past) -> Result<PolicyReplay, Failure> {
    let (rules, since) = (rules(dir)?, since(past)?);
    let ledger = Ledger::open(file, past.key.as_deref())?;
    let mut replay = Replay::new(Arc::new(rules.bind_draft(&ledger.ids())), since);
    ledger.each(&mut |envelope, value| replay.learn(envelope, value))?;
    Ok(PolicyReplay::of(replay.report(), &|id| ledger.name(id)))
}

fn suggest_offline(dir: &Path, file: &Path, past: &Past) -> Result<PolicySuggestions, Failure> {
    let (rules, since) = (rules(dir)?, since(past)?);
    let ledger = Ledger::open(file, past.key.as_deref())?;
    let mut suggest = Suggest::new(Arc::new(rules.bind_draft(&ledger.ids())), since);
    ledger.each(&mut |envelope, value| suggest.learn(envelope, value))?;
    Ok(suggest.suggestions().into())
}
