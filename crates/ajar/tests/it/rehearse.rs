//! Rules tried out before they are in force: tests, lint, one request, the requests of the past, with a server and without one.

use std::path::{Path, PathBuf};
use std::process::Command;

use ajar_core::plan::Verdict;
use ajar_core::time::Span;
use ajar_ledger::checkpoint::Checkpoint;
use ajar_ledger::export::{Exporter, commitments};
use ajar_ledger::note::Signer;
use ajar_ledger::tree::{Frontier, leaf_hash};
use serde_json::Value;

use crate::made::{Made, Wants};
use crate::stage::{Stage, text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs `ajar` in the project's folder, without a server: code, output, talk.
fn ajar(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_ajar")).args(args).current_dir(root()).output().unwrap();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

fn rules(folder: &Path) -> ajar_policy::RuleSet {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()));
    ajar_policy::parse(&files.collect()).unwrap()
}

/// Six weeks of requests, always the same.
fn six_weeks() -> Made {
    let mut made = Made::new(&rules(&root().join("examples/ledger/in-force")), "2026-09-07T04:00:00Z");
    let begin = made.now;
    let mut dice = 7_u64;
    let mut roll = move |sides: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for day in (0..42).filter(|day| day % 7 < 5) {
        let hour = |hour: u64| begin.after(Span::from_secs((day * 24 + hour) * 3_600));
        let report = Wants { resource: "orders-db", role: "read", minutes: 5, reason: "the nightly report", ..Wants::default() };
        made.ask("report", &report);
        for part in 0..3 {
            made.go_to(hour(4 + part * 3).after(Span::from_secs(roll(9_000))));
            let who = ["dev", "ada", "joe"][usize::try_from(roll(3)).unwrap()];
            let ticket = ["INC-7", "INC-12", "CHG-3"].get(usize::try_from(roll(5)).unwrap()).copied();
            let fixes = roll(3) == 0;
            let (role, minutes) = if fixes { ("fix", [30, 60, 120][usize::try_from(roll(3)).unwrap()]) } else { ("read", 240) };
            let wants = Wants { resource: "orders-db", role, minutes, reason: "a stuck order of a customer", ticket, ..Wants::default() };
            let Some(request) = made.ask(who, &wants) else { continue };
            made.wait(if fixes { 20 + roll(35) } else { 120 + roll(1_500) });
            match (fixes, roll(12)) {
                (false, 0) => _ = made.review(request, "peer", Verdict::Deny),
                (false, 1) => made.withdraw(request, who),
                _ => {
                    let by = ["peer", "grace"][usize::try_from(roll(2)).unwrap()];
                    assert!(made.review(request, by, Verdict::Approve));
                    made.use_for(request, 120 + roll(900));
                }
            }
        }
        // Some nights something breaks.
        if day % 9 == 2 {
            made.go_to(hour(17).after(Span::from_secs(roll(3_600))));
            let fix = Wants { resource: "orders-db", role: "fix", minutes: 30, reason: "orders are lost", ..Wants::default() };
            let request = made.ask("dev", &fix).unwrap();
            made.wait(20 + roll(35));
            assert!(made.review(request, "grace", Verdict::Approve));
            made.use_for(request, 600);
            made.ask("joe", &Wants { emergency: true, ..fix });
        }
    }
    made.go_to(begin.after(Span::from_secs(42 * 24 * 3_600)));
    made
}

/// As the server exports it, with its key.
fn export(made: &Made) -> (Vec<u8>, String) {
    let signer = Signer::from_seed("sample.ajar.example", &[9; 32]).unwrap();
    let key = signer.verifier();
    let (mut tree, size) = (Frontier::default(), made.events.len() as u64);
    let mut export = Exporter::start(Vec::new(), &key, size).unwrap();
    for envelope in &made.events {
        let leaf = envelope.to_leaf().unwrap();
        tree.push(leaf_hash(leaf.as_bytes()));
        let disclosed: Vec<_> = commitments(leaf.as_bytes()).iter().filter_map(|c| made.disclosures.get(c).cloned()).collect();
        export.leaf(&leaf, &disclosed).unwrap();
    }
    let note = Checkpoint::of(&key, &tree).sign(&signer).unwrap();
    (export.finish(&note).unwrap(), format!("{key}\n"))
}

#[test]
fn the_sample_ledger_is_the_one_that_is_made_here() {
    let folder = root().join("examples/ledger");
    let (ledger, key) = export(&six_weeks());
    for (name, made) in [("ledger.ndjson", ledger), ("ledger.key", key.into_bytes())] {
        let path = folder.join(name);
        if std::env::var_os("AJAR_WRITE_SAMPLES").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == made, "{name} is not current: run this test with AJAR_WRITE_SAMPLES=1 and commit it");
    }
}

const LEDGER: &str = "examples/ledger/ledger.ndjson";
const KEY: &str = "examples/ledger/ledger.key";
const DRAFT: &str = "examples/ledger/draft";

#[test]
fn the_readme_shows_what_the_commands_say() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut blocks = 0;
    for block in readme.split("```text\n$ ajar policy ").skip(1) {
        let (command, shown) = block.split("```").next().unwrap().split_once('\n').unwrap();
        let args: Vec<&str> = std::iter::once("policy").chain(command.split(' ')).collect();
        let (_, out, talk) = ajar(&args);
        let said = format!("{out}{talk}");
        // What the document cuts off ends with an ellipsis.
        let mut from = said.lines();
        for line in shown.lines().filter(|line| *line != "…") {
            let begin = line.strip_suffix('…').unwrap_or(line);
            let fits = |said: &&str| if begin == line { *said == line } else { said.starts_with(begin) };
            assert!(from.any(|said| fits(&said)), "ajar policy {command} does not say {line:?} (any more):\n{said}");
        }
        blocks += 1;
    }
    assert!(blocks >= 2, "{blocks} blocks");
}

#[test]
fn a_draft_is_tested_linted_and_tried() {
    let (code, out, talk) = ajar(&["policy", "test", DRAFT]);
    assert_eq!(code, 0, "{out}{talk}");
    assert!(talk.contains("8 tests, 0 failed") && !out.contains("FAILED"), "{out}{talk}");
    assert_eq!(ajar(&["policy", "test", DRAFT, "--min-coverage", "100"]).0, 0);
    let (code, _, talk) = ajar(&["policy", "test", "examples/ledger/in-force", "--min-coverage", "50"]);
    assert_eq!((code, talk.contains("they touch 0 % of rules")), (1, true), "{talk}");
    assert!(talk.contains("50 % are asked for") && talk.contains("no test touches rule engineers-read-orders"), "{talk}");
    let (code, out, _) = ajar(&["policy", "test", DRAFT, "-o", "json"]);
    let whole: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, whole["tests"].as_array().unwrap().len()), (0, 8));
    assert!(whole["coverage"]["percent"].as_u64().is_some_and(|p| p > 70), "{whole}");

    let wrong = tempfile::tempdir().unwrap();
    for file in ["orders.toml", "people.toml", "tests.toml"] {
        let text = std::fs::read_to_string(root().join(DRAFT).join(file)).unwrap();
        let text = text
            .replace("expect = \"emergency\"", "expect = \"refused\"")
            .replace("owners = [\"group:orders\"]", "owners = [\"user:boss\"]");
        std::fs::write(wrong.path().join(file), text.replace("members = [\"dev\", \"joe\", \"ada\"]", "members = [\"boss\"]")).unwrap();
    }
    let folder = wrong.path().to_str().unwrap();
    let (code, out, talk) = ajar(&["policy", "test", folder]);
    assert_eq!(code, 1, "{out}{talk}");
    assert!(out.contains("FAILED  but in an emergency who is on call does") && out.contains("tests.toml:47"), "{out}");

    let (code, out, talk) = ajar(&["policy", "lint", DRAFT]);
    assert_eq!(code, 0, "{out}{talk}");
    // boss is the only engineer, the only owner, and asked in the second stage.
    let (code, out, _) = ajar(&["policy", "lint", folder]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("error") && out.contains("stage 1 needs 1 person") && out.contains("orders.toml:"), "{out}");
    let (code, out, _) = ajar(&["policy", "lint", folder, "-o", "json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["findings"][0]["severity"]), (1, &Value::from("error")));

    let simulate = |more: &[&str]| ajar(&[&["policy", "simulate", DRAFT, "orders-db", "--user", "dev"], more].concat());
    let (code, out, talk) = simulate(&["--ticket", "INC-7", "--at", "2026-11-25T10:00[Europe/Berlin]"]);
    assert_eq!(code, 0, "{out}{talk}");
    assert!(out.contains("approved automatically") && out.contains("context.hours.office is true"), "{out}");
    let fix = ["--role", "fix", "--for", "30m", "--reason", "a stuck order", "--at"];
    let (code, out, _) = simulate(&[&fix[..], &["2026-11-25T10:00[Europe/Berlin]"]].concat());
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("stricter") && out.contains("it would be denied if rule not-at-night matched"), "{out}");
    let (code, out, _) = simulate(&[&fix[..], &["2026-11-25T22:00[Europe/Berlin]"]].concat());
    assert_eq!(code, 7, "{out}");
    assert!(out.contains("denied by a rule"), "{out}");
    let (code, _, talk) = simulate(&["--at", "tomorrow"]);
    assert_eq!((code, talk.contains("--at is an instant")), (2, true), "{talk}");
    let (code, _, talk) = ajar(&["policy", "simulate", DRAFT, "orders-db", "--user", "dve"]);
    assert_eq!((code, talk.contains("there is no 'dve' in these files")), (2, true), "{talk}");
}

#[test]
fn i16_an_exported_ledger_is_replayed_only_if_it_is_what_was_signed() {
    let replay = |ledger: &str, more: &[&str]| ajar(&[&["policy", "replay", DRAFT, "--ledger", ledger], more].concat());
    let (code, out, talk) = replay(LEDGER, &["--key", KEY, "--format", "json"]);
    assert_eq!(code, 0, "{talk}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let made = six_weeks();
    assert_eq!(report["requests"], made.filed());
    let changed: u64 = report["changes"].as_array().unwrap().iter().map(|c| c["count"].as_u64().unwrap()).sum();
    assert_eq!((&report["changed"], report["rows"].as_array().unwrap().len() as u64), (&Value::from(changed), changed));
    // The rules in force have changed nothing of their own past.
    let (code, out, _) = ajar(&["policy", "replay", "examples/ledger/in-force", "--ledger", LEDGER, "--key", KEY]);
    assert_eq!((code, out.starts_with("Nothing would change: all ")), (0, true), "{out}");
    let (code, _, talk) = replay(LEDGER, &[]);
    assert_eq!((code, talk.contains("anybody may have made it")), (0, true), "{talk}");

    let folder = tempfile::tempdir().unwrap();
    let forged = folder.path().join("forged.ndjson");
    let ledger = std::fs::read_to_string(root().join(LEDGER)).unwrap();
    for wrong in [
        ledger.replacen("\"role\":\"read\"", "\"role\":\"fix\"", 1),
        ledger.lines().take(40).map(|l| format!("{l}\n")).collect(),
        "{}\n".into(),
    ] {
        std::fs::write(&forged, wrong).unwrap();
        for key in [&["--key", KEY][..], &[]] {
            let (code, out, talk) = replay(forged.to_str().unwrap(), key);
            assert_eq!((code, out.as_str()), (1, ""), "{talk}");
            assert!(talk.contains("is not what was signed: nothing is concluded from it"), "{talk}");
        }
    }
    let other = Signer::from_seed("sample.ajar.example", &[8; 32]).unwrap().verifier().to_string();
    let (code, out, _) = replay(LEDGER, &["--key", &other]);
    assert_eq!((code, out.as_str()), (1, ""));
}

#[test]
fn reports_are_for_reading_for_programs_and_for_pull_requests() {
    let past = ["--ledger", LEDGER, "--key", KEY];
    let replay = |format: &str| ajar(&[&["policy", "replay", DRAFT][..], &past[..], &["--format", format]].concat());
    let (code, markdown, _) = replay("markdown");
    assert_eq!(code, 0);
    assert!(markdown.starts_with("**") && markdown.contains("| more approved automatically | "), "{markdown}");
    assert_eq!((markdown.matches("<details>").count(), markdown.matches("</details>").count()), (1, 1));
    let (code, table, _) = replay("table");
    assert_eq!((code, table.contains("REQUEST")), (0, true), "{table}");
    let suggest = |format: &str| ajar(&[&["policy", "suggest", "examples/ledger/in-force"][..], &past[..], &["--format", format]].concat());
    let (code, json, talk) = suggest("json");
    assert_eq!(code, 0, "{talk}");
    let found: Value = serde_json::from_str(&json).unwrap();
    let kinds: Vec<&str> = found["items"].as_array().unwrap().iter().map(|i| i["kind"].as_str().unwrap()).collect();
    for kind in ["automatic", "unused", "shorten", "routine"] {
        assert!(kinds.contains(&kind), "{kind} in {json}");
    }
    assert!(suggest("markdown").1.starts_with("**"));
    assert!(suggest("table").1.contains("SUGGESTION"));
    let (code, _, talk) = ajar(&["policy", "suggest", "--ledger", LEDGER]);
    assert_eq!((code, talk.contains("which rules?")), (2, true), "{talk}");
    let (code, _, talk) = ajar(&[&["policy", "replay", DRAFT, "--since", "soon"][..], &past[..]].concat());
    assert_eq!((code, talk.contains("--since is not a length of time")), (2, true), "{talk}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_replays_its_own_past_for_auditors() {
    let stage = Stage::new().await;
    let ask = |reason: &str| stage.json("dev", &["request", "orders-db", "--role", "read", "--for", "10m", "--reason", reason]);
    let id = ask("a look")["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.ajar("peer", &["approve", &id]).0, 0);
    stage.json("dev", &["request", "quick-db", "--role", "read"]);
    let draft = stage.folder().join("draft");
    std::fs::create_dir(&draft).unwrap();
    for file in ["people.toml", "rules.toml", "resources.toml"] {
        let text = std::fs::read_to_string(stage.policy().join(file)).unwrap();
        std::fs::write(draft.join(file), text.replacen("approve = { from = [\"owners\"], within = \"30m\" }", "approve = \"auto\"", 1))
            .unwrap();
    }
    let draft = draft.to_str().unwrap();
    let report = stage.json("auditor", &["policy", "replay", draft, "--since", "1d"]);
    assert_eq!((&report["requests"], &report["changed"]), (&Value::from(2), &Value::from(1)), "{report}");
    let row = &report["rows"][0];
    assert_eq!((&row["id"], &row["who"], &row["change"]), (&Value::from(id), &Value::from("dev"), &Value::from("automatic")));
    let same = stage.policy();
    let same = stage.json("operator", &["policy", "replay", same.to_str().unwrap()]);
    assert_eq!((&same["requests"], &same["changed"]), (&Value::from(2), &Value::from(0)), "{same}");
    let found = stage.json("auditor", &["policy", "suggest", "--since", "1ms"]);
    assert_eq!(found["requests"], 0, "{found}");
    for args in [&["policy", "replay", draft][..], &["policy", "suggest"]] {
        let (code, out, talk) = stage.ajar("dev", args);
        assert_eq!((code, out.as_str()), (3, ""), "{talk}");
        assert!(talk.contains("is for auditors and operators"), "{talk}");
    }
    let (code, _, talk) = stage.ajar("auditor", &["policy", "replay", draft, "--since", "never"]);
    assert_eq!((code, talk.contains("'since' is not a length of time")), (2, true), "{talk}");
}
