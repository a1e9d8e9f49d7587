//! What resources of kind `http` have: where requests go, what the target is shown, what is recorded, what each role allows.

use std::collections::BTreeMap;

use ajar_core::http::Allow;
use ajar_core::name::RoleName;
use ajar_core::resource::{HttpCredential, HttpRecord, HttpTarget, Kind, TargetTls, Upstream};
use toml::Spanned;

use super::resource::{Roles, credential_keys, is, keys, record_keys, role_keys, source};
use super::{Check, Place};
use crate::raw::{self, Text};
use crate::url::{Url, dns_name};

/// Bytes of each body that can be recorded at the most.
const BODIES_MAX: u64 = 65_536;
/// Headers that the gateway itself writes, or that are of one connection.
const HEADERS_TAKEN: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// How other headers begin that the gateway itself writes.
const HEADERS_TAKEN_FROM: [&str; 2] = ["ajar-", "x-forwarded-"];

impl Check {
    pub(super) fn http(&mut self, at: Place<'_>, raw: &raw::Resource, roles: &Roles<'_>) -> Kind {
        self.only(at, ("resources", "http"), keys(raw), &["upstream", "tls", "hosts", "credential", "record"]);
        let upstream = self.needed(at, raw, ("upstream", "\"https://api.internal\""), raw.upstream.as_ref());
        let url = upstream.and_then(|text| self.url(at, text, "an upstream"));
        let https = url.as_ref().map(|url| url.https);
        let placeholder = nothing(std::iter::empty()).upstream;
        Kind::Http(HttpTarget {
            upstream: url.map_or(placeholder, |Url { https: _, host, port, path }| {
                let base = path.strip_suffix('/').unwrap_or(&path).to_owned();
                Upstream { host, port, base }
            }),
            tls: self.http_tls(at, raw, https),
            hosts: raw.hosts.iter().flat_map(Spanned::get_ref).map(|host| self.http_host(at, raw, host)).collect(),
            credential: raw.credential.as_ref().map_or(HttpCredential::None, |credential| self.credential(at, credential, https)),
            record: raw.record.as_ref().map_or_else(HttpRecord::default, |record| self.record(at, record.get_ref())),
            roles: roles.iter().map(|(name, (text, role))| (name.clone(), self.http_role(at, text, role))).collect(),
        })
    }

    /// What is wrong with a URL is told without it.
    fn url(&mut self, at: Place<'_>, text: &Text, what: &str) -> Option<Url> {
        let help = || Some("like \"https://api.internal:8443/v2\"".into());
        Url::parse(text.get_ref()).map_err(|why| self.problem(at, text, format!("that is not {what}: {why}"), help())).ok()
    }

    fn http_tls(&mut self, at: Place<'_>, raw: &raw::Resource, https: Option<bool>) -> TargetTls {
        let Some(said) = &raw.tls else {
            return if https == Some(false) { TargetTls::Off } else { TargetTls::System };
        };
        let tls = self.tls(at, said);
        let wrong = match (https, &tls) {
            (Some(true), TargetTls::Off) => Some(("an https upstream has TLS", "\"system\" or { verify = \"ca.pem\" }")),
            (Some(false), TargetTls::System | TargetTls::Verify { .. }) => {
                Some(("an http upstream has no TLS", "upstream = \"https://…\""))
            }
            (Some(true), TargetTls::System | TargetTls::Verify { .. }) | (Some(false), TargetTls::Off) | (None, _) => None,
        };
        if let Some((message, help)) = wrong {
            self.problem(at, said, message, Some(help.into()));
        }
        tls
    }

    fn http_host(&mut self, at: Place<'_>, raw: &raw::Resource, text: &Text) -> String {
        let host = text.get_ref().clone();
        if let Err(why) = dns_name(&host) {
            let lower = host.to_lowercase();
            let help = dns_name(&lower).is_ok().then(|| format!("did you mean '{lower}'?"));
            self.problem(at, text, format!("that is not a host: {why}"), help.or_else(|| Some("like \"api.example.org\"".into())));
        } else if let Some(other) = self.hosts.insert(host.clone(), raw.name.get_ref().clone()) {
            self.problem(at, text, format!("the host '{host}' is also one of '{}'", other.escape_debug()), None);
        }
        host
    }

    fn credential(&mut self, at: Place<'_>, whole: &Spanned<raw::Credential>, https: Option<bool>) -> HttpCredential {
        let message = "a credential is one of 'bearer', 'header', 'basic', 'certificate' and 'oauth2'";
        let help = || Some("leave it out if the target asks for none".into());
        let shown = match whole.get_ref() {
            raw::Credential::Shown(shown) => shown,
            raw::Credential::Certificate(()) => {
                self.problem(at, whole, message, help());
                return HttpCredential::None;
            }
        };
        let own = ["bearer", "header", "basic", "certificate", "oauth2"];
        if !self.only(at, ("credentials", "http"), credential_keys(shown), &own) {
            return HttpCredential::None;
        }
        let raw::Shown { bearer, header, basic, certificate, oauth2, key: _, password: _ } = shown.as_ref();
        match (bearer, header, basic, certificate, oauth2) {
            (Some(value), None, None, None, None) => {
                HttpCredential::Header { name: "authorization".into(), prefix: "Bearer ".into(), value: source(value.get_ref()) }
            }
            (None, Some(header), None, None, None) => {
                let raw::Header { name, value, prefix } = header.get_ref();
                if let Some(prefix) = prefix {
                    self.fits(at, prefix, "prefix: it is of printable ASCII", printable);
                }
                let prefix = prefix.as_ref().map(|prefix| prefix.get_ref().clone()).unwrap_or_default();
                HttpCredential::Header { name: self.header_name(at, name), prefix, value: source(value) }
            }
            (None, None, Some(basic), None, None) => {
                let raw::Basic { user, password } = basic.get_ref();
                let plain = |user: &str| !user.contains(|c: char| c == ':' || c.is_control());
                let user = self.fits(at, user, "user: it has no ':' and no control character", plain);
                HttpCredential::Basic { user, password: source(password) }
            }
            (None, None, None, Some(certificate), None) => {
                if https == Some(false) {
                    self.problem(at, certificate, "a certificate is shown over TLS", Some("upstream = \"https://…\"".into()));
                }
                let raw::Certificate { chain, key } = certificate.get_ref();
                let path = |path: &str| !path.is_empty() && !path.contains(char::is_control);
                let chain_file = self.fits(at, chain, "path of PEM certificates", path);
                HttpCredential::Certificate { chain_file, key: source(key) }
            }
            (None, None, None, None, Some(oauth2)) => self.oauth2(at, oauth2.get_ref()),
            _ => {
                self.problem(at, whole, message, help());
                HttpCredential::None
            }
        }
    }

    fn oauth2(&mut self, at: Place<'_>, raw: &raw::OAuth2) -> HttpCredential {
        let raw::OAuth2 { token_url, client_id, client_secret, scopes } = raw;
        let url = self.url(at, token_url, "a token endpoint");
        if url.as_ref().is_some_and(|url| !url.https && !url.is_local()) {
            let help = Some("http is for 'localhost', '127.0.0.1' and '[::1]'".into());
            self.problem(at, token_url, "a token endpoint is reached over https", help);
        }
        // RFC 6749, A.1 and A.4.
        let id = |id: &str| !id.is_empty() && printable(id);
        let scope = |scope: &str| !scope.is_empty() && printable(scope) && !scope.contains([' ', '"', '\\']);
        HttpCredential::OAuth2 {
            token_url: url.map(|url| url.to_string()).unwrap_or_default(),
            client_id: self.fits(at, client_id, "client id: it is of printable ASCII", id),
            client_secret: source(client_secret),
            scopes: scopes
                .iter()
                .map(|text| self.fits(at, text, "scope: it is of printable ASCII without spaces and quotes", scope))
                .collect(),
        }
    }

    fn header_name(&mut self, at: Place<'_>, text: &Text) -> String {
        let name = text.get_ref().to_ascii_lowercase();
        // RFC 9110, 5.6.2.
        let token = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if name.is_empty() || !token {
            self.problem(at, text, "that is not the name of a header", Some("like \"x-api-key\"".into()));
        } else if HEADERS_TAKEN.contains(&name.as_str()) || HEADERS_TAKEN_FROM.iter().any(|from| name.starts_with(from)) {
            self.problem(at, text, format!("the header '{name}' is the gateway's own"), Some("like \"x-api-key\"".into()));
        }
        name
    }

    fn record(&mut self, at: Place<'_>, raw: &raw::Record) -> HttpRecord {
        self.only(at, ("records", "http"), record_keys(raw), &["headers", "bodies", "redact"]);
        let raw::Record { headers, bodies, redact, input: _, output: _ } = raw;
        let bytes = bodies.as_ref().map_or(Some(0), |bytes| u64::try_from(*bytes.get_ref()).ok().filter(|bytes| *bytes <= BODIES_MAX));
        if let Some(bodies) = bodies.as_ref().filter(|_| bytes.is_none()) {
            self.problem(at, bodies, format!("of each body 0 to {BODIES_MAX} bytes are recorded"), None);
        }
        let named = |name: &str| !name.trim().is_empty() && !name.contains(char::is_control);
        let redact = redact.iter().flat_map(Spanned::get_ref);
        let redact = redact.map(|text| self.fits(at, text, "name of a header or a field", named).to_lowercase());
        HttpRecord { headers: is(headers.as_ref()), redact: redact.collect(), bodies: bytes.unwrap_or_default() }
    }

    fn http_role(&mut self, at: Place<'_>, name: &Text, raw: &raw::Role) -> Vec<Allow> {
        self.only(at, ("roles", "http"), role_keys(raw), &["allow"]);
        let example = "allow = [\"GET /orders/**\"]";
        match &raw.allow {
            None => self.problem(at, name, "a role of kind http has 'allow'", Some(example.into())),
            Some(allow) if allow.get_ref().is_empty() => self.problem(at, allow, "the role allows nothing", Some(example.into())),
            Some(_) => {}
        }
        raw.allow.iter().flat_map(Spanned::get_ref).filter_map(|text| self.allow(at, text)).collect()
    }

    fn allow(&mut self, at: Place<'_>, text: &Text) -> Option<Allow> {
        let wrong = match text.get_ref().parse() {
            Ok(allow) => return Some(allow),
            Err(wrong) => wrong,
        };
        let capitals = text.get_ref().split_once(' ').map(|(methods, path)| format!("{} {path}", methods.to_ascii_uppercase()));
        let meant = capitals.and_then(|text| text.parse::<Allow>().ok()).map(|allow| format!("did you mean '{allow}'?"));
        let help = meant.unwrap_or_else(|| "for example \"GET,POST /orders/**\", or \"* /**\" for all".into());
        self.problem(at, text, wrong.to_string(), Some(help));
        None
    }
}

fn printable(text: &str) -> bool {
    text.bytes().all(|b| (b' '..=b'~').contains(&b))
}

/// In the place of a target that is wrong: these roles, which allow nothing.
pub(super) fn nothing(roles: impl Iterator<Item = RoleName>) -> HttpTarget {
    HttpTarget {
        upstream: Upstream { host: String::new(), port: 0, base: String::new() },
        tls: TargetTls::System,
        hosts: Vec::new(),
        credential: HttpCredential::None,
        record: HttpRecord::default(),
        roles: roles.map(|role| (role, Vec::new())).collect::<BTreeMap<_, _>>(),
    }
}
