//! The shape of resources. Keys that only some kinds have are optional here: `check` tells which belong to which.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Credential, Text, Tls};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resource {
    pub(crate) name: Text,
    pub(crate) kind: Text,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) owners: Vec<Text>,
    #[serde(default)]
    pub(crate) default_role: Option<Text>,
    #[serde(default)]
    pub(crate) host: Option<Text>,
    #[serde(default)]
    pub(crate) port: Option<Spanned<u16>>,
    #[serde(default)]
    pub(crate) database: Option<Text>,
    #[serde(default)]
    pub(crate) tls: Option<Spanned<Tls>>,
    #[serde(default)]
    pub(crate) admin: Option<Spanned<Admin>>,
    #[serde(default)]
    pub(crate) upstream: Option<Text>,
    #[serde(default)]
    pub(crate) hosts: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) host_keys: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) credential: Option<Spanned<Credential>>,
    #[serde(default)]
    pub(crate) record: Option<Spanned<Record>>,
    #[serde(default)]
    pub(crate) roles: BTreeMap<Text, Role>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ user = \"ajar_admin\", password = { env = \"NAME\" } }")]
pub(crate) struct Admin {
    pub(crate) user: String,
    pub(crate) password: Secret,
}

/// Where a secret is: a file never holds one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Source")]
pub(crate) enum Secret {
    Env(String),
    File(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ env = \"NAME\" } or { file = \"path\" }")]
struct Source {
    #[serde(default)]
    env: Option<String>,
    #[serde(default)]
    file: Option<String>,
}

impl TryFrom<Source> for Secret {
    type Error = &'static str;

    fn try_from(source: Source) -> Result<Self, Self::Error> {
        match (source.env, source.file) {
            (Some(name), None) => Ok(Self::Env(name)),
            (None, Some(path)) => Ok(Self::File(path)),
            (Some(_), Some(_)) | (None, None) => Err("a secret is { env = \"NAME\" } or { file = \"path\" }"),
        }
    }
}

/// One of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ bearer = { env = \"NAME\" } } or the like")]
pub(crate) struct Shown {
    #[serde(default)]
    pub(crate) bearer: Option<Spanned<Secret>>,
    #[serde(default)]
    pub(crate) header: Option<Spanned<Header>>,
    #[serde(default)]
    pub(crate) basic: Option<Spanned<Basic>>,
    #[serde(default)]
    pub(crate) certificate: Option<Spanned<Certificate>>,
    #[serde(default)]
    pub(crate) oauth2: Option<Spanned<OAuth2>>,
    #[serde(default)]
    pub(crate) key: Option<Spanned<Secret>>,
    #[serde(default)]
    pub(crate) password: Option<Spanned<Secret>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ name = \"x-api-key\", value = { env = \"NAME\" } }")]
pub(crate) struct Header {
    pub(crate) name: Text,
    pub(crate) value: Secret,
    #[serde(default)]
    pub(crate) prefix: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ user = \"ajar\", password = { env = \"NAME\" } }")]
pub(crate) struct Basic {
    pub(crate) user: Text,
    pub(crate) password: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ chain = \"client.pem\", key = { file = \"client.key\" } }")]
pub(crate) struct Certificate {
    pub(crate) chain: Text,
    pub(crate) key: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ token_url = \"https://…\", client_id = \"…\", client_secret = { env = \"NAME\" } }")]
pub(crate) struct OAuth2 {
    pub(crate) token_url: Text,
    pub(crate) client_id: Text,
    pub(crate) client_secret: Secret,
    #[serde(default)]
    pub(crate) scopes: Vec<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{ headers = true, bodies = 65536 }, { input = true, output = \"all\" } or the like")]
pub(crate) struct Record {
    #[serde(default)]
    pub(crate) headers: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) bodies: Option<Spanned<i64>>,
    #[serde(default)]
    pub(crate) redact: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) input: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) output: Option<Spanned<Output>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "output is a number of bytes, or \"all\"")]
pub(crate) enum Output {
    Bytes(i64),
    Word(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Role {
    #[serde(default)]
    pub(crate) description: Option<String>,
    #[serde(default)]
    pub(crate) member_of: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) grants: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) connection_limit: Option<Spanned<u16>>,
    #[serde(default)]
    pub(crate) settings: Option<Spanned<BTreeMap<String, String>>>,
    #[serde(default)]
    pub(crate) allow: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) logins: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) commands: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) subsystems: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) env: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) forward: Option<Spanned<Vec<Text>>>,
    #[serde(default)]
    pub(crate) remote_forward: Option<Spanned<Vec<Spanned<i64>>>>,
    #[serde(default)]
    pub(crate) agent: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) x11: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) direct: Option<Spanned<bool>>,
}
