//! Resources, grants, sessions, and how things stand.

use ajar_api::model::{Finding, Grant, Lease, Page, Resource, Session, Status};

use serde::Serialize;

use crate::cli::{self, Doctor};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, Table, say};

/// What a list asks the server for.
pub(super) fn query(args: &cli::List) -> Vec<(&'static str, String)> {
    let mut query = vec![("limit", args.limit.to_string())];
    if !args.all {
        query.push(("mine", "true".into()));
    }
    query.extend(args.state.clone().map(|s| ("state", s)));
    query.extend(args.resource.clone().map(|r| ("resource", r)));
    query.extend(args.before.clone().map(|b| ("before", b)));
    query
}

pub(super) async fn status(client: &Client, out: Output) -> Result<(), Failure> {
    let status: Status = client.get(&["status"], &[]).await?;
    out.one(&status, || {
        let mut fields = vec![
            ("server", client.server().to_owned()),
            ("version", status.version.clone()),
            ("pending", status.pending.to_string()),
            ("open", status.open.to_string()),
            ("held", status.held.to_string()),
            ("live", status.live.to_string()),
            ("events", status.events.to_string()),
            ("rules", status.rules_hash.clone().unwrap_or_else(|| "none".into())),
        ];
        fields.extend(status.problems.iter().map(|p| ("problem", p.clone())));
        fields
    })?;
    if status.problems.is_empty() { Ok(()) } else { Err(Failure::new(Code::Error, "not all is well")) }
}

pub(super) async fn ls(client: &Client, out: Output) -> Result<(), Failure> {
    let page: Page<Resource> = client.get(&["resources"], &[]).await?;
    if page.items.is_empty() {
        say("no rule lets you ask for anything");
    }
    out.list(&page.items, || {
        let mut table = Table::new(&["resource", "kind", "roles", "open", "about"]);
        for r in &page.items {
            let open = r.open.iter().map(|g| format!("{} until {}", g.role, g.ends_at.as_deref().unwrap_or("?"))).collect::<Vec<_>>();
            table.row([r.name.clone(), r.kind.clone(), r.roles.join(", "), open.join("; "), r.description.clone()]);
        }
        table
    })
}

pub(super) async fn grants(client: &Client, out: Output, args: &cli::List) -> Result<(), Failure> {
    let Some(id) = &args.id else {
        let page: Page<Grant> = client.get(&["grants"], &query(args)).await?;
        return out.list(&page.items, || {
            let mut table =
                Table::new(&["grant", "state", "who", "resource", "role", "until", "extends", "ended", "because", "proven gone"]);
            for g in &page.items {
                let some = |text: &Option<String>| text.clone().unwrap_or_default();
                table.row([
                    g.id.clone(),
                    g.state.clone(),
                    g.principal.clone(),
                    g.resource.clone(),
                    g.role.clone(),
                    some(&g.ends_at),
                    some(&g.extends),
                    some(&g.ended_at),
                    some(&g.closed_because),
                    some(&g.proven_gone_at),
                ]);
            }
            table
        });
    };
    let grant: Grant = client.get(&["grants", id], &[]).await?;
    let leases: Page<Lease> = client.get(&["grants", id, "leases"], &[]).await?;
    out.one(&Detailed { grant: &grant, leases: &leases.items }, || {
        let mut fields = fields(&grant);
        for lease in &leases.items {
            fields.push(("login", format!("{} {} ({})", lease.login, lease.state, lease.id)));
            fields.extend(lease.proof.iter().map(|proof| ("proof", proof.clone())));
            fields.extend(lease.findings.iter().map(|finding| ("finding", finding.clone())));
        }
        fields
    })
}

/// A grant with its logins.
#[derive(Serialize)]
struct Detailed<'a> {
    #[serde(flatten)]
    grant: &'a Grant,
    leases: &'a [Lease],
}

fn fields(grant: &Grant) -> Vec<(&'static str, String)> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        ("grant", grant.id.clone()),
        ("state", grant.state.clone()),
        ("request", grant.request.clone()),
        ("who", grant.principal.clone()),
        ("resource", grant.resource.clone()),
        ("role", grant.role.clone()),
        ("from", some(&grant.starts_at)),
        ("until", some(&grant.ends_at)),
        ("extends", some(&grant.extends)),
        ("because", some(&grant.closed_because)),
        ("goes on as", some(&grant.extended_by)),
        ("ended", some(&grant.ended_at)),
        ("proven gone", some(&grant.proven_gone_at)),
    ]
}

/// Returns or revokes.
pub(super) async fn end(client: &Client, out: Output, id: &str, how: &str) -> Result<(), Failure> {
    let grant: Grant = client.post_empty(&["grants", id, how], &[]).await?;
    out.one(&grant, || fields(&grant))
}

pub(super) async fn sessions(client: &Client, out: Output, args: &cli::List) -> Result<(), Failure> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let because = |s: &Session| s.ended_because.clone().unwrap_or_else(|| s.state.clone());
    if let Some(id) = &args.id {
        let s: Session = client.get(&["sessions", id], &[]).await?;
        return out.one(&s, || {
            vec![
                ("session", s.id.clone()),
                ("state", s.state.clone()),
                ("who", s.principal.clone()),
                ("resource", s.resource.clone()),
                ("role", some(&s.role)),
                ("grant", some(&s.grant)),
                ("protocol", s.protocol.clone()),
                ("client", some(&s.client)),
                ("arrived", s.arrived_at.clone()),
                ("live", some(&s.live_at)),
                ("ended", some(&s.ended_at)),
                ("because", some(&s.ended_because)),
                ("statements", s.entries.map(|n| n.to_string()).unwrap_or_default()),
                ("sha256", some(&s.recording_sha256)),
            ]
        });
    }
    let page: Page<Session> = client.get(&["sessions"], &query(args)).await?;
    out.list(&page.items, || {
        let mut table = Table::new(&["session", "state", "who", "resource", "role", "arrived", "ended", "statements"]);
        for s in &page.items {
            let statements = s.entries.map(|n| n.to_string()).unwrap_or_default();
            let (role, ended) = (some(&s.role), some(&s.ended_at));
            table.row([s.id.clone(), because(s), s.principal.clone(), s.resource.clone(), role, s.arrived_at.clone(), ended, statements]);
        }
        table
    })
}

pub(super) async fn doctor(client: &Client, out: Output, args: &Doctor) -> Result<(), Failure> {
    let resource = args.only().map_err(|more| {
        let hint = "ajar doctor RESOURCE, ajar doctor ssh HOST, or ajar doctor for all";
        Failure::new(Code::Usage, format!("one resource at a time: what is {more}?")).hint(hint)
    })?;
    let query: Vec<_> = resource.iter().map(|r| ("resource", (*r).to_owned())).collect();
    let page: Page<Finding> = client.post_empty(&["doctor"], &query).await?;
    findings(out, &page.items)?;
    if page.items.iter().any(|f| f.severity == "bad") { Err(Failure::new(Code::Error, "not all is well")) } else { Ok(()) }
}

/// What checks found.
pub(super) fn findings(out: Output, findings: &[Finding]) -> Result<(), Failure> {
    out.list(&findings, || {
        let mut table = Table::new(&["resource", "", "check", "result"]);
        for f in findings {
            table.row([f.resource.clone(), f.severity.clone(), f.check.clone(), f.result.clone()]);
        }
        table
    })
}
