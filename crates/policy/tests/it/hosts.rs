//! Resources of kind `ssh`: what their files mean, and what is wrong with them.

use ajar_core::name::RoleName;
use ajar_core::resource::{Kind, SecretSource};
use ajar_core::ssh::{Forward, HostKey, SshCredential, SshRecord, SshRole, SshTarget};
use ajar_policy::diff;

use crate::{BASE, good, problems};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2grEccuOl4e6qxzzonP/5ibPf/4BVJYtTlxPvQuNlO";
const SHORT: &str = "ssh-ed25519 SHA256:Dd9fJ2otvBO8uP51aBbHobN86rbTz+LhiMYkqBHW7zE";

/// A host with all that one can have.
const HOST: &str = r#"
[[resource]]
name = "orders-web-1"
kind = "ssh"
description = "Serves orders"
owners = ["group:orders"]
default_role = "deploy"
host = "Web-1.internal"
port = 2222
host_keys = ["ajar", "cert-authority ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2grEccuOl4e6qxzzonP/5ibPf/4BVJYtTlxPvQuNlO of the farm", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2grEccuOl4e6qxzzonP/5ibPf/4BVJYtTlxPvQuNlO root@web-1"]
credential = { key = { file = "web.key" } }
record = { input = true, output = 65536 }
[resource.roles.deploy]
logins = ["deploy", "www-data"]
commands = ["systemctl restart orders"]
subsystems = ["sftp"]
env = ["LANG", "LC_*"]
forward = ["DB.internal:5432", "[0:0::1]:9000", "/run/app.sock"]
remote_forward = [8080, 0]
agent = true
x11 = true
direct = true
[resource.roles.fix]
logins = ["root"]
"#;

/// A host with no more than one must have.
const SMALL: &str = r#"
[[resource]]
name = "small"
kind = "ssh"
host = "10.0.0.7"
[resource.roles.shell]
logins = ["ops"]
"#;

fn target(name: &str, file: &str) -> SshTarget {
    let rules = good(&[BASE, file]);
    let resource = rules.resources().find(|resource| resource.name.as_str() == name).unwrap();
    match &resource.kind {
        Kind::Ssh(target) => target.clone(),
        Kind::Postgres(_) | Kind::Http(_) => panic!("{name} is no host"),
    }
}

/// [`HOST`] with another text in it.
fn host(from: &str, to: &str) -> String {
    assert!(HOST.contains(from), "{from}");
    HOST.replacen(from, to, 1)
}

/// [`HOST`] with another list of what its first role has.
fn role(key: &str, value: &str) -> String {
    let line = HOST.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap();
    host(line, &format!("{key} = {value}"))
}

fn told(file: &str) -> String {
    problems(&[BASE, file]).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Asserts that each file has just one mistake, which is told so.
fn one_each<'a>(cases: impl IntoIterator<Item = (String, &'a str)>) {
    for (file, expected) in cases {
        let told = told(&file);
        assert!(told.contains(expected), "expected {expected:?} in:\n{told}\nof:\n{file}");
        assert!(!told.contains('\n') && !told.contains("s3cret"), "{told}");
    }
}

#[test]
fn a_file_says_what_a_host_is_known_by_what_it_is_shown_and_what_each_role_allows() {
    let deploy = SshRole {
        logins: vec!["deploy".into(), "www-data".into()],
        commands: Some(vec!["systemctl restart orders".into()]),
        subsystems: vec!["sftp".into()],
        env: vec!["LANG".into(), "LC_*".into()],
        forward: vec![
            Forward::Tcp { host: "db.internal".into(), port: 5432 },
            Forward::Tcp { host: "::1".into(), port: 9000 },
            Forward::Unix("/run/app.sock".into()),
        ],
        remote_forward: vec![8080, 0],
        agent: true,
        x11: true,
        direct: true,
    };
    let name = |name: &str| name.parse::<RoleName>().unwrap();
    let expected = SshTarget {
        host: "web-1.internal".into(),
        port: 2222,
        host_keys: vec![HostKey::Ajar, HostKey::Authority(KEY.into()), HostKey::Key(KEY.into())],
        credential: SshCredential::Key(SecretSource::File("web.key".into())),
        record: SshRecord { input: true, output: 65536 },
        roles: [(name("deploy"), deploy), (name("fix"), SshRole::of(vec!["root".into()]))].into(),
    };
    assert_eq!(target("orders-web-1", HOST), expected);
}

#[test]
fn s05_what_is_not_said_is_the_least() {
    let expected = SshTarget {
        host: "10.0.0.7".into(),
        port: 22,
        host_keys: vec![HostKey::Ajar],
        credential: SshCredential::Certificate,
        record: SshRecord { input: false, output: 1 << 20 },
        roles: [("shell".parse().unwrap(), SshRole::of(vec!["ops".into()]))].into(),
    };
    assert_eq!(target("small", SMALL), expected);
    let said =
        SMALL.replace("[resource.roles", "port = 22\nhost_keys = [\"ajar\"]\ncredential = \"certificate\"\nrecord = {}\n[resource.roles");
    assert_eq!(target("small", &format!("{said}agent = false\nx11 = false\ndirect = false\nforward = []")), expected);
}

#[test]
fn each_way_to_write_what_a_host_has() {
    for (text, expected) in [("[FE80::0001]", "fe80::1"), ("::1", "::1"), ("Web_1.internal", "web_1.internal"), ("127.0.0.1", "127.0.0.1")]
    {
        assert_eq!(target("orders-web-1", &host("Web-1.internal", text)).host, expected);
    }
    for (output, expected) in [("\"all\"", u64::MAX), ("0", 0), ("9223372036854775807", i64::MAX.unsigned_abs())] {
        assert_eq!(target("orders-web-1", &host("65536", output)).record.output, expected);
    }
    let password = host("{ key = { file = \"web.key\" } }", "{ password = { env = \"WEB_PASSWORD\" } }");
    assert_eq!(target("orders-web-1", &password).credential, SshCredential::Password(SecretSource::Env("WEB_PASSWORD".into())));
    let logins = |list: &str| target("orders-web-1", &role("logins", list)).roles[&"deploy".parse::<RoleName>().unwrap()].logins.clone();
    assert_eq!(logins("[\"_apt\", \"pc-1$\", \"root\"]"), ["_apt", "pc-1$", "root"]);
    let long = "a".repeat(32);
    assert_eq!(logins(&format!("[\"{long}\"]")), [long]);
}

#[test]
fn mistakes_name_file_line_and_what_was_expected() {
    one_each([
        (host("host = ", "# "), "1.toml:4:8: a resource of kind ssh has 'host' (host = \"web-1.internal\")"),
        (host("\"ssh\"", "\"sssh\""), "1.toml:4:8: there is no kind 'sssh' (did you mean 'ssh'?)"),
        (host("host_keys", "hots_keys"), "(did you mean 'host_keys'?)"),
        (host("Web-1.internal", ""), "1.toml:8:8: that is not a host: a host is a name of lower-case letters, digits, '-' and '.'"),
        (host("Web-1.internal", "web-1:22"), "(like \"web-1.internal\"; the port is for 'port')"),
        (host("Web-1.internal", "deploy@web-1"), "1.toml:8:8: that is not a host: "),
        (host("Web-1.internal", "1.2.3"), "1.toml:8:8: that is not a host: a name does not end like an address"),
        (host("2222", "0"), "1.toml:9:8: a port is a number from 1 to 65535"),
        (host("2222", "70000"), "1.toml:9:8: invalid value: integer, expected u16"),
        (
            host("65536", "-1"),
            "1.toml:12:35: of each command's output so many bytes are recorded, or \"all\" (output = 65536, or 0 for nothing)",
        ),
        (host("65536", "\"some\""), "1.toml:12:35: of each command's output so many bytes are recorded, or \"all\""),
        (host("65536", "true"), "1.toml:12:35: output is a number of bytes, or \"all\""),
        (host("output", "outptu"), "(did you mean 'output'?)"),
        (
            host("{ key = { file = \"web.key\" } }", "{}"),
            "1.toml:11:14: a credential is \"certificate\", or one of 'key' and 'password' (leave it out",
        ),
        (
            host("\"web.key\" }", "\"web.key\" }, password = { env = \"P\" }"),
            "1.toml:11:14: a credential is \"certificate\", or one of 'key' and 'password'",
        ),
        (host("{ key =", "{ kye ="), "(did you mean 'key'?)"),
        (
            host("{ key = { file = \"web.key\" } }", "\"certifcate\""),
            "1.toml:11:14: invalid value: string, expected { bearer = { env = \"NAME\" } } or the like, or \"certificate\"",
        ),
        (host("logins = [\"root\"]", ""), "1.toml:23:17: a role of kind ssh has 'logins' (logins = [\"deploy\"])"),
        (host("logins = [\"root\"]", "logins = []"), "1.toml:24:10: the role is for no login (logins = [\"deploy\"])"),
        (
            role("commands", "[]"),
            "1.toml:15:12: the role allows no command (leave it out for any command and a shell; for subsystems and forwards alone: commands = [\"true\"])",
        ),
        (role("commands", "[\"\"]"), "1.toml:15:13: that is not a command: it is one line without spaces around it, as clients send it"),
        (role("commands", "[\" id\"]"), "1.toml:15:13: that is not a command"),
        (role("commands", "[\"id\\nid\"]"), "1.toml:15:13: that is not a command"),
        (role("subsystems", "[\"sftp,netconf\"]"), "1.toml:16:15: that is not a subsystem: "),
        (role("subsystems", "[\"\"]"), "1.toml:16:15: that is not a subsystem: "),
        (role("remote_forward", "[70000]"), "1.toml:19:19: a port is a number from 1 to 65535, or 0 for any"),
        (role("remote_forward", "[-1]"), "1.toml:19:19: a port is a number from 1 to 65535, or 0 for any"),
        (role("agent", "\"yes\""), "1.toml:20:9: invalid type: string, expected a boolean"),
        (host("agent =", "agnet ="), "(did you mean 'agent'?)"),
        (host("default_role = \"deploy\"", "default_role = \"deplyo\""), "1.toml:7:16: there is no role 'deplyo' (did you mean 'deploy'?)"),
    ]);
}

#[test]
fn keys_of_other_kinds_are_refused_with_what_belongs_there() {
    let line = |key: &str| host("port = 2222", &format!("{key}\nport = 2222"));
    let own = "is not for resources of kind ssh (those have 'host', 'port', 'host_keys', 'credential', 'record')";
    let roles = "is not for roles of kind ssh (those have 'logins', 'commands', 'subsystems', 'env', 'forward', 'remote_forward', 'agent', 'x11', 'direct')";
    one_each([
        (line("upstream = \"https://a\""), "1.toml:9:12: 'upstream' "),
        (line("tls = \"system\""), &format!("1.toml:9:7: 'tls' {own}")),
        (line("database = \"x\""), &format!("'database' {own}")),
        (line("admin = { user = \"a\", password = { env = \"P\" } }"), &format!("'admin' {own}")),
        (line("hosts = [\"web\"]"), "1.toml:9:9: 'hosts' is not for resources of kind ssh (did you mean 'host'?)"),
        (host("{ key = {", "{ bearer = {"), "1.toml:11:25: 'bearer' is not for credentials of kind ssh (those have 'key', 'password')"),
        (
            host("{ key = { file = \"web.key\" } }", "{ certificate = { chain = \"c\", key = { env = \"K\" } } }"),
            "'certificate' is not for credentials of kind ssh",
        ),
        (host("input = true", "bodies = 1"), "1.toml:12:21: 'bodies' is not for records of kind ssh (those have 'input', 'output')"),
        (host("agent = true", "allow = [\"GET /\"]"), &format!("1.toml:20:9: 'allow' {roles}")),
        (host("agent = true", "member_of = [\"x\"]"), &format!("1.toml:20:13: 'member_of' {roles}")),
    ]);
    let database = BASE.replacen("host = \"127.0.0.1\"", "host = \"127.0.0.1\"\nhost_keys = [\"ajar\"]", 1);
    let told = problems(&[&database])[0].to_string();
    assert!(told.contains("'host_keys' is not for resources of kind postgres"), "{told}");
    let database = BASE.replacen("member_of = [\"orders_read\"]", "agent = true", 1);
    assert!(problems(&[&database])[0].to_string().contains("'agent' is not for roles of kind postgres"));
}

#[test]
fn a_host_is_known_by_something() {
    let keys = |list: &str| {
        let line = HOST.lines().find(|line| line.starts_with("host_keys")).unwrap();
        host(line, &format!("host_keys = {list}"))
    };
    let key = |text: &str| keys(&format!("[\"{text}\"]"));
    let rsa = format!("ssh-rsa {}", &KEY[12..]);
    one_each([
        (
            keys("[]"),
            "1.toml:10:13: a host is known by something: no key would mean any host (leave it out for a certificate by Ajar's authority",
        ),
        (keys("\"ajar\""), "1.toml:10:13: invalid type: string, expected a sequence"),
        (key("ajr"), "1.toml:10:14: that is not a public key: it does not begin with the type of a key (did you mean 'ajar'?)"),
        (key(""), "1.toml:10:14: that is not a public key: it does not begin with the type of a key (\"ssh-ed25519 AAAA…\", "),
        (key(&format!("cert-autority {KEY}")), "(did you mean 'cert-authority'?)"),
        (key("cert-authority"), "that is not a public key: it does not begin with the type of a key (\"ssh-ed25519 AAAA…\""),
        (key(&format!("web-1 {KEY}")), "that is not a public key: something stands before its type"),
        (key(&KEY[..60]), "that is not a public key: it is not whole"),
        (key(&rsa), "that is not a public key: it is of another type than it says"),
        (key("ssh-dss AAAA"), "that is not a public key: it does not begin with the type of a key"),
        (key("-----BEGIN SSH2 s3cret"), "that is not a public key: it does not begin with the type of a key"),
        // "ajar" is a word, and what is signed for is named by the key that signs.
        (key("cert-authority ajar"), "that is not a public key: "),
    ]);
}

#[test]
fn s04_a_certificate_is_no_key_and_no_authority() {
    let certificate = "ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t";
    let key = |text: &str| host("\"ajar\"", &format!("\"{text}\""));
    let expected = "1.toml:10:14: that is not a public key: it is a certificate";
    one_each([(key(certificate), expected), (key(&format!("cert-authority {certificate}")), expected)]);
}

#[test]
fn s04_a_login_is_one_name() {
    let login = |name: &str| role("logins", &format!("[\"{name}\"]"));
    one_each([
        (login("deploy,root"), "1.toml:14:11: 'deploy,root' is not one login (each stands for itself: \"deploy\", \"www-data\")"),
        (
            login(""),
            "1.toml:14:11: '' is not a login: lower-case letters, digits, '-' and '_', 32 at the most (a unix user, like \"deploy\")",
        ),
        (login("Deploy"), "'Deploy' is not a login: lower-case letters, digits, '-' and '_', 32 at the most (did you mean 'deploy'?)"),
        (login("*"), "'*' is not a login"),
        (login("de ploy"), "'de ploy' is not a login"),
        (login("1st"), "'1st' is not a login"),
        (login("-oProxyCommand"), "is not a login"),
        (login("$"), "'$' is not a login"),
        (login("root\\n"), "'root\\n' is not a login"),
        (login(&"a".repeat(33)), "is not a login"),
    ]);
}

#[test]
fn s05_no_variable_that_changes_what_is_run() {
    let env = |name: &str| role("env", &format!("[\"{name}\"]"));
    let refused = [
        "PATH",
        "IFS",
        "ENV",
        "BASH_ENV",
        "PS4",
        "LD_PRELOAD",
        "DYLD_INSERT_LIBRARIES",
        "GLIBC_TUNABLES",
        "PYTHONPATH",
        "PERL5LIB",
        "RUBYLIB",
        "NODE_OPTIONS",
        "SSH_AUTH_SOCK",
        "LD_*",
        "LD_PRE*",
        "SSH_*",
        "GIT_SSH_COMMAND",
    ];
    one_each(
        refused
            .map(|name| (env(name), "is one that changes which programs are run, or what they load (for example \"LANG\", or \"LC_*\")")),
    );
    let covering = ["P*", "L*", "LD*", "PS*", "PYTHON*", "S*", "NODE_*", "_*", "BASH_*"];
    one_each(covering.map(|name| (env(name), ", which changes which programs are run, or what they load")));
    one_each([
        (env("L*"), "1.toml:17:8: 'L*' covers 'LD_*', which"),
        (env("*"), "1.toml:17:8: that would let every variable in"),
        (env(""), "1.toml:17:8: that is not a variable"),
        (env("A*B"), "1.toml:17:8: that is not a variable"),
        (env("1A"), "1.toml:17:8: that is not a variable"),
        (env("A=B"), "1.toml:17:8: that is not a variable"),
    ]);
    for name in ["LANG", "LC_*", "TZ", "GIT_AUTHOR_NAME", "PATHS", "_X"] {
        good(&[BASE, &env(name)]);
    }
}

#[test]
fn s06_no_forward_to_metadata_to_nowhere_or_to_anything() {
    let to = |text: &str| role("forward", &format!("[\"{text}\"]"));
    let nowhere = [
        "169.254.169.254:80",
        "169.254.0.1:22",
        "0.0.0.0:80",
        "0.0.0.1:80",
        "[::]:80",
        "[fe80::1]:22",
        "[febf::1]:22",
        "[fd00:ec2::254]:80",
        "[FD00:0EC2:0::0254]:80",
        "[::ffff:169.254.169.254]:80",
        "[::ffff:a9fe:a9fe]:80",
        "[::169.254.169.254]:80",
        "[64:ff9b::a9fe:a9fe]:80",
        "[::ffff:0.0.0.0]:80",
        "100.100.100.200:80",
        "168.63.129.16:80",
        "metadata.google.internal:80",
        "METADATA.google.internal:80",
    ];
    one_each(nowhere.map(|text| (to(text), "link-local, no host's own, or where a cloud keeps credentials")));
    one_each([
        (to("169.254.169.254:80"), "1.toml:18:12: nothing is forwarded to '169.254.169.254': it is link-local"),
        (
            to("*:5432"),
            "1.toml:18:12: a forward has no wildcard: each host and port is named (like \"db.internal:5432\", \"[::1]:9000\", or \"/run/app.sock\")",
        ),
        (to("db.internal:*"), "1.toml:18:12: a forward has no wildcard"),
        (to("/run/*.sock"), "1.toml:18:12: a forward has no wildcard"),
        (to("db.internal:0"), "1.toml:18:12: that is not a forward: a port is a number from 1 to 65535"),
        (to("db.internal:65536"), "that is not a forward: a port is a number from 1 to 65535"),
        (to("db.internal"), "that is not a forward: it has no port"),
        (to("[::1]"), "that is not a forward: it has no port"),
        (to("::1:9000"), "that is not a forward: a host is a name"),
        (to("[fe80::1%eth0]:22"), "that is not a forward: what is in brackets is not an IPv6 address"),
        (to("0xa9fea9fe:80"), "that is not a forward: a name does not end like an address"),
        (to("2852039166:80"), "that is not a forward: a name does not end like an address"),
        (to("db.internal.:5432"), "that is not a forward: a host is a name"),
        (to(":80"), "that is not a forward: a host is a name"),
        (to("u@db:80"), "that is not a forward: a host is a name"),
        (to("run/app.sock"), "that is not a forward: "),
        (to("/run/../app.sock"), "1.toml:18:12: that is not a socket: an absolute path without '.', '..' and '//', 107 bytes at the most"),
        (to("/run//app.sock"), "that is not a socket"),
        (to("/run/"), "that is not a socket"),
        (to("/"), "that is not a socket"),
        (to("/run/\\u0000"), "that is not a socket"),
        (to(&format!("/{}", "a".repeat(107))), "that is not a socket"),
    ]);
    let forward = |text: &str| target("orders-web-1", &to(text)).roles[&"deploy".parse::<RoleName>().unwrap()].forward[0].to_string();
    for (text, expected) in [
        ("localhost:80", "localhost:80"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[0::1]:80", "[::1]:80"),
        ("[FD00::1]:80", "[fd00::1]:80"),
        ("DB_1.internal:1", "db_1.internal:1"),
        ("169.254.example:1", "169.254.example:1"),
    ] {
        assert_eq!(forward(text), expected);
    }
}

#[test]
fn a_private_key_in_a_file_is_refused_and_not_told() {
    let pem = "-----BEGIN OPENSSH PRIVATE KEY-----\\ns3cret\\n-----END OPENSSH PRIVATE KEY-----";
    let key = "{ key = { file = \"web.key\" } }";
    let expected = "a private key stands in the file (keep it beside the files, and say where: { file = \"path\" })";
    one_each([
        (host("\"ajar\"", &format!("\"{pem}\"")), expected),
        (host(key, &format!("\"{pem}\"")), expected),
        (host(key, &format!("{{ key = \"{pem}\" }}")), expected),
        (host(key, &format!("{{ key = {{ file = \"{pem}\" }} }}")), "1.toml:11:51: a private key"),
        (host("credential = ", &format!("# {pem}\ncredential = ")), expected),
        (host("\"Serves orders\"", &format!("'''\n{}'''", pem.replace("\\n", "\n"))), "1.toml:6:20: a private key"),
        // What is a secret all the same is not told either.
        (host(key, "\"s3cret\""), "1.toml:11:14: invalid value: string, expected "),
        (host(key, "{ password = \"s3cret\" }"), "1.toml:11:27: invalid type: string, expected { env = \"NAME\" } or { file = \"path\" }"),
        (host("\"ajar\"", "\"s3cret\""), "that is not a public key: "),
    ]);
}

#[test]
fn a_change_of_a_host_is_told_in_words_without_secrets() {
    let was = good(&[BASE, HOST]);
    let between = |file: &str| diff(&was, &good(&[BASE, file])).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let other = KEY.replace("AAAAIE2g", "AAAAIE2h");
    let key = "{ key = { file = \"web.key\" } }";
    for (is, told) in [
        (host("Web-1", "web-2"), "host web-1.internal → web-2.internal".to_owned()),
        (host("2222", "22"), "port 2222 → 22".to_owned()),
        (host("\"ajar\", ", ""), "host_keys - ajar".to_owned()),
        (host(&format!("\"{KEY} root@web-1\""), "\"ajar\""), format!("host_keys - {SHORT}")),
        (host(&format!("\"cert-authority {KEY} of the farm\", "), ""), format!("host_keys - cert-authority {SHORT}")),
        (host(key, "{ password = { env = \"WEB_PASSWORD\" } }"), "credential key file web.key → password env WEB_PASSWORD".to_owned()),
        (host(key, "\"certificate\""), "credential key file web.key → certificate".to_owned()),
        (host("input = true, output = 65536", "output = \"all\""), "record input true → false; record output 65536 → all".to_owned()),
        (
            role("logins", "[\"www-data\", \"deploy\"]"),
            "role deploy + default login www-data, + login deploy, - default login deploy, - login www-data".to_owned(),
        ),
        (
            host("commands = [\"systemctl restart orders\"]", ""),
            "role deploy + any command and a shell, - command systemctl restart orders".to_owned(),
        ),
        (role("subsystems", "[]"), "role deploy - subsystem sftp".to_owned()),
        (role("env", "[\"LANG\"]"), "role deploy - env LC_*".to_owned()),
        (role("forward", "[\"[::1]:9000\", \"/run/app.sock\"]"), "role deploy - forward db.internal:5432".to_owned()),
        (
            role("remote_forward", "[8081]"),
            "role deploy + remote forward of 8081, - remote forward of 8080, - remote forward of any port".to_owned(),
        ),
        (role("agent", "false").replace("x11 = true\ndirect = true\n", ""), "role deploy - agent, - direct, - x11".to_owned()),
        (host("[resource.roles.fix]\nlogins = [\"root\"]", ""), "role fix - any command and a shell, - default login root".to_owned()),
    ] {
        assert_eq!(between(&is), format!("~ resource orders-web-1: {told}"));
    }
    assert!(between(&host(&format!("\"{KEY} root@web-1\""), &format!("\"{other}\""))).contains(&format!("- {SHORT}")));
    // What is written otherwise is the same.
    assert_eq!(between(&host("Web-1", "web-1").replace("DB.internal", "db.internal").replace(" root@web-1", "")), "");
}

#[test]
fn the_document_shows_what_the_parser_takes() {
    let document = include_str!("../../../../docs/policy.md");
    let blocks = || document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown = target("orders-web-1", blocks().find(|block| block.contains("kind = \"ssh\"")).unwrap());
    // It says of three keys that they are so unless said.
    let small = target("small", SMALL);
    assert_eq!((shown.port, &shown.host_keys, &shown.credential), (small.port, &small.host_keys, &small.credential));
    assert_eq!(shown.roles[&"shell".parse::<RoleName>().unwrap()], small.roles[&"shell".parse::<RoleName>().unwrap()]);
    let section = document.split("### SSH hosts").nth(1).unwrap().split("\n## ").next().unwrap();
    for credential in ["{ key = { file = \"web.key\" } }", "{ password = { env = \"WEB_PASSWORD\" } }"] {
        assert!(section.contains(&format!("`{credential}`")), "{credential}");
    }
}

#[test]
fn rules_are_for_hosts_by_their_kind() {
    let rule = "[[rule]]\nname = \"hosts\"\nwho = [\"group:engineers\"]\nresources = { kind = \"ssh\" }\nroles = [\"shell\"]\napprove = \"auto\"\n";
    good(&[BASE, SMALL, rule]);
    let wrong = problems(&[BASE, rule])[0].to_string();
    assert!(wrong.ends_with("no resource fits: the rule can never match"), "{wrong}");
}
