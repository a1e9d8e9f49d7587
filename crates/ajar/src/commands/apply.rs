//! Files against what is in force: what differs, what comes of it, who put it there.

use ajar_api::model::{Page, PolicyApplied, PolicyEntry, PolicyFiles, PolicyPlan};
use ajar_engine::NOTHING;

use super::policy::check;
use crate::cli::{Apply, Diff, Format};
use crate::client::Client;
use crate::exit::Failure;
use crate::folder::{git_commit, read_dir};
use crate::output::{Output, Table, data, inert, say};

/// Lines of a plan that are said before it is applied.
const SAID: usize = 100;

pub(super) async fn diff(client: &Client, out: Output, args: &Diff) -> Result<(), Failure> {
    let files = read_dir(&args.dir)?;
    check(&files)?;
    let plan: PolicyPlan = client.post(&["policy", "plan"], &PolicyFiles { files, commit: None, expect: None }).await?;
    match out.format {
        Format::Json | Format::Yaml => out.data(&plan)?,
        Format::Table => data(&lines(&plan).concat())?,
    }
    let same = plan.in_force.as_deref() == Some(plan.hash.as_str());
    let now = plan.in_force.as_deref().unwrap_or(NOTHING);
    match (plan.changes.is_empty(), same) {
        (_, true) => say(&format!("no difference: {now} is in force")),
        (true, false) => say(&format!("no difference in what they mean; in force is {now}, the files are {}", plan.hash)),
        (false, false) => say(&format!("in force is {now}; to put exactly this there: ajar policy apply DIR --expect {now}")),
    }
    if args.exit_code && !plan.changes.is_empty() { Err(Failure::child(1)) } else { Ok(()) }
}

pub(super) async fn apply(client: &Client, out: Output, args: Apply) -> Result<(), Failure> {
    let files = read_dir(&args.dir)?;
    check(&files)?;
    let commit = args.commit.or_else(|| git_commit(&args.dir));
    let mut new = PolicyFiles { files, commit, expect: None };
    let plan: PolicyPlan = client.post(&["policy", "plan"], &new).await?;
    let lines = lines(&plan);
    for line in lines.iter().take(SAID) {
        say(line.trim_end());
    }
    if lines.len() > SAID {
        say(&format!("{} lines more: 'ajar policy diff DIR' shows all", lines.len() - SAID));
    }
    // What was shown is what is applied, or nothing.
    new.expect = Some(args.expect.unwrap_or_else(|| plan.in_force.unwrap_or_else(|| NOTHING.to_owned())));
    let applied: PolicyApplied = client.post(&["policy"], &new).await?;
    if applied.changed {
        say(&format!("in force: {} ({} people added, {} disabled)", applied.hash, applied.added, applied.disabled));
    } else {
        say(&format!("nothing to do: {} is in force already", applied.hash));
    }
    if applied.unchecked > 0 {
        say(&format!("{} new or changed resources were not checked: 'ajar doctor NAME' does", applied.unchecked));
    }
    match out.format {
        Format::Json | Format::Yaml => out.data(&applied),
        Format::Table => super::access::findings(out, &applied.findings),
    }
}

pub(super) async fn log(client: &Client, out: Output, limit: usize) -> Result<(), Failure> {
    let page: Page<PolicyEntry> = client.get(&["policy", "log"], &[("limit", limit.to_string())]).await?;
    out.list(&page.items, || {
        let mut table = Table::new(&["event", "at", "by", "commit", "hash"]);
        for e in &page.items {
            table.row([e.seq.to_string(), e.at.clone(), e.by.clone(), e.commit.clone().unwrap_or_default(), e.hash.clone()]);
        }
        table
    })
}

/// A plan, a line each: what differs, then what comes of it.
fn lines(plan: &PolicyPlan) -> Vec<String> {
    let changes = plan.changes.iter().map(|change| change.text.clone());
    let disabled = plan.disabled.iter().map(|name| format!("! {name} can do nothing any more"));
    let grants = plan.grants.iter().map(|g| {
        let cut = if g.sessions > 0 { format!(", which cuts {} sessions", g.sessions) } else { String::new() };
        format!("! {} of {} ({} on {}) closes{cut}: {}", g.id, g.principal, g.role, g.resource, g.because)
    });
    let requests = plan.requests.iter().map(|r| {
        let what = match &r.because {
            Some(because) => format!("is denied: {because}"),
            None => "asks for more, or for less time".to_owned(),
        };
        format!("! {} of {} ({}) {what}", r.id, r.requester, r.asks.join(", "))
    });
    changes.chain(disabled).chain(grants).chain(requests).map(|line| inert(&line) + "\n").collect()
}
