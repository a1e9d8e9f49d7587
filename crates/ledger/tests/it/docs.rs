//! The commands of `docs/ledger.md`, run on an export by sh, Python and OpenSSL: what checks it without Ajar.

use std::path::Path;
use std::process::Command;

use crate::world::{Log, key};

const DOCUMENT: &str = include_str!("../../../../docs/ledger.md");

/// The fenced blocks in these languages, in order.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for block in DOCUMENT.split("\n```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap();
        if language != "text" {
            found.push((language, body));
        }
    }
    found
}

/// Runs every block in a directory of its own; the number of the block that fails, with what it said.
fn run(export: &str, proof: &str) -> Result<(), (usize, String)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proof.json"), proof).unwrap();
    std::fs::write(folder.path().join("export.ndjson"), export).unwrap();
    for (number, (language, body)) in blocks().into_iter().enumerate() {
        let output = match language {
            "sh" => command("sh", &["-euc", body], "dash", folder.path()),
            "python" => command("python3", &["-c", body], "python3", folder.path()),
            other => panic!("a block in {other}"),
        };
        if !output.status.success() {
            return Err((number, String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()));
        }
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str], package: &str, folder: &Path) -> std::process::Output {
    let result = Command::new(program).args(arguments).current_dir(folder).env("VKEY", key().to_string()).output();
    result.unwrap_or_else(|e| panic!("{program} can't be run ({e}): install the Debian packages {package} and openssl"))
}

#[test]
fn i16_an_export_can_be_checked_without_ajar() {
    assert_eq!(blocks().len(), 6);
    for size in [0, 1, 7, 20] {
        let mut log = Log::of(size);
        log.grow("a reason with\na \"line\" break, 'quotes', \\, ü and \u{2028}");
        run(&log.export(), &log.proof(size)).unwrap_or_else(|(block, said)| panic!("block {block}: {said}"));
    }
}

#[test]
fn l01_a_changed_export_is_found_without_ajar() {
    let log = Log::of(20);
    let export = log.export();
    let fails_in = |changed: &str| run(changed, &log.proof(4)).map_err(|(block, said)| (block, said.contains("No such file"))).unwrap_err();
    assert_eq!(fails_in(&export.replacen("order\"", "chaos\"", 1)), (3, false));
    assert_eq!(fails_in(&export.replacen("order 3", "order 4", 1)), (4, false));
    let thief = ajar_ledger::note::Signer::from_seed("ledger.example/orders", &[8; 32]).unwrap();
    assert_eq!(fails_in(&log.export_by(&thief)), (2, false));
    let shorter = Log::of(19).export_with(&key(), &log.checkpoint());
    assert_eq!(fails_in(&shorter), (3, false));
    // The tools say so too when it is the order that is wrong and the root that is right.
    let mut skipped = log.clone();
    skipped.leaves[4].0 = skipped.leaves[4].0.replace("\"version\":2", "\"version\":3");
    assert_eq!(fails_in(&skipped.export()), (4, false));
}

#[test]
fn l01_a_changed_proof_is_found_without_ajar() {
    let log = Log::of(20);
    for seq in 0..20 {
        run(&log.export(), &log.proof(seq)).unwrap_or_else(|(block, said)| panic!("{seq}, block {block}: {said}"));
    }
    let (proof, other) = (log.proof(4), log.proof(5));
    let path = |of: &str| of.split_once("\"path\":").unwrap().1.split_once(']').unwrap().0.to_owned();
    for changed in [
        proof.replacen("request.filed\\\"", "request.fried\\\"", 1),
        proof.replacen(&path(&proof), &path(&other), 1),
        proof.replacen(&path(&proof), "[", 1),
    ] {
        assert_ne!(changed, proof);
        let (block, said) = run(&log.export(), &changed).unwrap_err();
        assert!(block == 5 && said.contains("not in what was signed"), "{block}: {said}");
    }
}
