//! What somebody is told.

use ajar_api::model::{Notice, Page};
use anyhow::Context;
use futures::StreamExt;

use crate::cli::{self, Format};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::{Output, Table, data, inert, say};

pub(super) async fn notices(client: &Client, out: Output, args: &cli::Notices) -> Result<(), Failure> {
    if args.follow {
        return follow(client, out, args).await;
    }
    let page = after(client, args.after, args.limit).await?;
    if page.items.is_empty() {
        say("there is nothing new for you");
    }
    out.list(&page.items, || {
        let mut table = Table::new(&["notice", "at", "what", "about", "in words"]);
        for n in &page.items {
            table.row([n.id.to_string(), n.at.clone(), n.kind.clone(), about(n), n.text.clone()]);
        }
        table
    })
}

async fn after(client: &Client, after: Option<u64>, limit: u32) -> Result<Page<Notice>, Failure> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(after.map(|seq| ("after", seq.to_string())));
    client.get(&["notices"], &query).await
}

fn about(notice: &Notice) -> String {
    match notice.about.as_slice() {
        [one] => one.clone(),
        several => format!("{} requests", several.len()),
    }
}

/// The same, line by line: for programs one document each.
async fn follow(client: &Client, out: Output, args: &cli::Notices) -> Result<(), Failure> {
    // Before the first look, so that nothing falls in between.
    let mut changes = client.get_stream(&["events"], &[]).await?;
    let mut page = after(client, args.after, args.limit).await?;
    let mut seen = args.after.unwrap_or(0);
    loop {
        let full = !page.items.is_empty();
        for notice in &page.items {
            seen = notice.id;
            match out.format {
                Format::Table => data(&format!("{}  {}  ({})\n", inert(&notice.at), inert(&notice.text), inert(&about(notice))))?,
                Format::Json | Format::Yaml => out.line(&serde_json::to_string(notice).context("a notice that can't be written")?)?,
            }
        }
        // Until there are no more: a page may not hold all of them.
        if !full && let None | Some(Err(_)) = changes.next().await {
            return Err(Failure::new(Code::Error, "the server has closed the connection"));
        }
        page = after(client, Some(seen), 200).await?;
    }
}
