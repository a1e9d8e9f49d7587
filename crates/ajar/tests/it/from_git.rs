//! Rules from Git: what would change, who changed it, and a server that follows a working copy or a mounted directory.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::pipelines::git;
use crate::stage::{Stage, text};
use crate::wire::Wire;

impl Stage {
    /// The server begins again, and looks at its files every second.
    fn follow(&mut self) {
        self.end("-TERM");
        let config = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), format!("policy_follow = \"1s\"\n{config}")).unwrap();
        self.run();
    }

    fn change(&self, file: &Path, from: &str, to: &str) {
        let before = std::fs::read_to_string(file).unwrap();
        let after = before.replacen(from, to, 1);
        assert_ne!(before, after);
        std::fs::write(file, after).unwrap();
    }

    /// Who applied what is in force, and its commit.
    fn last(&self) -> (String, String) {
        let log = self.json("auditor", &["policy", "log"]);
        let word = |key: &str| log[0][key].as_str().unwrap_or_default().to_owned();
        (word("by"), word("commit"))
    }

    fn problems(&self, who: &str) -> String {
        let (_, out, _) = self.ajar(who, &["status", "-o", "json"]);
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["problems"].to_string()
    }

    /// How following goes, as operators are told.
    fn follows(&self) -> String {
        let (_, out, _) = self.ajar("operator", &["status", "-o", "json"]);
        let status: serde_json::Value = serde_json::from_str(&out).unwrap();
        let follows = status["integrations"].as_array().unwrap().iter().find(|i| i["kind"] == "policy_follow").cloned();
        follows.unwrap()["state"].as_str().unwrap().to_owned()
    }

    fn drift(&self) -> String {
        let out = Command::new("curl").args(["-s", &format!("http://127.0.0.1:{}/metrics", self.api())]).output().unwrap();
        let line = text(&out.stdout).lines().find(|l| l.starts_with("ajar_policy_drift ")).unwrap_or_default().to_owned();
        line.trim_start_matches("ajar_policy_drift ").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_apply_shows_its_plan_first_and_applies_that_or_nothing() {
    let stage = Stage::new().await;
    let dir = stage.policy();
    let dir = dir.to_str().unwrap();
    let (code, out, err) = stage.ajar("auditor", &["policy", "diff", dir, "--exit-code"]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    assert!(err.contains("no difference"), "{err}");
    let grant = stage.approved("dev", "read", "10m");
    let before = stage.json("operator", &["policy", "diff", dir])["in_force"].as_str().unwrap().to_owned();

    stage.change(&stage.policy().join("rules.toml"), "max = \"4h\"", "max = \"2h\"");
    stage.change(&stage.policy().join("people.toml"), "name = \"dev\"\n", "name = \"dev\"\ndisabled = true\n");
    let (code, out, err) = stage.ajar("auditor", &["policy", "diff", dir, "--exit-code"]);
    let lines: Vec<&str> = out.lines().collect();
    let ends = format!("! {grant} of dev (read on orders-db) closes: principal_disabled");
    assert_eq!(lines, ["~ rule read: max 4h → 2h", "~ user dev: disabled + true", "! dev can do nothing any more", &ends], "{err}");
    assert_eq!(code, 1);
    assert!(err.contains(&format!("--expect {before}")), "{err}");
    assert_eq!(stage.ajar("dev", &["policy", "diff", dir]).0, 3);
    assert_eq!(stage.ajar("operator", &["policy", "apply", dir, "--dry-run"]).1, out);
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", dir, "--expect", "none"]);
    assert!(code == 1 && err.contains("something else is in force"), "{code} {err}");
    assert_eq!(stage.grant(&grant)["state"], "open");

    let (code, _, err) = stage.ajar("operator", &["policy", "apply", dir, "--expect", &before, "--commit", "abc123"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.starts_with("~ rule read: max 4h → 2h\n") && err.contains("\nin force: "), "{err}");
    assert_eq!(stage.last(), ("operator".to_owned(), "abc123".to_owned()));
    stage.proven_gone(&grant);
    let events = stage.json("auditor", &["status"])["events"].clone();
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", dir, "--commit", "another"]);
    assert!(code == 0 && err.contains("nothing to do"), "{err}");
    assert_eq!(stage.json("auditor", &["status"])["events"], events);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_follows_a_working_copy_and_a_broken_draft_replaces_nothing() {
    let mut stage = Stage::new().await;
    let dir = stage.policy();
    std::fs::write(dir.join(".gitignore"), "admin.password\nca.pem\n").unwrap();
    git(&dir, &["init", "-q"]);
    git(&dir, &["add", "."]);
    git(&dir, &["commit", "-q", "-m", "as it was"]);
    stage.follow();
    let rules = dir.join("rules.toml");
    let grant = stage.approved("dev", "read", "10m");
    let _session = Wire::open(&stage, "dev", "orders-db");

    stage.change(&rules, "max = \"4h\"", "max = \"2h\"");
    git(&dir, &["commit", "-q", "-a", "-m", "shorter"]);
    let commit = git(&dir, &["rev-parse", "HEAD"]);
    stage.wait_until("the commit is in force", || stage.last() == ("the server".to_owned(), commit.clone()));
    assert_eq!((stage.grant(&grant)["state"].as_str(), stage.problems("operator").as_str()), (Some("open"), "[]"));
    assert_eq!(stage.json("dev", &["sessions"])[0]["state"], "live", "sessions go on");

    // Not committed, and wrong.
    stage.change(&rules, "max = \"2h\"", "max = \"2 hours\"");
    stage.wait_until("the drift is told", || stage.problems("operator").contains("are wrong: rules.toml:8:7: not a length of time"));
    assert_eq!((stage.problems("stranger").as_str(), stage.drift().as_str()), ("[]", "1"));
    assert_eq!(stage.follows(), "bad");
    assert_eq!(stage.ajar("operator", &["status"]).0, 1);
    assert_eq!(stage.last().1, commit);
    stage.json("dev", &["request", "orders-db", "--role", "write", "--reason", "what was in force stays so"]);
    // Another wrong one, so that there were more looks at the first.
    stage.change(&rules, "\"2 hours\"", "\"3 hours\"");
    let wrong = || stage.log().matches("its files are wrong").count();
    stage.wait_until("that is told too", || wrong() == 2);

    stage.change(&rules, "\"3 hours\"", "\"3h\"");
    stage.wait_until("what was mended is in force", || stage.last().1 == format!("{commit}-dirty"));
    stage.wait_until("and all is well", || stage.problems("operator") == "[]" && stage.drift() == "0");
    assert_eq!(stage.follows(), "good");
    assert_eq!(wrong(), 2, "once for each");
    assert_eq!(stage.grant(&grant)["state"], "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_follows_a_mounted_directory_and_shows_what_was_applied_past_it() {
    let mut stage = Stage::new().await;
    let dir = stage.policy();
    // As Kubernetes mounts a ConfigMap: each file a link through `..data`, which is moved on in one step.
    let version = |name: &str| dir.join(format!("..{name}"));
    std::fs::create_dir(version("one")).unwrap();
    for file in ["people.toml", "rules.toml", "resources.toml"] {
        std::fs::rename(dir.join(file), version("one").join(file)).unwrap();
        symlink(format!("..data/{file}"), dir.join(file)).unwrap();
    }
    symlink("..one", dir.join("..data")).unwrap();
    stage.follow();
    assert_eq!(stage.problems("operator"), "[]");
    let move_on = |to: &str, from: &str, change: (&str, &str)| {
        std::fs::create_dir(version(to)).unwrap();
        for file in ["people.toml", "rules.toml", "resources.toml"] {
            std::fs::copy(version(from).join(file), version(to).join(file)).unwrap();
        }
        stage.change(&version(to).join("rules.toml"), change.0, change.1);
        symlink(format!("..{to}"), dir.join("..data_tmp")).unwrap();
        std::fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    };
    let applied = || stage.json("auditor", &["policy", "log"]).as_array().unwrap().len();
    let before = applied();
    move_on("two", "one", ("max = \"4h\"", "max = \"2h\""));
    stage.wait_until("the new version is in force", || applied() == before + 1);

    // By hand, past the directory: it stays until that changes.
    let other = stage.folder().join("other");
    std::fs::create_dir(&other).unwrap();
    for file in ["people.toml", "rules.toml", "resources.toml"] {
        std::fs::copy(dir.join(file), other.join(file)).unwrap();
    }
    stage.change(&other.join("rules.toml"), "max = \"2h\"", "max = \"1h\"");
    let (code, _, err) = stage.ajar("operator", &["policy", "apply", other.to_str().unwrap(), "--commit", "abc123"]);
    assert_eq!(code, 0, "{err}");
    let told = || format!("the files in {} differ from what is in force, which operator applied (commit abc123)", dir.display());
    stage.wait_until("the drift is told", || stage.problems("auditor").contains(&told()));
    assert_eq!(stage.drift(), "1");
    let out = stage.ajar("auditor", &["policy", "diff", dir.to_str().unwrap()]).1;
    assert_eq!(out, "~ rule read: max 1h → 2h\n");
    move_on("three", "two", ("max = \"2h\"", "max = \"3h\""));
    stage.wait_until("the directory wins at its next change", || applied() == before + 3);
    stage.wait_until("and all is well", || stage.problems("operator") == "[]" && stage.drift() == "0");
    assert_eq!(stage.last().0, "the server");
}
