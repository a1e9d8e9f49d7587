//! Every access of a time, for auditors.

use ajar_api::model::Access;
use futures::StreamExt;
use serde::Deserialize;

use crate::cli;
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{Output, Table, raw, say};

/// The whole list.
#[derive(Deserialize)]
struct All {
    items: Vec<Access>,
}

pub(super) async fn accesses(client: &Client, out: Output, args: cli::Accesses) -> Result<(), Failure> {
    let cli::Accesses { from, to, person, resource, csv } = args;
    let said = [("from", from), ("to", to), ("person", person), ("resource", resource)];
    let mut query: Vec<_> = said.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    if csv {
        query.push(("format", "csv".to_owned()));
        let mut chunks = client.get_stream(&["accesses"], &query).await?;
        while let Some(chunk) = chunks.next().await {
            raw(&chunk?)?;
        }
        return Ok(());
    }
    // As one file: the server's range is the same for all of it.
    query.push(("format", "json".to_owned()));
    let All { items: all } = client.get(&["accesses"], &query).await?;
    if all.is_empty() {
        say("nothing was open in that time");
    }
    out.list(&all, || {
        let mut table = Table::new(&["grant", "who", "resource", "role", "opened", "ended", "proven gone", "approved by", "sessions"]);
        for access in &all {
            table.row([
                access.grant.clone(),
                access.person.clone(),
                access.resource.clone(),
                access.role.clone(),
                access.opened_at.clone(),
                access.ended_at.clone().unwrap_or_else(|| "open".to_owned()),
                access.proven_gone_at.clone().unwrap_or_default(),
                approved_by(access),
                access.sessions.to_string(),
            ]);
        }
        table
    })
}

fn approved_by(access: &Access) -> String {
    let names: Vec<&str> =
        access.reviewers.iter().filter(|review| review.verdict == "approve").map(|review| review.name.as_str()).collect();
    match (names.is_empty(), access.automatic, access.emergency) {
        (false, ..) => names.join(", "),
        (true, true, _) => "the rules".to_owned(),
        (true, false, true) => "nobody: an emergency".to_owned(),
        (true, false, false) => String::new(),
    }
}
