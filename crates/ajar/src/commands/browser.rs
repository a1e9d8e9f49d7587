//! Signing in through a browser: a code here, the same code there, and somebody who compares them.

use std::process::Stdio;
use std::time::Duration;

use ajar_api::model::{CliLogin, CliLoginSecret, Me, NewCliLogin, Token};
use ajar_core::secret::Secret;
use ajar_core::time::Timestamp;
use anyhow::Context;
use serde_json::Value;

use crate::cli;
use crate::client::Client;
use crate::clock::SystemClock;
use crate::exit::{Code, Failure};
use crate::output::{inert, say};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often in a row it may not answer.
const PATIENCE: u32 = 10;

/// Who has signed in, and their token.
pub(super) async fn sign_in(client: &Client, args: &cli::Login) -> Result<(String, Token), Failure> {
    let login: CliLogin = client.post(&["cli-logins"], &NewCliLogin { label: label() }).await?;
    // What the server says is opened only if it is what it should be: a page.
    let page: reqwest::Url = login.url.parse().context("the server's link is not a URL")?;
    if !matches!(page.scheme(), "http" | "https") {
        return Err(Failure::new(Code::Error, "the server's link is not to a page"));
    }
    say(&format!("open {}", inert(page.as_str())));
    say(&format!("and say yes there if it shows this code:  {}", inert(&login.code)));
    if !args.no_browser {
        open(page.as_str());
    }
    let token = wait(client, &login).await?;
    let signed_in = client.with_token(Secret::new(token.token.clone()));
    let me: Me = signed_in.get(&["me"], &[]).await?;
    if let Some(wanted) = args.name.as_deref().filter(|wanted| *wanted != me.name) {
        signed_in.delete(&["tokens", &token.id]).await?;
        return Err(Failure::new(Code::Denied, format!("{} said yes in the browser, not {wanted}", me.name))
            .hint("sign in there as yourself, or say no name here"));
    }
    Ok((me.name, token))
}

/// Asks until there is a token, somebody has refused it, or the time is over.
async fn wait(client: &Client, login: &CliLogin) -> Result<Token, Failure> {
    let until: Timestamp = login.expires_at.parse().map_err(|_| Failure::new(Code::Error, "the server's answer makes no sense"))?;
    let mut silent = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        let body = CliLoginSecret { secret: login.secret.clone() };
        match client.post::<Value>(&["cli-logins", &login.id, "token"], &body).await {
            Ok(answer) if answer.get("token").is_some() => {
                return Ok(serde_json::from_value(answer).context("the server's answer is not what this version understands")?);
            }
            Ok(_) => silent = 0,
            Err(failure) if failure.code == Code::Error as u8 && silent < PATIENCE => silent += 1,
            Err(failure) => return Err(failure),
        }
        if ajar_core::port::Clock::now(&SystemClock::new()) >= until {
            return Err(Failure::new(Code::Over, "nobody said yes in time").hint("ajar login"));
        }
    }
}

/// What this command line says of itself.
fn label() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    host.map_or_else(|| "ajar".to_owned(), |host| format!("ajar on {}", host.trim()))
}

/// Opens a page, where there is a browser. Who has none opens the link elsewhere.
fn open(page: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let started = std::process::Command::new(program).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if started.is_err() {
        say("there is no browser here: open the link on another machine");
    }
}
