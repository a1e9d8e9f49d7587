//! Who you are, and your tokens.

use ajar_api::model::{Me, NewToken, Password, SignIn, Token, TokenScope};
use ajar_core::secret::Secret;

use crate::cli::{self, Scope};
use crate::client::{Client, Credentials, SignedIn};
use crate::exit::{Code, Failure};
use crate::output::{Output, can_ask, data, say};

pub(super) async fn login(client: &Client, args: &cli::Login) -> Result<(), Failure> {
    if !args.password && !args.password_stdin && (can_ask() || args.no_browser) {
        let (name, token) = super::browser::sign_in(client, args).await?;
        return keep(client, name, token);
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None if can_ask() => ask("name: ")?,
        None => return Err(Failure::new(Code::Usage, "sign in as whom?").hint("ajar login NAME --password-stdin < FILE")),
    };
    let password = secret("password: ", args.password_stdin)?;
    let sign_in = SignIn { name: name.clone(), password: password.expose().to_owned(), label: "ajar login".into() };
    let token: Token = client.post(&["sign-in"], &sign_in).await?;
    keep(client, name, token)
}

/// Keeps the token with which somebody has signed in.
fn keep(client: &Client, name: String, token: Token) -> Result<(), Failure> {
    let mut credentials = Credentials::load()?;
    credentials.servers.insert(client.server().to_owned(), SignedIn::new(name.clone(), token.id, token.token));
    credentials.current = Some(client.server().to_owned());
    credentials.save()?;
    say(&format!("signed in to {} as {name} until {}", client.server(), token.expires_at));
    Ok(())
}

pub(super) async fn logout(client: &Client) -> Result<(), Failure> {
    let mut credentials = Credentials::load()?;
    let Some(kept) = credentials.servers.remove(client.server()) else {
        say("nobody was signed in here");
        return Ok(());
    };
    if credentials.current.as_deref() == Some(client.server()) {
        credentials.current = None;
    }
    credentials.save()?;
    match client.delete(&["tokens", &kept.id]).await {
        Ok(()) => say("signed out"),
        Err(failure) => say(&format!("signed out here; the server could not be told: {}", failure.message)),
    }
    Ok(())
}

pub(super) async fn whoami(client: &Client, out: Output) -> Result<(), Failure> {
    let me: Me = client.get(&["me"], &[]).await?;
    out.one(&me, || {
        let may = [(me.audit, "audit"), (me.operate, "operate")];
        let may: Vec<_> = may.iter().filter(|(yes, _)| *yes).map(|(_, what)| *what).collect();
        vec![("name", me.name.clone()), ("id", me.id.clone()), ("may", may.join(", ")), ("server", client.server().to_owned())]
    })
}

pub(super) async fn passwd(client: &Client, args: &cli::Passwd) -> Result<(), Failure> {
    let current = match &args.name {
        Some(_) => None,
        None => Some(secret("current password: ", args.stdin)?),
    };
    let new = secret("new password: ", args.stdin)?;
    if !args.stdin && secret("once more: ", false)? != new {
        return Err(Failure::new(Code::Usage, "the two differ"));
    }
    let expose = |secret: Secret| secret.expose().to_owned();
    let body = Password { name: args.name.clone(), current: current.map(expose), new: expose(new) };
    client.post_text(&["password"], Some(&body)).await?;
    say("the password is changed");
    Ok(())
}

pub(super) async fn token(client: &Client, out: Output, args: &cli::Token) -> Result<(), Failure> {
    if let Some(id) = &args.revoke {
        client.delete(&["tokens", id]).await?;
        say("the token is taken back");
        return Ok(());
    }
    let scope = match args.scope {
        Scope::Full => TokenScope::Full,
        Scope::Connect => TokenScope::Connect,
        Scope::Read => TokenScope::Read,
    };
    let token: Token = client.post(&["tokens"], &NewToken { label: args.label.clone(), scope, life: args.life.clone() }).await?;
    if out.format != cli::Format::Table {
        return out.data(&token);
    }
    say(&format!("{}, good until {}:", token.id, token.expires_at));
    data(&(token.token + "\n"))
}

fn ask(prompt: &str) -> Result<String, Failure> {
    use std::io::Write;
    let mut err = std::io::stderr();
    write!(err, "{prompt}").and_then(|()| err.flush())?;
    line()
}

fn line() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_line(&mut text)?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// A secret: from standard input, or asked for without showing it.
pub(crate) fn secret(prompt: &str, stdin: bool) -> Result<Secret, Failure> {
    if stdin {
        return Ok(Secret::new(line()?));
    }
    if !can_ask() {
        return Err(Failure::new(Code::Usage, "there is no terminal to ask for a password").hint("give it on standard input: see --help"));
    }
    Ok(Secret::new(rpassword::prompt_password(prompt)?))
}
