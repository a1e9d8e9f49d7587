//! Client certificates as identity, with a real psql.

use std::path::PathBuf;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};

use crate::stage::{Stage, text};

/// An authority for client certificates.
struct Office {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Office {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "people");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::from_ca_cert_pem(&pem, key).unwrap(), pem }
    }

    /// A certificate and its key, as psql wants them: two files.
    fn issue(&self, stage: &Stage, name: &str, year: i32, usage: ExtendedKeyUsagePurpose) -> (PathBuf, PathBuf) {
        use std::os::unix::fs::PermissionsExt;
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let folder = tempfile::tempdir_in(stage.folder()).unwrap().keep();
        let (crt, private) = (folder.join("crt"), folder.join("key"));
        std::fs::write(&crt, certificate.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o600)).unwrap();
        (crt, private)
    }
}

/// psql as `user` with a certificate and no password.
fn psql(stage: &Stage, user: &str, (crt, key): &(PathBuf, PathBuf)) -> Command {
    let mut command = stage.psql("peer", "orders-db", &["select 'in as ' || current_user"]);
    command.env("PGUSER", user).env("PGSSLCERT", crt).env("PGSSLKEY", key).env_remove("PGPASSWORD").arg("-w");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_says_who_it_is_and_nothing_else_does() {
    let mut stage = Stage::new().await;
    let (ours, foreign) = (Office::new(), Office::new());
    stage.end("-TERM");
    std::fs::write(stage.folder().join("clients.pem"), &ours.pem).unwrap();
    let config = std::fs::read_to_string(stage.config()).unwrap();
    std::fs::write(stage.config(), format!("client_ca_file = {:?}\n{config}", stage.folder().join("clients.pem"))).unwrap();
    stage.run();
    let grant = stage.approved("dev", "read", "10m");
    let client = || ExtendedKeyUsagePurpose::ClientAuth;
    let dev = ours.issue(&stage, "dev", 2099, client());
    let out = psql(&stage, "dev", &dev).output().unwrap();
    assert!(out.status.success() && text(&out.stdout).starts_with("in as ajar_"), "{}", text(&out.stderr));
    let live = stage.ajar("auditor", &["ledger", "search", "--kind", "session.live", "-o", "json"]).1;
    assert!(live.contains(&grant) && live.contains("certificate"), "the ledger says how: {live}");
    // A token is as good as before, with or without a certificate beside it.
    let out = stage.psql("dev", "orders-db", &["select 1"]).output().unwrap();
    assert!(out.status.success(), "{}", text(&out.stderr));
    for (what, user, pair) in [
        ("somebody else's certificate", "dev", ours.issue(&stage, "peer", 2099, client())),
        ("somebody else's name", "peer", ours.issue(&stage, "dev", 2099, client())),
        ("nobody's name", "nobody", ours.issue(&stage, "nobody", 2099, client())),
        ("a name that could be quoted", "dev", ours.issue(&stage, "dev\" --", 2099, client())),
        ("another authority", "dev", foreign.issue(&stage, "dev", 2099, client())),
        ("a certificate that is over", "dev", ours.issue(&stage, "dev", 2021, client())),
        ("a server's certificate", "dev", ours.issue(&stage, "dev", 2099, ExtendedKeyUsagePurpose::ServerAuth)),
    ] {
        let out = psql(&stage, user, &pair).output().unwrap();
        assert!(!out.status.success() && text(&out.stdout).is_empty(), "{what}: {}", text(&out.stdout));
    }
    // The files decide whether somebody may still come (A8), however long the certificate is good.
    let people = stage.policy().join("people.toml");
    let listed = std::fs::read_to_string(&people).unwrap();
    std::fs::write(&people, listed.replacen("name = \"dev\"\n", "name = \"dev\"\ndisabled = true\n", 1)).unwrap();
    assert_eq!(stage.ajar("operator", &["policy", "apply", stage.policy().to_str().unwrap()]).0, 0);
    let out = psql(&stage, "dev", &dev).output().unwrap();
    assert!(!out.status.success(), "{}", text(&out.stdout));
}
