//! The API, from the outside: what every command but the server's own goes through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajar_api::model::Problem;
use ajar_core::secret::Secret;
use anyhow::Context;
use futures::{Stream, TryStreamExt};
use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::exit::{Code, Failure};

/// Where somebody is signed in. The file is theirs alone (0600).
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// The server that was signed in to last.
    #[serde(default)]
    pub(crate) current: Option<String>,
    #[serde(default)]
    pub(crate) servers: BTreeMap<String, SignedIn>,
}

/// One server's token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedIn {
    pub(crate) name: String,
    pub(crate) id: String,
    token: String,
}

impl SignedIn {
    pub(crate) fn new(name: String, id: String, token: String) -> Self {
        Self { name, id, token }
    }
}

impl Drop for SignedIn {
    fn drop(&mut self) {
        drop(Secret::new(std::mem::take(&mut self.token)));
    }
}

/// Our folder for what a user keeps: `$XDG_CONFIG_HOME/ajar`, else `~/.config/ajar`.
pub(crate) fn config_dir() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_CONFIG_HOME").filter(|d| !d.is_empty()) {
        return Ok(PathBuf::from(dir).join("ajar"));
    }
    let home = std::env::home_dir().context("there is no home folder: set HOME or XDG_CONFIG_HOME")?;
    Ok(home.join(".config/ajar"))
}

impl Credentials {
    pub(crate) fn load() -> anyhow::Result<Self> {
        let path = config_dir()?.join("credentials.json");
        match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("{} is damaged: remove it and sign in again", path.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let dir = config_dir()?;
        make_private_dir(&dir)?;
        write_private(&dir.join("credentials.json"), serde_json::to_string_pretty(self)?.as_bytes())
    }
}

/// Makes a folder that is its owner's alone.
pub(crate) fn make_private_dir(dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("cannot make {}", dir.display()))
}

/// Writes a file that is its owner's alone, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let failed = || format!("cannot write {}", path.display());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&new).with_context(failed)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(failed)?;
    std::fs::rename(&new, path).with_context(failed)
}

/// The id of the token with which a server would be asked, without asking it: none where nobody is signed in.
pub(crate) fn token_id(url: Option<&str>) -> anyhow::Result<Option<String>> {
    if let Some(token) = std::env::var("AJAR_TOKEN").ok().filter(|token| !token.is_empty()) {
        let token = Secret::new(token);
        return Ok(token.expose().strip_prefix("ajar_").and_then(|rest| rest.get(..26)).map(|id| format!("tok_{id}")));
    }
    let kept = Credentials::load()?;
    let url = url.map(str::to_owned).or_else(|| kept.current.clone());
    let base: Option<Url> = url.and_then(|url| url.parse().ok());
    Ok(base.and_then(|base| kept.servers.get(key(&base)).map(|signed_in| signed_in.id.clone())))
}

/// A server, and whoever asks it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Secret>,
}

/// A client that trusts these authorities too.
pub(crate) fn trusting(http: reqwest::ClientBuilder, pem: &[u8]) -> reqwest::Result<reqwest::ClientBuilder> {
    let authorities = reqwest::Certificate::from_pem_bundle(pem)?;
    Ok(authorities.into_iter().fold(http, reqwest::ClientBuilder::add_root_certificate))
}

impl Client {
    /// As the environment, the options and the credentials say. `AJAR_TOKEN` beats the kept token; `AJAR_CA_FILE` is an
    /// authority for the server's certificate beside the system's.
    pub(crate) fn new(url: Option<&str>) -> Result<Self, Failure> {
        let kept = Credentials::load()?;
        let url = url.map(str::to_owned).or_else(|| kept.current.clone()).ok_or_else(|| {
            Failure::new(Code::SignIn, "which server? Nobody has signed in here").hint("ajar login --url https://ajar.example.org")
        })?;
        let base: Url = url.parse().map_err(|_| Failure::new(Code::Usage, format!("'{url}' is not a URL")))?;
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(Failure::new(Code::Usage, format!("'{url}' is not the URL of a server: it begins with https://")));
        }
        let loopback = matches!(base.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if base.scheme() == "http" && !loopback {
            return Err(Failure::new(Code::Usage, "a token must not travel in the clear").hint("use https://"));
        }
        let token = match std::env::var("AJAR_TOKEN") {
            Ok(token) if !token.is_empty() => Some(Secret::new(token)),
            Ok(_) | Err(_) => kept.servers.get(key(&base)).map(|s| Secret::new(s.token.clone())),
        };
        let mut http =
            reqwest::Client::builder().user_agent(concat!("ajar/", env!("CARGO_PKG_VERSION"))).connect_timeout(Duration::from_secs(10));
        if let Some(file) = std::env::var_os("AJAR_CA_FILE") {
            let pem = std::fs::read(&file).with_context(|| format!("cannot read AJAR_CA_FILE {}", Path::new(&file).display()))?;
            http = trusting(http, &pem).context("AJAR_CA_FILE is not PEM")?;
        }
        let http = http.redirect(reqwest::redirect::Policy::none()).build().context("cannot make an HTTP client")?;
        Ok(Self { http, base, token })
    }

    /// The same server, asked with this token.
    pub(crate) fn with_token(&self, token: Secret) -> Self {
        Self { token: Some(token), ..self.clone() }
    }

    /// The server, as it is known in the credentials.
    pub(crate) fn server(&self) -> &str {
        key(&self.base)
    }

    fn url(&self, path: &[&str], query: &[(&str, String)]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn send(&self, method: Method, path: &[&str], query: &[(&str, String)], body: Option<String>) -> Result<Response, Failure> {
        let mut request = self.http.request(method, self.url(path, query));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.map_err(|error| {
            let why = std::iter::successors(std::error::Error::source(&error), |e| e.source()).last().map(ToString::to_string);
            let mut failure = Failure::new(Code::Error, format!("{} does not answer", self.base));
            failure.more.extend(why);
            failure.hint("is the server running? Is the URL right? --url or AJAR_URL say which server is meant")
        })?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(match serde_json::from_str::<Problem>(&text) {
            Ok(problem) => problem.into(),
            Err(_) if status == StatusCode::UNAUTHORIZED => Failure::new(Code::SignIn, "sign in first").hint("ajar login"),
            Err(_) => Failure::new(Code::Error, format!("{} answered {status}", self.base))
                .hint(text.lines().next().unwrap_or_default().chars().take(200).collect::<String>()),
        })
    }

    async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
        let text = response.text().await.context("the answer broke off")?;
        Ok(serde_json::from_str(&text).context("the server's answer is not what this version understands: are they of one version?")?)
    }

    /// Reads one thing.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Failure> {
        Self::read(self.send(Method::GET, path, query, None).await?).await
    }

    /// Reads text.
    pub(crate) async fn get_text(&self, path: &[&str], query: &[(&str, String)]) -> Result<String, Failure> {
        Ok(self.send(Method::GET, path, query, None).await?.text().await.context("the answer broke off")?)
    }

    /// Reads something long, chunk by chunk.
    pub(crate) async fn get_stream(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<impl Stream<Item = Result<Vec<u8>, Failure>> + Unpin + use<>, Failure> {
        let response = self.send(Method::GET, path, query, None).await?;
        let failed = |error| Failure::from(anyhow::Error::from(error).context("the answer broke off"));
        Ok(Box::pin(response.bytes_stream().map_ok(|chunk| chunk.to_vec()).map_err(failed)))
    }

    /// Does something.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, Failure> {
        let body = serde_json::to_string(body).context("cannot write the request")?;
        Self::read(self.send(Method::POST, path, &[], Some(body)).await?).await
    }

    /// Does something, with a query.
    pub(crate) async fn post_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_string(body).context("cannot write the request")?;
        Self::read(self.send(Method::POST, path, query, Some(body)).await?).await
    }

    /// Does something that takes no body, with a query.
    pub(crate) async fn post_empty<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, String)]) -> Result<T, Failure> {
        Self::read(self.send(Method::POST, path, query, None).await?).await
    }

    /// Does something whose answer is text, or nothing.
    pub(crate) async fn post_text(&self, path: &[&str], body: Option<&impl Serialize>) -> Result<String, Failure> {
        let body = body.map(serde_json::to_string).transpose().context("cannot write the request")?;
        Ok(self.send(Method::POST, path, &[], body).await?.text().await.context("the answer broke off")?)
    }

    /// Takes something away.
    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), Failure> {
        self.send(Method::DELETE, path, &[], None).await.map(drop)
    }
}

fn key(base: &Url) -> &str {
    base.as_str().trim_end_matches('/')
}
