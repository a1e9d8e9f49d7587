//! `ajar demo`, as the README's first command starts it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

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
    let held = Command::new("sh")
        .args(["-ec", &format!(". '{}/dev.sh'; psql -X -A -t service=orders-db -c 'select count(*) from orders'", folder.display())])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let held = Kept(held);
    let start = Instant::now();
    loop {
        let inbox = shell("peer", "ajar inbox -o json");
        let inbox: serde_json::Value = serde_json::from_slice(&inbox.stdout).unwrap();
        if let Some(id) = inbox[0]["id"].as_str() {
            let out = shell("peer", &format!("ajar approve {id} --note go"));
            assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "no request was filed");
    }
    let (code, out, err) = held.finish();
    assert_eq!((code, out.as_str()), (0, "5000\n"), "{err}");
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
    assert!(std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_err(), "the sample still listens");
}
