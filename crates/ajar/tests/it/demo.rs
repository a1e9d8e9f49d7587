//! `ajar demo`, as the README's first command starts it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ajar_sample::SshHost;

use crate::stage::{Kept, programs};

#[test]
fn the_demo_opens_a_door_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, ready) = (dir.path().join("demo"), dir.path().join("ready.json"));
    let bin = std::env::var("AJAR_POSTGRES_15").unwrap_or_else(|_| "/usr/lib/postgresql/15/bin".into());
    drop(programs(15));
    let mut command = Command::new(env!("CARGO_BIN_EXE_ajar"));
    command.args(["demo", "--port-base", "0", "--postgres-bin", &bin]);
    command.arg("--dir").arg(&folder).arg("--ready-file").arg(&ready).stdin(Stdio::null()).stderr(Stdio::piped());
    let mut demo = Kept(command.spawn().unwrap());
    let start = Instant::now();
    while !ready.exists() {
        assert!(start.elapsed() < Duration::from_secs(60) && demo.0.try_wait().unwrap().is_none(), "the demo does not come up");
        std::thread::sleep(Duration::from_millis(50));
    }
    let told: serde_json::Value = serde_json::from_slice(&std::fs::read(&ready).unwrap()).unwrap();
    for user in ["dev", "peer", "manager", "auditor", "operator"] {
        assert!(
            told["users"][user]["token"].as_str().is_some_and(|t| t.starts_with("ajar_")) && told["users"][user]["password"].is_string()
        );
    }
    assert!(std::path::Path::new(told["data_dir"].as_str().unwrap()).join("ajar.db").exists());
    assert!(told["postgres"]["port"].is_u64() && told["resources"][0] == "orders-db", "{told}");
    let target = told["target"].as_str().unwrap().to_owned();

    // What it tells people to type works as it stands.
    let shell = |who: &str, script: &str| {
        let text = format!(". '{}/{who}.sh'\n{script}", folder.display());
        Command::new("sh").args(["-ec", &text]).stdin(Stdio::null()).output().unwrap()
    };
    let held = |script: &str| {
        let text = format!(". '{}/dev.sh'\n{script}", folder.display());
        let mut command = Command::new("sh");
        command.args(["-ec", &text]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Kept(command.spawn().unwrap())
    };
    let approve = || {
        let start = Instant::now();
        loop {
            let inbox = shell("peer", "ajar inbox -o json");
            let inbox: serde_json::Value = serde_json::from_slice(&inbox.stdout).unwrap();
            if let Some(id) = inbox[0]["id"].as_str() {
                let out = shell("peer", &format!("ajar approve {id} --note go"));
                assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "no request was filed");
        }
    };
    let reading = held("psql -X -A -t service=orders-db -c 'select count(*) from orders'");
    approve();
    let (code, out, err) = reading.finish();
    assert_eq!((code, out.as_str()), (0, "5000\n"), "{err}");
    // A host that lets in nobody else, and by Ajar's certificates only.
    let account = SshHost::account().unwrap();
    assert_eq!((told["host"]["login"].as_str(), told["resources"][2].as_str()), (Some(account.as_str()), Some("orders-web-1")), "{told}");
    let looking = held("ssh orders-web-1 'echo in; exit 7'");
    approve();
    let (code, out, err) = looking.finish();
    assert!(code == 7 && out.ends_with("in\n") && err.contains("held until it is decided"), "{code} {out} {err}");
    let host_port = told["host"]["port"].to_string();
    let past = format!("ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -p {host_port} 127.0.0.1 true");
    assert_eq!(shell("dev", &format!("command {past}")).status.code(), Some(255));
    // In a terminal, the reason that the rule asks for is asked for.
    let mut deploying = Command::new("sh")
        .args(["-ec", &format!(". '{}/dev.sh'; AJAR_ROLE=deploy ssh -tt orders-web-1 'echo deployed'", folder.display())])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    let mut stderr = std::io::BufReader::new(deploying.stderr.take().unwrap());
    for byte in stderr.by_ref().bytes() {
        said.push(byte.unwrap());
        if said.ends_with(b"ajar: reason: ") {
            break;
        }
    }
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("a reason of 5 characters") && said.ends_with("ajar: reason: "), "{said}");
    let mut keys = deploying.stdin.take().unwrap();
    keys.write_all(b"INC-7: roll out\r").unwrap();
    approve();
    let (code, out, _) = Kept(deploying).finish();
    assert!(code == 0 && out.contains("deployed"), "{code} {out}");
    drop(keys);
    let grants: serde_json::Value = serde_json::from_slice(&shell("dev", "ajar grants -o json").stdout).unwrap();
    let grant = grants.as_array().unwrap().iter().find(|grant| grant["role"] == "deploy").unwrap();
    let request = shell("dev", &format!("ajar requests {} -o json", grant["request"].as_str().unwrap()));
    assert!(String::from_utf8_lossy(&request.stdout).contains("INC-7: roll out"), "{request:?}");
    let role = shell("dev", "AJAR_ROLE=look ssh -W 127.0.0.1:9 orders-web-1");
    assert!(String::from_utf8_lossy(&role.stderr).contains("administratively prohibited"), "{role:?}");
    let api = r#"ajar run --with sample-api -- sh -c 'curl -sS --cacert $SAMPLE_API_CA_FILE -H "Authorization: Bearer $SAMPLE_API_TOKEN" $SAMPLE_API_URL/orders/3'"#;
    let out = shell("dev", api);
    let order: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
    assert_eq!(order["status"], "stuck", "{}", String::from_utf8_lossy(&out.stderr));
    assert!(shell("auditor", "ajar ledger key && ajar ledger tail -n 3").status.success());

    // Ended, it leaves no process and no file.
    assert!(Command::new("kill").args(["-TERM", &demo.0.id().to_string()]).status().unwrap().success());
    let (code, _, err) = demo.finish();
    assert_eq!(code, 0, "{err}");
    assert!(!folder.exists());
    let port = target.split_whitespace().find_map(|w| w.strip_prefix("port=")).unwrap();
    for port in [port, &host_port] {
        assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "a sample still listens on {port}");
    }
}
