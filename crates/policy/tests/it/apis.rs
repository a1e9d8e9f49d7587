//! Resources of kind `http`: what their files mean, and what is wrong with them.

use ajar_core::http::Path;
use ajar_core::name::RoleName;
use ajar_core::resource::{HttpCredential, HttpRecord, HttpTarget, Kind, SecretSource, TargetTls, Upstream};
use ajar_policy::diff;

use crate::{BASE, good, problems};

/// An API with all that one can have.
const API: &str = r#"
[[resource]]
name = "sample-api"
kind = "http"
labels = { env = "prod" }
owners = ["group:orders"]
default_role = "read"
upstream = "https://API.internal:8443/v2/"
tls = { verify = "ca.pem" }
hosts = ["api.example.org"]
credential = { bearer = { env = "SAMPLE_API_TOKEN" } }
record = { headers = true, bodies = 65536, redact = ["X-Session", "password"] }
[resource.roles.read]
allow = ["GET /orders/**", "GET,HEAD /status"]
[resource.roles.write]
allow = ["* /**"]
"#;

/// An API with no more than one must have.
const SMALL: &str = r#"
[[resource]]
name = "small-api"
kind = "http"
upstream = "http://127.0.0.1"
[resource.roles.read]
allow = ["GET /"]
"#;

const HEADER: &str = "{ header = { name = \"X-Api-Key\", value = { file = \"key\" }, prefix = \"Key \" } }";
const BASIC: &str = "{ basic = { user = \"ajar\", password = { env = \"P\" } } }";
const CERTIFICATE: &str = "{ certificate = { chain = \"client.pem\", key = { file = \"client.key\" } } }";
const OAUTH2: &str = "{ oauth2 = { token_url = \"https://login.internal/token\", client_id = \"ajar\", client_secret = { env = \"S\" }, scopes = [\"a\"] } }";

fn target(name: &str, file: &str) -> HttpTarget {
    let rules = good(&[BASE, file]);
    let resource = rules.resources().find(|resource| resource.name.as_str() == name).unwrap();
    match &resource.kind {
        Kind::Http(target) => target.clone(),
        Kind::Postgres(_) | Kind::Ssh(_) => panic!("{name} is no API"),
    }
}

/// [`API`] with another credential.
fn showing(credential: &str) -> String {
    API.replace("{ bearer = { env = \"SAMPLE_API_TOKEN\" } }", credential)
}

#[test]
fn a_file_says_where_an_api_is_what_it_is_shown_and_what_each_role_allows() {
    let role = |name: &str, allow: &[&str]| (name.parse::<RoleName>().unwrap(), allow.iter().map(|text| text.parse().unwrap()).collect());
    let api = HttpTarget {
        upstream: Upstream { host: "api.internal".into(), port: 8443, base: "/v2".into() },
        tls: TargetTls::Verify { ca_file: "ca.pem".into() },
        hosts: vec!["api.example.org".into()],
        credential: HttpCredential::Header {
            name: "authorization".into(),
            prefix: "Bearer ".into(),
            value: SecretSource::Env("SAMPLE_API_TOKEN".into()),
        },
        record: HttpRecord { headers: true, bodies: 65536, redact: vec!["x-session".into(), "password".into()] },
        roles: [role("read", &["GET /orders/**", "GET,HEAD /status"]), role("write", &["* /**"])].into(),
    };
    assert_eq!(target("sample-api", API), api);
    let small = HttpTarget {
        upstream: Upstream { host: "127.0.0.1".into(), port: 80, base: String::new() },
        tls: TargetTls::Off,
        hosts: Vec::new(),
        credential: HttpCredential::None,
        record: HttpRecord::default(),
        roles: [role("read", &["GET /"])].into(),
    };
    assert_eq!(target("small-api", SMALL), small);
    let read = &target("sample-api", API).roles[&"read".parse::<RoleName>().unwrap()];
    assert!(read.iter().any(|allow| allow.allows("GET", &Path::parse("/orders/7").unwrap())));
}

#[test]
fn tls_is_what_the_upstream_says_unless_there_is_more_to_say() {
    let over = |upstream: &str| SMALL.replace("\"http://127.0.0.1\"", upstream);
    for (file, tls, host, port) in [
        (over("\"https://api.internal\""), TargetTls::System, "api.internal", 443),
        (over("\"https://api.internal\"\ntls = \"system\""), TargetTls::System, "api.internal", 443),
        (over("\"http://api.internal:8080\"\ntls = \"off\""), TargetTls::Off, "api.internal", 8080),
        (over("\"https://[::1]/\""), TargetTls::System, "::1", 443),
    ] {
        let target = target("small-api", &file);
        assert_eq!((target.tls, target.upstream), (tls, Upstream { host: host.into(), port, base: String::new() }), "{file}");
    }
}

#[test]
fn a_target_is_shown_what_it_asks_for() {
    let oauth2 = |token_url: &str, scopes: Vec<String>| HttpCredential::OAuth2 {
        token_url: token_url.into(),
        client_id: "ajar".into(),
        client_secret: SecretSource::Env("S".into()),
        scopes,
    };
    let header =
        |prefix: &str| HttpCredential::Header { name: "x-api-key".into(), prefix: prefix.into(), value: SecretSource::File("key".into()) };
    for (credential, expected) in [
        (HEADER.to_owned(), header("Key ")),
        (HEADER.replace(", prefix = \"Key \"", ""), header("")),
        (BASIC.to_owned(), HttpCredential::Basic { user: "ajar".into(), password: SecretSource::Env("P".into()) }),
        (
            CERTIFICATE.to_owned(),
            HttpCredential::Certificate { chain_file: "client.pem".into(), key: SecretSource::File("client.key".into()) },
        ),
        (OAUTH2.to_owned(), oauth2("https://login.internal/token", vec!["a".into()])),
        (
            OAUTH2.replace("https://login.internal/token", "http://localhost:8080/token/").replace(", scopes = [\"a\"]", ""),
            oauth2("http://localhost:8080/token/", Vec::new()),
        ),
    ] {
        assert_eq!(target("sample-api", &showing(&credential)).credential, expected, "{credential}");
    }
}

#[test]
fn rules_are_for_apis_by_their_kind() {
    let rule =
        "[[rule]]\nname = \"apis\"\nwho = [\"group:engineers\"]\nresources = { kind = \"http\" }\nroles = [\"read\"]\napprove = \"auto\"\n";
    good(&[BASE, API, SMALL, rule]);
    let told = |kind: &str| problems(&[BASE, API, &rule.replace("\"http\"", kind)])[0].to_string();
    assert_eq!(told("\"htpp\""), "2.toml:4:22: there is no kind 'htpp' (did you mean 'http'?)");
    assert_eq!(told("\"cluster\""), "2.toml:4:22: there is no kind 'cluster' (\"http\", \"postgres\" or \"ssh\")");
    let none = problems(&[BASE, rule])[0].to_string();
    assert!(none.ends_with("no resource fits: the rule can never match"), "{none}");
}

#[test]
fn a_change_of_an_api_is_told_in_words_without_secrets() {
    let was = good(&[BASE, API]);
    let between = |file: &str| diff(&was, &good(&[BASE, file])).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for (is, told) in [
        (showing(HEADER), "credential bearer env SAMPLE_API_TOKEN → header x-api-key: Key file key"),
        (showing(BASIC), "credential bearer env SAMPLE_API_TOKEN → basic ajar with env P"),
        (showing(CERTIFICATE), "credential bearer env SAMPLE_API_TOKEN → certificate client.pem with file client.key"),
        (showing(OAUTH2), "credential bearer env SAMPLE_API_TOKEN → oauth2 ajar at https://login.internal/token with env S for a"),
        (API.replace("/v2/", ""), "upstream https://api.internal:8443/v2 → https://api.internal:8443"),
        (API.replace("{ verify = \"ca.pem\" }", "\"system\""), "tls verify ca.pem → system"),
        (API.replace("api.example.org", "api.example.com"), "hosts + api.example.com, - api.example.org"),
        (API.replace("headers = true, bodies = 65536", "bodies = 1"), "record bodies 65536 → 1; record headers true → false"),
        (API.replace(", \"password\"", ""), "record redact - password"),
        (API.replace("\"GET /orders/**\"", "\"GET,POST /orders/**\""), "role read + GET,POST /orders/**, - GET /orders/**"),
    ] {
        assert_eq!(between(&is), format!("~ resource sample-api: {told}"));
    }
    let database = "[[resource]]\nname = \"small-api\"\nkind = \"postgres\"\nhost = \"h\"\ndatabase = \"d\"\ntls = \"off\"\n\
                    admin = { user = \"a\", password = { env = \"P\" } }\n[resource.roles.read]\n";
    let other = diff(&good(&[BASE, SMALL]), &good(&[BASE, database]))[0].to_string();
    assert!(other.contains("kind http → postgres"), "{other}");
}

#[test]
fn mistakes_name_file_line_and_what_was_expected() {
    let header = |name: &str| showing(&HEADER.replace("X-Api-Key", name));
    let api = |from: &str, to: &str| {
        assert!(API.contains(from), "{from}");
        API.replace(from, to)
    };
    let cases = [
        (api("upstream =", "# "), "1.toml:4:8: a resource of kind http has 'upstream' (upstream = \"https://api.internal\")"),
        (api("\"http\"", "\"htttp\""), "1.toml:4:8: there is no kind 'htttp' (did you mean 'http'?)"),
        (api("\"http\"", "\"cluster\""), "1.toml:4:8: there is no kind 'cluster' (\"http\", \"postgres\" or \"ssh\")"),
        (api("upstream =", "upstraem ="), "1.toml:8:1: unknown field `upstraem`"),
        (api("upstream =", "upstraem ="), "(did you mean 'upstream'?)"),
        (
            api("hosts =", "database = \"x\"\nhosts ="),
            "1.toml:10:12: 'database' is not for resources of kind http (those have 'upstream', 'tls', 'hosts', 'credential', 'record')",
        ),
        (
            api("hosts = [\"api.example.org\"]", "host = \"x\""),
            "1.toml:10:8: 'host' is not for resources of kind http (did you mean 'hosts'?)",
        ),
        (api("https://API", "ftp://API"), "1.toml:8:12: that is not an upstream: it begins with 'https://' or 'http://' (like \"https://"),
        (api("https://API", "https://me:s3cret@api"), "1.toml:8:12: that is not an upstream: it names no user: that is for 'credential'"),
        (api("/v2/", "/v2?s3cret"), "1.toml:8:12: that is not an upstream: it has no query"),
        (api("/v2/", "/v2/../s3cret"), "1.toml:8:12: that is not an upstream: its path is none: it has a dot segment"),
        (api("{ verify = \"ca.pem\" }", "\"off\""), "1.toml:9:7: an https upstream has TLS (\"system\" or { verify = \"ca.pem\" })"),
        (api("https://API", "http://API"), "1.toml:9:7: an http upstream has no TLS (upstream = \"https://…\")"),
        (api("{ verify = \"ca.pem\" }", "\"on\""), "1.toml:9:7: tls is \"system\", \"off\", or { verify = \"ca.pem\" }"),
        (api("api.example.org", "API.example.org"), "1.toml:10:10: that is not a host: a host is a name of lower-case letters"),
        (api("api.example.org", "API.example.org"), "(did you mean 'api.example.org'?)"),
        (api("api.example.org", "api.example.org:443"), "1.toml:10:10: that is not a host: "),
        (api("api.example.org", "10.0.0.1"), "1.toml:10:10: that is not a host: a name does not end like an address"),
        (api("[\"api", "[\"api.example.org\", \"api"), "1.toml:10:29: the host 'api.example.org' is also one of 'sample-api'"),
        (showing("{ }"), "1.toml:11:14: a credential is one of 'bearer', 'header', 'basic', 'certificate' and 'oauth2'"),
        (
            showing("{ bearer = { env = \"A\" }, basic = { user = \"u\", password = { env = \"P\" } } }"),
            "1.toml:11:14: a credential is one of",
        ),
        (showing("\"certificate\""), "1.toml:11:14: a credential is one of 'bearer', 'header', 'basic', 'certificate' and 'oauth2'"),
        (
            showing("{ key = { file = \"web.key\" } }"),
            "1.toml:11:22: 'key' is not for credentials of kind http (those have 'bearer', 'header', 'basic', 'certificate', 'oauth2')",
        ),
        (
            api("headers = true", "input = true"),
            "1.toml:12:20: 'input' is not for records of kind http (those have 'headers', 'bodies', 'redact')",
        ),
        (api("hosts = [\"api.example.org\"]", "host_keys = []"), "1.toml:10:13: 'host_keys' is not for resources of kind http"),
        (api("allow = [\"* /**\"]", "logins = [\"deploy\"]"), "1.toml:16:10: 'logins' is not for roles of kind http (those have 'allow')"),
        (showing("{ beaerr = { env = \"A\" } }"), "(did you mean 'bearer'?)"),
        (showing("{ bearer = { enf = \"A\" } }"), "1.toml:11:27: unknown field `enf`, expected `env` or `file` (did you mean 'env'?)"),
        (showing("{ bearer = { } }"), "1.toml:11:25: a secret is { env = \"NAME\" } or { file = \"path\" }"),
        (header("x api"), "1.toml:11:34: that is not the name of a header (like \"x-api-key\")"),
        (header(""), "1.toml:11:34: that is not the name of a header"),
        (header("Host"), "1.toml:11:34: the header 'host' is the gateway's own"),
        (header("Proxy-Authorization"), "the header 'proxy-authorization' is the gateway's own"),
        (header("Ajar-User"), "the header 'ajar-user' is the gateway's own"),
        (header("X-Forwarded-For"), "the header 'x-forwarded-for' is the gateway's own"),
        (showing(&HEADER.replace("Key ", "Kéy ")), "that is not a prefix: it is of printable ASCII"),
        (showing(&HEADER.replace("Key ", "a\\r\\nb: c")), "that is not a prefix: it is of printable ASCII"),
        (showing(&BASIC.replace("ajar", "a:b")), "1.toml:11:33: that is not a user: it has no ':' and no control character"),
        (
            showing(CERTIFICATE).replace("https://API", "http://API").replace("{ verify = \"ca.pem\" }", "\"off\""),
            "1.toml:11:30: a certificate is shown over TLS (upstream = \"https://…\")",
        ),
        (showing(&CERTIFICATE.replace("client.pem", "")), "that is not a path of PEM certificates"),
        (showing(&OAUTH2.replace("https:", "http:")), "1.toml:11:39: a token endpoint is reached over https (http is for 'localhost', "),
        (showing(&OAUTH2.replace("https://", "https://u:s3cret@")), "1.toml:11:39: that is not a token endpoint: it names no user"),
        (showing(&OAUTH2.replace("\"a\"", "\"a b\"")), "that is not a scope: "),
        (showing(&OAUTH2.replace("client_id = \"ajar\", ", "")), "missing field `client_id`"),
        (api("65536", "65537"), "1.toml:12:37: of each body 0 to 65536 bytes are recorded"),
        (api("65536", "-1"), "1.toml:12:37: of each body 0 to 65536 bytes are recorded"),
        (api("\"X-Session\"", "\"\""), "that is not a name of a header or a field"),
        (api("allow = [\"* /**\"]", ""), "1.toml:15:17: a role of kind http has 'allow' (allow = [\"GET /orders/**\"])"),
        (api("[\"* /**\"]", "[]"), "1.toml:16:9: the role allows nothing"),
        (api("[\"* /**\"]", "[\"get,post /x\"]"), "1.toml:16:10: 'get' is no method that can be allowed (did you mean 'GET,POST /x'?)"),
        (api("[\"* /**\"]", "[\"/orders\"]"), "1.toml:16:10: that is not methods and a path (for example \"GET,POST /orders/**\""),
        (api("[\"* /**\"]", "[\"GET orders\"]"), "1.toml:16:10: 'orders' is no path: it does not begin with '/'"),
        (api("[\"* /**\"]", "[\"GET /a*\"]"), "1.toml:16:10: '*' stands for a whole segment"),
        (
            api("allow = [\"* /**\"]", "allow = [\"* /**\"]\ngrants = []"),
            "1.toml:17:10: 'grants' is not for roles of kind http (those have 'allow')",
        ),
        (api("allow = [\"* /**\"]", "allwo = []"), "(did you mean 'allow'?)"),
        (api("roles.write", "roles.\"wr ite\""), "1.toml:15:17: 'wr ite' is not a role name"),
        (api("default_role = \"read\"", "default_role = \"raed\""), "1.toml:7:16: there is no role 'raed' (did you mean 'read'?)"),
    ];
    for (file, expected) in cases {
        let told = problems(&[BASE, &file]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(expected), "expected {expected:?} in:\n{told}\nof:\n{file}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let other = API.replace("sample-api", "other-api");
    let told = problems(&[BASE, API, &other])[0].to_string();
    assert_eq!(told, "2.toml:10:10: the host 'api.example.org' is also one of 'sample-api'");
}

#[test]
fn a_mistake_in_a_resource_is_told_once_and_not_again_by_what_refers_to_it() {
    let rule =
        "[[rule]]\nname = \"r\"\nwho = [\"group:engineers\"]\nresources = [\"sample-api\"]\nroles = [\"write\"]\napprove = \"auto\"\n";
    for wrong in [API.replace("\"http\"", "\"cluster\""), API.replace("upstream =", "# "), API.replace("https://", "")] {
        let told = problems(&[BASE, &wrong, rule]);
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[test]
fn a_secret_in_the_place_of_its_name_is_not_told() {
    let base = |from: &str, to: &str| {
        assert!(BASE.contains(from), "{from}");
        BASE.replace(from, to)
    };
    let apis = ["\"s3cret\"", "{ bearer = \"s3cret\" }", "{ bearer = 753159 }", "{ bearer = { env = 753159 } }", "{ header = \"s3cret\" }"];
    let basic = showing(&BASIC.replace("{ env = \"P\" }", "\"s3cret, expected `a`\""));
    let oauth2 = showing(&OAUTH2.replace("{ env = \"S\" }", "\"s3cret\\n\""));
    let wrong = apis.map(showing).into_iter().chain([basic, oauth2]).map(|file| problems(&[BASE, &file]));
    let databases =
        [base("{ env = \"ORDERS\" }", "\"s3cret\""), base("{ user = \"ajar_admin\", password = { env = \"ORDERS\" } }", "\"s3cret\"")];
    for told in wrong.chain(databases.map(|file| problems(&[&file]))) {
        let [problem] = &told[..] else { panic!("{told:?}") };
        let text = problem.to_string();
        assert!(!text.contains("s3cret") && !text.contains("753159"), "{text}");
        assert!(text.contains(", expected "), "{text}");
    }
    let told = problems(&[BASE, &showing("{ bearer = \"s3cret\" }")])[0].to_string();
    assert_eq!(told, "1.toml:11:25: invalid type: string, expected { env = \"NAME\" } or { file = \"path\" }");
}

#[test]
fn the_document_shows_what_the_parser_takes() {
    let document = include_str!("../../../../docs/policy.md");
    let example = document.split("```toml\n").filter_map(|rest| rest.split("```").next()).find(|block| block.contains("\"http\"")).unwrap();
    let shown = target("sample-api", example);
    assert_eq!(shown.upstream, Upstream { host: "api.internal".into(), port: 8443, base: "/v2".into() });
    let credentials: Vec<&str> = document.split("\n| `{ ").skip(1).filter_map(|row| row.split('`').next()).collect();
    assert_eq!(credentials.len(), 5, "{credentials:?}");
    for credential in credentials {
        assert_ne!(target("sample-api", &showing(&format!("{{ {credential}"))).credential, HttpCredential::None, "{credential}");
    }
}
