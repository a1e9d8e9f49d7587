//! `ajar.toml`. Paths are relative to the file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ajar_core::time::Span;
use anyhow::{Context, bail};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// What a server is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// How people reach the API, for links.
    pub(crate) public_url: String,
    /// The store, the keys, the recordings.
    pub(crate) data_dir: PathBuf,
    /// The files, which are put in force at each start.
    pub(crate) policy_dir: PathBuf,
    /// How often the files are looked at, and put in force when they have changed; only at each start unless said.
    #[serde(default, deserialize_with = "length")]
    pub(crate) policy_follow: Option<Duration>,
    /// Names and addresses for the server's certificate; the first is what native clients are told.
    pub(crate) names: Vec<String>,
    pub(crate) api: Api,
    pub(crate) postgres: Listen,
    /// Where HTTP APIs are; without it, there is no door for them.
    #[serde(default)]
    pub(crate) http: Option<Http>,
    /// Where SSH hosts are; without it, there is no door for them.
    #[serde(default)]
    pub(crate) ssh: Option<Listen>,
    /// A certificate of your own instead of one by Ajar's authority.
    #[serde(default)]
    pub(crate) certificate: Option<Certificate>,
    /// The authority whose client certificates the gateway takes, beside tokens.
    #[serde(default)]
    pub(crate) client_ca_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) listen: SocketAddr,
    /// Whether it speaks TLS; where it doesn't, something in front of it must, unless it is on loopback.
    pub(crate) tls: bool,
    /// Addresses of proxies in front of it, which say in `X-Forwarded-For` who a client is.
    #[serde(default)]
    pub(crate) trusted_proxies: Vec<IpAddr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) listen: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) listen: SocketAddr,
    /// For host names that APIs have of their own; each is shown for the names in it.
    #[serde(default)]
    pub(crate) certificate: Vec<Certificate>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Certificate {
    pub(crate) chain_file: PathBuf,
    pub(crate) key_file: PathBuf,
}

/// A length of time that leaves room between two looks: `10s`.
fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let span: Span = text.parse().map_err(D::Error::custom)?;
    if span < Span::from_secs(1) {
        return Err(D::Error::custom("the files are looked at once a second at the most"));
    }
    Ok(Some(span.into()))
}

impl Config {
    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}: 'ajar server init' makes one", path.display()))?;
        Self::parse(&text, path)
    }

    pub(crate) fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let mut config: Self = toml::from_str(text).with_context(|| format!("{} is wrong", path.display()))?;
        let base = std::path::absolute(path)?.parent().map(Path::to_owned).unwrap_or_default();
        let certificates = config.certificate.iter_mut().chain(config.http.iter_mut().flat_map(|http| &mut http.certificate));
        let certificates = certificates.flat_map(|c| [&mut c.chain_file, &mut c.key_file]);
        let paths = [&mut config.data_dir, &mut config.policy_dir];
        for path in paths.into_iter().chain(certificates).chain(config.client_ca_file.as_mut()) {
            *path = base.join(&path);
        }
        if config.names.is_empty() {
            bail!("{}: 'names' must hold the name under which clients reach this machine", path.display());
        }
        Ok(config)
    }
}

/// A configuration to begin with.
pub(crate) fn template(names: &[String]) -> String {
    let list = names.iter().map(|n| format!("{:?}", n)).collect::<Vec<_>>().join(", ");
    let name = names.first().map_or("localhost", String::as_str);
    format!(
        r#"# Paths are relative to this file.
public_url = "https://{name}:7070"
data_dir = "ajar-data"
policy_dir = "policy"
# Put the files in force whenever they have changed, not only at each start: for a Git working copy or a mounted directory.
# policy_follow = "10s"
# Names and addresses under which clients reach this machine. The first is what they are told.
names = [{list}]

[api]
listen = "0.0.0.0:7070"
# false: something in front of it speaks TLS.
tls = true
# Proxies in front of it, whose word counts for who a client is (X-Forwarded-For):
# trusted_proxies = ["10.0.0.7"]

[postgres]
listen = "0.0.0.0:7432"

[http]
listen = "0.0.0.0:7443"
# A certificate for a host name that an API has of its own, unless it is among the names above:
# [[http.certificate]]
# chain_file = "orders-api.pem"
# key_file = "orders-api.key"

[ssh]
listen = "0.0.0.0:7022"

# A certificate of your own, instead of one by the authority in the data directory:
# [certificate]
# chain_file = "server.pem"
# key_file = "server.key"

# The authority whose client certificates (common name = user name) the gateway takes beside tokens:
# client_ca_file = "clients.pem"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_right() {
        let config = Config::parse(&template(&["db.example.org".into(), "10.0.0.1".into()]), Path::new("/etc/ajar/ajar.toml")).unwrap();
        assert_eq!(config.data_dir, Path::new("/etc/ajar/ajar-data"));
        assert_eq!(config.names, ["db.example.org", "10.0.0.1"]);
        assert!(config.api.tls);
        assert_eq!(config.ssh.unwrap().listen.port(), 7022);
    }

    #[test]
    fn following_takes_a_length_of_time() {
        let with = |time: &str| {
            let text = template(&["x".into()]).replace("# policy_follow = \"10s\"", &format!("policy_follow = \"{time}\""));
            Config::parse(&text, Path::new("a.toml"))
        };
        assert_eq!(with("10s").unwrap().policy_follow, Some(Duration::from_secs(10)));
        for wrong in ["10", "0s", "100ms", "often"] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_misspelt_key_is_an_error_that_names_it() {
        let text = template(&["x".into()]).replace("public_url", "public_uri");
        let error = format!("{:#}", Config::parse(&text, Path::new("a.toml")).unwrap_err());
        assert!(error.contains("public_uri"), "{error}");
    }
}
