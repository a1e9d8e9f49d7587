//! What happened, with proof.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use ajar_api::model::{LedgerStatus, Verified};
use ajar_ledger::note::VerifierKey;
use anyhow::Context;
use futures::StreamExt;
use serde_json::Value;

use crate::cli::{Format, Ledger};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, Table, data, raw, say};

pub(super) async fn run(client: impl Fn() -> Result<Client, Failure>, out: Output, args: Ledger) -> Result<(), Failure> {
    match args {
        Ledger::Tail { number, follow } => tail(&client()?, out, number, follow).await,
        Ledger::Search { text, kind, before, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(text.map(|t| ("text", t)));
            query.extend(kind.map(|k| ("kind", k)));
            query.extend(before.map(|b| ("before", b.to_string())));
            show(out, &client()?.get_text(&["ledger"], &query).await?, false)
        }
        Ledger::Export { to } => export(&client()?, to.as_deref()).await,
        Ledger::Verify { file, key, checkpoint } => {
            let kept = checkpoint.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?;
            verify(&file, &key, &kept.iter().map(String::as_str).collect::<Vec<_>>(), out)
        }
        Ledger::Proof { seq, to } => proof(&client()?, seq, to.as_deref()).await,
        Ledger::Prove { file, key } => prove(&file, &key, out),
        Ledger::Status { verify } => status(&client()?, verify, out).await,
        Ledger::Key => data(&client()?.get_text(&["ledger", "key"], &[]).await?),
        Ledger::Checkpoint => data(&client()?.post_text(&["ledger", "checkpoint"], None::<&()>).await?),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    Ok(std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?)
}

/// Writes events: the exact bytes for programs, a table for people.
fn show(out: Output, leaves: &str, oldest_first: bool) -> Result<(), Failure> {
    let mut lines: Vec<&str> = leaves.lines().collect();
    if oldest_first {
        lines.reverse();
    }
    if out.format != Format::Table {
        return lines.iter().try_for_each(|line| out.line(line));
    }
    let mut table = Table::new(&["seq", "at", "kind", "of", "event"]);
    for line in lines {
        let leaf: Value = serde_json::from_str(line).context("an event that can't be read")?;
        let text = |name: &str| leaf.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default();
        let data = leaf.get("body").map(ToString::to_string).unwrap_or_default();
        let short: String = data.chars().take(120).collect();
        table.row([text("seq"), text("at"), text("kind"), text("stream"), if short.len() < data.len() { short + "…" } else { short }]);
    }
    out.list(&(), || table)
}

async fn tail(client: &Client, out: Output, number: u32, follow: bool) -> Result<(), Failure> {
    let newest = client.get_text(&["ledger"], &[("limit", number.to_string())]).await?;
    show(out, &newest, true)?;
    let mut next = seq(newest.lines().next()).map_or(0, |n| n + 1);
    if !follow {
        return Ok(());
    }
    let mut changes = client.get_stream(&["events"], &[]).await?;
    loop {
        // Not every event is somebody's news: look from time to time as well.
        if let Ok(None | Some(Err(_))) = tokio::time::timeout(std::time::Duration::from_secs(2), changes.next()).await {
            return Err(Failure::new(Code::Error, "the server has closed the connection"));
        }
        let page = client.get_text(&["ledger"], &[("limit", "500".into())]).await?;
        let new: String = page.lines().take_while(|line| seq(Some(line)).is_some_and(|s| s >= next)).flat_map(|l| [l, "\n"]).collect();
        if !new.is_empty() {
            show(out, &new, true)?;
            next = seq(new.lines().next()).map_or(next, |n| n + 1);
        }
    }
}

fn seq(line: Option<&str>) -> Option<u64> {
    serde_json::from_str::<Value>(line?).ok()?.get("seq")?.as_u64()
}

async fn export(client: &Client, to: Option<&Path>) -> Result<(), Failure> {
    let mut chunks = client.get_stream(&["ledger", "export"], &[]).await?;
    let Some(path) = to else {
        while let Some(chunk) = chunks.next().await {
            raw(&chunk?)?;
        }
        return Ok(());
    };
    let failed = || format!("cannot write {}", path.display());
    let mut file = File::create(path).with_context(failed)?;
    while let Some(chunk) = chunks.next().await {
        file.write_all(&chunk?).with_context(failed)?;
    }
    file.sync_all().with_context(failed)?;
    say(&format!("wrote {}; check it with: ajar ledger verify {} --key …", path.display(), path.display()));
    Ok(())
}

async fn proof(client: &Client, seq: u64, to: Option<&Path>) -> Result<(), Failure> {
    let found = client.get_text(&["ledger", "events", &seq.to_string(), "proof"], &[]).await?;
    let Some(path) = to else { return data(&found) };
    std::fs::write(path, &found).with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("wrote {0}; check it with: ajar ledger prove {0} --key …", path.display()));
    Ok(())
}

fn prove(file: &Path, key: &str, out: Output) -> Result<(), Failure> {
    let key = trusted(key)?;
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(file).with_context(|| format!("cannot read {}", file.display()))?)
    };
    let mut text = Vec::new();
    let most = u64::try_from(ajar_ledger::proof::PROOF_MAX).unwrap_or(u64::MAX).saturating_add(1);
    input.take(most).read_to_end(&mut text).with_context(|| format!("cannot read {}", file.display()))?;
    let proven = ajar_ledger::proof::check(&text, &key).map_err(|why| {
        Failure::new(Code::Error, why.to_string()).hint("it proves nothing: have the event proven anew with 'ajar ledger proof'")
    })?;
    let event: Value = serde_json::from_str(&proven.event).context("an event that can't be read")?;
    let of = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let whole = serde_json::json!({ "proven": true, "seq": proven.seq, "signed": proven.checkpoint.size, "event": event });
    out.one(&whole, || {
        vec![
            ("proven", "yes".to_owned()),
            ("event", proven.seq.to_string()),
            ("kind", of("kind")),
            ("of", of("stream")),
            ("at", of("at")),
            ("signed", format!("with {} events of {}", proven.checkpoint.size, proven.checkpoint.origin)),
            ("says", proven.event.clone()),
        ]
    })
}

async fn status(client: &Client, verify: bool, out: Output) -> Result<(), Failure> {
    if verify {
        let _: Verified = client.post_empty(&["ledger", "verify"], &[]).await?;
    }
    let status: LedgerStatus = client.get(&["ledger", "status"], &[]).await?;
    out.one(&status, || {
        let mut fields = vec![("events", status.size.to_string()), ("root", status.root.clone())];
        fields.extend(status.checkpoint.iter().map(|last| {
            let at = last.at.as_deref().map(|at| format!(", at {at}")).unwrap_or_default();
            ("signed", format!("the first {}{at}", last.size))
        }));
        fields.extend(status.verified.iter().flat_map(|v| {
            [("verified", format!("{}, in {} ms", v.at, v.took_ms)), (if v.ok { "sound" } else { "WRONG" }, v.words.clone())]
        }));
        fields
    })?;
    match status.verified.filter(|v| !v.ok) {
        None => Ok(()),
        Some(wrong) => Err(Failure::new(Code::Error, format!("the ledger is not what was recorded: {}", wrong.words))),
    }
}

/// A ledger's key: a text, or a file that holds it.
pub(super) fn trusted(key: &str) -> Result<VerifierKey, Failure> {
    let key = if Path::new(key).exists() { read(Path::new(key))? } else { key.to_owned() };
    key.trim()
        .parse()
        .map_err(|e| Failure::new(Code::Usage, format!("that is not a ledger's key: {e}")).hint("it is what 'ajar ledger key' gives"))
}

fn verify(file: &Path, key: &str, kept: &[&str], out: Output) -> Result<(), Failure> {
    let key = trusted(key)?;
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::with_capacity(1 << 20, File::open(file).with_context(|| format!("cannot read {}", file.display()))?))
    };
    let report = ajar_ledger::verify::verify(input, &key, kept).context("the export cannot be read to its end")?;
    let sound = report.is_sound();
    let mut findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    if report.more > 0 {
        findings.push(format!("and {} more", report.more));
    }
    let signed = report.checkpoint.as_ref().map(|c| c.size);
    let whole = serde_json::json!({
        "sound": sound,
        "events": report.size,
        "streams": report.streams,
        "disclosures": report.disclosures,
        "signed": signed,
        "kept_checkpoints_confirmed": report.confirmed,
        "problems": findings,
    });
    out.one(&whole, || {
        let mut fields = vec![
            ("sound", if sound { "yes" } else { "NO" }.to_owned()),
            ("events", report.size.to_string()),
            ("signed", signed.map(|n| n.to_string()).unwrap_or_default()),
            ("kept checkpoints", format!("{} of {} confirmed", report.confirmed, kept.len())),
        ];
        fields.extend(findings.iter().map(|f| ("problem", f.clone())));
        fields
    })?;
    if sound { Ok(()) } else { Err(Failure::new(Code::Error, "this is not what was signed")) }
}
