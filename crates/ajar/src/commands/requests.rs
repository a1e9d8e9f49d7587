//! Asking and deciding.

use std::time::Duration;

use ajar_api::model::{
    Ask, AutoReview, Debt, Grant, NewAsk, NewComment, NewDebtReview, NewExtension, NewRequest, NewReview, Page, Request, Verdict,
};
use futures::StreamExt;

use crate::cli;
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, Table, say};

pub(super) async fn file(client: &Client, out: Output, args: cli::Request) -> Result<(), Failure> {
    if args.dry_run {
        let cli::Request { resource, role, duration, reason, ticket, scope, emergency, at, on_behalf_of, .. } = args;
        let resource = resource.unwrap_or_default();
        let asked = cli::Explain { resource, role, duration, reason, ticket, scope, emergency, at, on_behalf_of, user: None };
        return super::explain::explain(client, out, asked).await;
    }
    let before = match &args.again {
        None => NewRequest::default(),
        Some(id) => {
            let request: Request = client.get(&["requests", id], &[]).await?;
            NewRequest {
                resource: request.resource,
                role: Some(request.role),
                duration: Some(request.duration),
                reason: request.reason.unwrap_or_default(),
                ticket: request.ticket,
                scope: request.scope,
                starts_at: None,
                emergency: false,
                also: request.asks.iter().skip(1).map(|a| NewAsk { resource: a.resource.clone(), role: Some(a.role.clone()) }).collect(),
                on_behalf_of: Some(request.beneficiary).filter(|b| *b != request.requester),
            }
        }
    };
    let new = NewRequest {
        resource: args.resource.unwrap_or(before.resource),
        role: args.role.or(before.role),
        duration: args.duration.or(before.duration),
        reason: args.reason.unwrap_or(before.reason),
        ticket: args.ticket.or(before.ticket),
        scope: args.scope.or(before.scope),
        starts_at: args.at,
        emergency: args.emergency,
        also: if args.also.is_empty() { before.also } else { args.also.iter().map(|also| also_asked(also)).collect() },
        on_behalf_of: args.on_behalf_of.or(before.on_behalf_of),
    };
    let request: Request = client.post(&["requests"], &new).await?;
    filed(client, out, request, args.wait).await
}

/// Asks to go on with a grant.
pub(super) async fn extend(client: &Client, out: Output, args: cli::Extend) -> Result<(), Failure> {
    let cli::Extend { id, duration, reason, ticket, scope, wait } = args;
    let new = NewExtension { duration, reason: reason.unwrap_or_default(), ticket, scope };
    let request: Request = client.post(&["grants", &id, "extend"], &new).await?;
    filed(client, out, request, wait).await
}

/// Asks, and waits for the approval.
pub(super) async fn approved(client: &Client, new: &NewRequest, limit: Duration) -> Result<(), Failure> {
    let request: Request = client.post(&["requests"], new).await?;
    outcome(&waited_for(client, request, limit).await?, true)
}

/// A request, once it is decided or `limit` is over.
async fn waited_for(client: &Client, request: Request, limit: Duration) -> Result<Request, Failure> {
    if request.state != "pending" {
        return Ok(request);
    }
    say(&format!("{} waits for {}", request.id, asked(&request)));
    decided(client, &request.id, limit).await
}

/// Shows what was asked for, once it is decided if that is waited for.
async fn filed(client: &Client, out: Output, mut request: Request, wait: Option<Duration>) -> Result<(), Failure> {
    if let Some(wait) = wait {
        request = waited_for(client, request, wait).await?;
    }
    show(out, &request)?;
    for apart in &request.apart {
        say(&format!("decided apart from it: {apart}; 'ajar requests {apart}' shows how it stands"));
    }
    outcome(&request, wait.is_some())
}

/// `orders-db`, or `orders-db/read`.
fn also_asked(text: &str) -> NewAsk {
    match text.split_once('/') {
        Some((resource, role)) => NewAsk { resource: resource.to_owned(), role: Some(role.to_owned()) },
        None => NewAsk { resource: text.to_owned(), role: None },
    }
}

/// Waits until a request is decided, or for `limit`.
async fn decided(client: &Client, id: &str, limit: Duration) -> Result<Request, Failure> {
    let waiting = async {
        // Changes wake us; the look every few seconds is for those that were missed.
        let mut changes = client.get_stream(&["events"], &[]).await.ok();
        loop {
            let request: Request = client.get(&["requests", id], &[]).await?;
            if request.state != "pending" {
                return Ok(request);
            }
            let next = async {
                match &mut changes {
                    Some(stream) => stream.next().await,
                    None => std::future::pending().await,
                }
            };
            if let Ok(None | Some(Err(_))) = tokio::time::timeout(Duration::from_secs(5), next).await {
                tokio::time::sleep(Duration::from_secs(1)).await;
                changes = client.get_stream(&["events"], &[]).await.ok();
            }
        }
    };
    match tokio::time::timeout(limit, waiting).await {
        Ok(done) => done,
        Err(_) => client.get(&["requests", id], &[]).await,
    }
}

/// The exit code that a request's state means to somebody who asked for it.
fn outcome(request: &Request, waited: bool) -> Result<(), Failure> {
    match request.state.as_str() {
        "denied" => Err(Failure::new(Code::Denied, format!("{} was denied", request.id)).hint(because(request))),
        "expired" => Err(Failure::new(Code::Over, format!("{} was not decided in time", request.id))),
        "withdrawn" => Err(Failure::new(Code::Over, format!("{} was withdrawn", request.id))),
        "pending" if waited => Err(Failure::new(Code::Pending, format!("{} is still pending", request.id))),
        "pending" => {
            say(&format!("it waits for {}; 'ajar requests {}' shows how it stands", asked(request), request.id));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Why a request was denied and what to do, in words; the API has a word of its own for programs.
fn because(request: &Request) -> String {
    let Request { id, resource, role, .. } = request;
    let explain = format!("ajar policy explain {resource} --role {role}");
    match request.denied_because.as_deref() {
        None => String::new(),
        Some("review") => {
            let deny = request.reviews.iter().rev().find(|r| r.verdict == "deny");
            deny.map_or_else(String::new, |r| {
                format!("{} said no{}", r.reviewer, r.note.as_ref().map(|n| format!(": {n}")).unwrap_or_default())
            })
        }
        Some("automatic") => {
            let rules = request.automatic.as_ref().map(|auto| auto.rules.join(", ")).unwrap_or_default();
            format!("the rules deny it: {rules}; '{explain}' says why")
        }
        Some("rules") => format!("the rules in force no longer allow it: '{explain}' says why"),
        Some("requester_disabled") => "who asked, or for whom, is disabled".into(),
        Some("nobody_can_decide") => format!("nobody can decide it: have an operator look at the rule; '{explain}' says who is missing"),
        Some("stage_timed_out") => format!("nobody decided in time: ajar request --again {id}"),
        Some("grant_over") => format!("the grant that it was to go on with is over: ask anew with 'ajar request {resource} --role {role}'"),
        Some(other) => other.to_owned(),
    }
}

fn asked(request: &Request) -> String {
    if request.asked.is_empty() { "nobody: no one can decide it".into() } else { request.asked.join(", ") }
}

pub(super) async fn list(client: &Client, out: Output, args: &cli::List) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        let mut request: Request = client.get(&["requests", id], &[]).await?;
        if request.yours_to_decide {
            // So that the others who are asked know. With a token for reading only, they don't.
            request = client.post_empty(&["requests", &request.id, "seen"], &[]).await.unwrap_or(request);
        }
        return show(out, &request);
    }
    let page: Page<Request> = client.get(&["requests"], &super::access::query(args)).await?;
    out.list(&page.items, || table(&page.items))
}

pub(super) async fn inbox(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Request> = client.get(&["inbox"], &[]).await?;
    if page.items.is_empty() {
        say("no request waits for you");
    }
    out.list(&page.items, || table(&page.items))?;
    let debts: Page<Debt> = client.get(&["debts"], &[]).await?;
    let yours = debts.items.iter().filter(|d| d.yours_to_review).count();
    if yours > 0 {
        say(&format!("emergencies that you are asked to review: {yours} ('ajar debts')"));
    }
    if let (Some(first), cli::Format::Table) = (page.items.first(), out.format) {
        say(&format!("ajar approve {} --note '…'   or   ajar deny …", first.id));
    }
    Ok(())
}

pub(super) async fn approve(client: &Client, out: Output, args: cli::Approve) -> Result<(), Failure> {
    let cli::Approve { review: cli::Review { id, note }, duration, only } = args;
    let only = (!only.is_empty()).then_some(only);
    review(client, out, &id, NewReview { verdict: Verdict::Approve, note, duration, only }).await
}

pub(super) async fn deny(client: &Client, out: Output, args: cli::Review) -> Result<(), Failure> {
    review(client, out, &args.id, NewReview { verdict: Verdict::Deny, note: args.note, duration: None, only: None }).await
}

async fn review(client: &Client, out: Output, id: &str, new: NewReview) -> Result<(), Failure> {
    let request: Request = client.post(&["requests", id, "reviews"], &new).await?;
    show(out, &request)
}

pub(super) async fn debts(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Debt> = client.get(&["debts"], &[]).await?;
    if page.items.is_empty() {
        say("no review is owed for an emergency");
    }
    out.list(&page.items, || {
        let mut table = Table::new(&["debt", "request", "who", "where", "due", "asked"]);
        for d in &page.items {
            let due = if d.overdue { format!("{} (overdue)", d.due) } else { d.due.clone() };
            table.row([d.id.clone(), d.request.clone(), d.debtor.clone(), d.resources.join(", "), due, d.asked.join(", ")]);
        }
        table
    })?;
    if let (Some(first), cli::Format::Table) = (page.items.iter().find(|d| d.yours_to_review), out.format) {
        say(&format!("ajar requests {}   then   ajar acknowledge {} --note '…'   or   ajar object …", first.request, first.id));
    }
    Ok(())
}

pub(super) async fn debt_review(client: &Client, args: cli::Review, verdict: Verdict) -> Result<(), Failure> {
    client.post_text(&["debts", &args.id, "reviews"], Some(&NewDebtReview { verdict, note: args.note })).await?;
    say("reviewed");
    Ok(())
}

pub(super) async fn take_back(client: &Client, out: Output, id: &str) -> Result<(), Failure> {
    let request: Request = client.post_empty(&["requests", id, "take-back"], &[]).await?;
    show(out, &request)
}

pub(super) async fn comment(client: &Client, out: Output, args: cli::Comment) -> Result<(), Failure> {
    let request: Request = client.post(&["requests", &args.id, "comments"], &NewComment { text: args.text }).await?;
    show(out, &request)
}

pub(super) async fn withdraw(client: &Client, out: Output, id: &str) -> Result<(), Failure> {
    let request: Request = client.post_empty(&["requests", id, "withdraw"], &[]).await?;
    show(out, &request)
}

fn table(requests: &[Request]) -> Table {
    let mut table = Table::new(&["request", "state", "who", "resource", "role", "for", "filed", "why"]);
    for r in requests {
        let why = [r.ticket.clone().unwrap_or_default(), r.reason.clone().unwrap_or_default()];
        let why = why.iter().filter(|w| !w.is_empty()).cloned().collect::<Vec<_>>().join(": ");
        let cells = [&r.id, &r.state, &r.requester, &r.resource, &r.role, &r.duration, &r.filed_at];
        table.row(cells.into_iter().cloned().chain([why]));
    }
    table
}

fn show(out: Output, r: &Request) -> Result<(), Failure> {
    out.one(r, || {
        let mut fields = vec![
            ("request", r.id.clone()),
            ("state", r.state.clone()),
            ("who", r.requester.clone()),
            ("on behalf of", if r.beneficiary == r.requester { String::new() } else { r.beneficiary.clone() }),
            ("resource", r.resource.clone()),
            ("role", r.role.clone()),
            ("also", asks(r.asks.get(1..).unwrap_or_default())),
            ("for", r.duration.clone()),
            ("extends", r.extends.as_ref().map(|grant| format!("{grant}: it ends so much later")).unwrap_or_default()),
            ("emergency", if r.emergency { "opened without a review".into() } else { String::new() }),
            ("begins", r.starts_at.clone().unwrap_or_default()),
            ("clock", r.on_first_use.as_deref().map(|within| format!("starts at the first use, within {within}")).unwrap_or_default()),
            ("sessions", if r.single_use { "one, once".into() } else { String::new() }),
            ("risk", if r.low_risk { "low".into() } else { String::new() }),
            ("why", r.reason.clone().unwrap_or_default()),
            ("ticket", r.ticket.clone().unwrap_or_default()),
            ("scope", r.scope.clone().unwrap_or_default()),
            ("filed", r.filed_at.clone()),
            ("rules", r.rules.join(", ")),
        ];
        if r.state == "pending" {
            fields.push(("decide by", r.expires_at.clone()));
            fields.push(("asked", asked(r)));
            fields.push(("looked at by", r.seen.join(", ")));
        }
        for stage in &r.stages {
            let waits = if stage.waiting { ", waits" } else { "" };
            let otherwise = stage.otherwise.join(", then ");
            let from = stage.from.join(" or ");
            fields.push(("stage", format!("{} of {from} within {}, otherwise {otherwise}{waits}", stage.needed, stage.within)));
        }
        fields.extend(r.automatic.iter().map(|auto| ("review", automatic(auto))));
        for review in &r.reviews {
            let note = review.note.as_deref().map(|n| format!(": {n}")).unwrap_or_default();
            let most = review.duration.as_deref().map(|d| format!(" for {d}")).unwrap_or_default();
            let only = review.only.as_deref().map(|only| format!(" only {}", asks(only))).unwrap_or_default();
            let beforehand = if review.beforehand.is_some() { " beforehand, counted" } else { "" };
            let back = if review.taken_back { " (taken back)" } else { "" };
            fields.push(("review", format!("{} {}{most}{only}{beforehand} at {}{back}{note}", review.reviewer, review.verdict, review.at)));
        }
        for comment in &r.comments {
            fields.push(("comment", format!("{} at {}: {}", comment.by, comment.at, comment.text.as_deref().unwrap_or("(erased)"))));
        }
        fields.push(("because", because(r)));
        fields.extend(r.grants.iter().map(|g| ("grant", grant_line(g))));
        fields.push(("link", r.link.clone()));
        fields
    })
}

fn automatic(auto: &AutoReview) -> String {
    let verdict = if auto.verdict == "approve" { "approved" } else { "denied" };
    let values = auto.values.as_ref().map(|values| format!(", which saw {values}")).unwrap_or_default();
    format!("{verdict} by {} at {}{values}", auto.rules.join(", "), auto.at)
}

fn asks(asks: &[Ask]) -> String {
    asks.iter().map(|ask| format!("{}/{}", ask.resource, ask.role)).collect::<Vec<_>>().join(", ")
}

fn grant_line(grant: &Grant) -> String {
    let until = match (&grant.ends_at, &grant.redeem_by, &grant.opens_at, &grant.failed_because) {
        (Some(end), ..) => format!(" until {end}"),
        (None, _, _, Some(why)) => format!(": {why}"),
        (None, Some(by), _, None) => format!(", opens when it is used, before {by}"),
        (None, None, Some(at), None) => format!(", opens at {at}"),
        (None, None, None, None) => String::new(),
    };
    format!("{} {}{until}", grant.id, grant.state)
}
