//! Locking, being away, approving beforehand.

use ajar_api::model::{Delegation, Lock, NewDelegation, NewLock, NewPreapproval, Page, Preapproval};

use crate::cli;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Output, Table, say};

fn what(lock: &Lock) -> String {
    let user = lock.user.as_deref().map(|user| format!("user:{user}"));
    user.or_else(|| lock.resource.clone()).unwrap_or_default()
}

pub(super) async fn lock(client: &Client, out: Output, args: cli::Lock) -> Result<(), Failure> {
    let (user, resource) = match args.what.strip_prefix("user:") {
        Some(user) => (Some(user.to_owned()), None),
        None => (None, Some(args.what)),
    };
    let lock: Lock = client.post(&["locks"], &NewLock { user, resource, reason: args.reason.unwrap_or_default() }).await?;
    say(&format!("{} is locked: what was open is cut. 'ajar unlock {}' lifts it", what(&lock), lock.id));
    table(out, std::slice::from_ref(&lock))
}

pub(super) async fn unlock(client: &Client, id: &str) -> Result<(), Failure> {
    client.delete(&["locks", id]).await?;
    say("unlocked; what was cut stays cut");
    Ok(())
}

pub(super) async fn locks(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Lock> = client.get(&["locks"], &[]).await?;
    if page.items.is_empty() {
        say("nothing that you may know of is locked");
    }
    table(out, &page.items)
}

fn table(out: Output, locks: &[Lock]) -> Result<(), Failure> {
    out.list(locks, || {
        let mut table = Table::new(&["lock", "locked", "by", "since", "why"]);
        for lock in locks {
            table.row([lock.id.clone(), what(lock), lock.by.clone(), lock.at.clone(), lock.reason.clone().unwrap_or_default()]);
        }
        table
    })
}

pub(super) async fn delegate(client: &Client, out: Output, args: cli::Delegate) -> Result<(), Failure> {
    let new = NewDelegation { to: args.to, from: args.from, duration: args.duration };
    let made: Delegation = client.post(&["delegations"], &new).await?;
    say(&format!("until {} {} is asked instead of you. 'ajar undelegate {}' ends it", made.until, made.to, made.id));
    delegation_table(out, std::slice::from_ref(&made))
}

pub(super) async fn undelegate(client: &Client, id: &str) -> Result<(), Failure> {
    client.delete(&["delegations", id]).await?;
    say("ended");
    Ok(())
}

pub(super) async fn delegations(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Delegation> = client.get(&["delegations"], &[]).await?;
    if page.items.is_empty() {
        say("nobody stands in for you, nor you for anybody");
    }
    delegation_table(out, &page.items)
}

fn delegation_table(out: Output, delegations: &[Delegation]) -> Result<(), Failure> {
    out.list(delegations, || {
        let mut table = Table::new(&["delegation", "away", "asked instead", "from", "until"]);
        for d in delegations {
            table.row([&d.id, &d.from, &d.to, &d.starts_at, &d.until].map(Clone::clone));
        }
        table
    })
}

pub(super) async fn preapprove(client: &Client, out: Output, args: cli::Preapprove) -> Result<(), Failure> {
    let cli::Preapprove { user, what, duration, from, most, note } = args;
    let (resource, role) = match what.split_once('/') {
        Some((resource, role)) => (resource.to_owned(), Some(role.to_owned())),
        None => (what, None),
    };
    let given: Preapproval = client.post(&["preapprovals"], &NewPreapproval { user, resource, role, from, duration, most, note }).await?;
    say(&format!(
        "until {} your approve counts for what {} asks for there. 'ajar unpreapprove {}' ends it",
        given.until, given.user, given.id
    ));
    preapproval_table(out, std::slice::from_ref(&given))
}

pub(super) async fn unpreapprove(client: &Client, id: &str) -> Result<(), Failure> {
    client.delete(&["preapprovals", id]).await?;
    say("ended; what it has let through stays approved");
    Ok(())
}

pub(super) async fn preapprovals(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Preapproval> = client.get(&["preapprovals"], &[]).await?;
    if page.items.is_empty() {
        say("nothing is approved beforehand, by you or for you");
    }
    preapproval_table(out, &page.items)
}

fn preapproval_table(out: Output, given: &[Preapproval]) -> Result<(), Failure> {
    out.list(given, || {
        let mut table = Table::new(&["pre-approval", "by", "for", "where", "at most", "from", "until", "note"]);
        for p in given {
            let place = p.role.as_deref().map_or_else(|| p.resource.clone(), |role| format!("{}/{role}", p.resource));
            let (most, note) = (p.most.clone().unwrap_or_default(), p.note.clone().unwrap_or_default());
            table.row([p.id.clone(), p.by.clone(), p.user.clone(), place, most, p.starts_at.clone(), p.until.clone(), note]);
        }
        table
    })
}
