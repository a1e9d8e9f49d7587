//! The sample CI jobs: their commands as they stand in the files, with a listener in place of the CI's API.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::stage::{Stage, text};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A job's commands: the blocks after `run: |` or `- |`, until the next job of the file.
fn commands(file: &str, job: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("examples/ci").join(file)).unwrap();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begin = text.lines().position(|line| line.trim() == format!("{job}:")).unwrap();
    let lines: Vec<&str> = text.lines().skip(begin).collect();
    let depth = indent(lines[0]);
    let job: Vec<&str> = lines.iter().skip(1).copied().take_while(|line| line.trim().is_empty() || indent(line) > depth).collect();
    let mut blocks = Vec::new();
    for (n, line) in job.iter().enumerate().filter(|(_, line)| ["run: |", "- |"].contains(&line.trim())) {
        let body: Vec<&str> = job.iter().skip(n + 1).copied().take_while(|next| indent(next) > indent(line)).collect();
        let inside = body.first().map_or(0, |first| indent(first));
        blocks.push(body.iter().map(|line| format!("{}\n", &line[inside..])).collect());
    }
    assert!(!blocks.is_empty(), "{file} has no commands for {depth}");
    blocks
}

/// What arrived at the CI's API: path, headers, body.
type Arrived = Arc<Mutex<Vec<(String, String, String)>>>;

/// The CI's API: takes comments.
fn forge() -> (String, Arrived) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arrived::default();
    let inner = Arc::clone(&arrived);
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let mut tcp = tcp.unwrap();
            let (mut read, mut chunk) = (Vec::new(), [0; 4096]);
            let (head, body) = loop {
                let n = tcp.read(&mut chunk).unwrap();
                read.extend(&chunk[..n]);
                let so_far = text(&read);
                let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
                let length =
                    head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap()));
                if n == 0 || body.len() >= length.unwrap_or(0) {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let path = head.lines().next().unwrap().to_owned();
            inner.lock().unwrap().push((path, head, body));
            tcp.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").unwrap();
        }
    });
    (url, arrived)
}

/// A clone of the example's repository, with one commit: its folder and the commit.
fn repository(folder: &Path) -> String {
    let policy = folder.join("policy");
    std::fs::create_dir_all(&policy).unwrap();
    for entry in std::fs::read_dir(root().join("examples/policy")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), policy.join(entry.file_name())).unwrap();
    }
    git(folder, &["init", "-q"]);
    git(folder, &["add", "policy"]);
    git(folder, &["commit", "-q", "-m", "the policy"]);
    git(folder, &["rev-parse", "HEAD"])
}

pub(crate) fn git(folder: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=dev", "-c", "user.email=dev@example.org", "-c", "commit.gpgsign=false"];
    let out = Command::new("git").arg("-C").arg(folder).args(who).args(args).output().unwrap();
    assert!(out.status.success(), "git {args:?}: {}", text(&out.stderr));
    text(&out.stdout).trim().to_owned()
}

fn job(stage: &Stage, folder: &Path, blocks: &[String], environment: &[(&str, String)]) {
    let program = Path::new(env!("CARGO_BIN_EXE_ajar")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    for block in blocks {
        let mut bash = Command::new("bash");
        bash.args(["-eo", "pipefail", "-c", block]).current_dir(folder).env("PATH", &path);
        bash.env("AJAR_URL", format!("http://127.0.0.1:{}", stage.api())).env("XDG_CONFIG_HOME", stage.folder().join("nobody"));
        let out = bash.envs(environment.iter().map(|(k, v)| (k, v))).output().unwrap();
        assert!(out.status.success(), "{block}\n{}\n{}", text(&out.stdout), text(&out.stderr));
    }
}

fn token(stage: &Stage, who: &str, scope: &str) -> String {
    stage.json(who, &["token", "--scope", scope])["token"].as_str().unwrap().to_owned()
}

async fn pipeline(file: &str, [check, apply]: [&str; 2], environment: impl Fn(&str, &str) -> Vec<(&'static str, String)>, path: &str) {
    let stage = Stage::new().await;
    let folder = stage.folder().join("repository");
    let commit = repository(&folder);
    stage.json("dev", &["request", "orders-db", "--reason", "INC-7"]);
    let (url, arrived) = forge();
    let mut variables = environment(&url, &commit);
    variables.push(("AJAR_TOKEN", token(&stage, "auditor", "read")));
    job(&stage, &folder, &commands(file, check), &variables);
    let (request, head, body) = arrived.lock().unwrap().pop().expect("a comment arrived");
    assert_eq!(request, format!("POST {path} HTTP/1.1"));
    assert!(head.contains("a-token"), "it says who comments: {head}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let body = body["body"].as_str().unwrap();
    assert!(body.starts_with("### What this changes\n\n    "), "{body}");
    for line in [
        "    + rule backend-reads-orders\n",
        "    - rule break-glass\n",
        "    - resource quick-db\n",
        "    ! dev can do nothing any more\n",
    ] {
        assert!(body.contains(line), "{line} is not in\n{body}");
    }
    assert!(body.contains("1 of 1 request") && body.contains("would go otherwise"), "{body}");
    assert_eq!(stage.json("auditor", &["policy", "log"]).as_array().unwrap().len(), 1, "nothing was applied");

    variables.last_mut().unwrap().1 = token(&stage, "operator", "full");
    job(&stage, &folder, &commands(file, apply), &variables);
    // Whoever is in both sets of files can tell.
    let log = stage.json("auditor", &["policy", "log"]);
    assert_eq!((log[0]["by"].as_str(), log[0]["commit"].as_str()), (Some("operator"), Some(commit.as_str())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_github_job_comments_on_a_pull_request_and_applies_what_is_merged() {
    let environment = |url: &str, commit: &str| {
        vec![
            ("GITHUB_API_URL", url.to_owned()),
            ("GITHUB_REPOSITORY", "acme/access".to_owned()),
            ("GITHUB_SHA", commit.to_owned()),
            ("GITHUB_TOKEN", "a-token".to_owned()),
            ("PULL_REQUEST", "7".to_owned()),
        ]
    };
    pipeline("github-actions.yml", ["check", "apply"], environment, "/repos/acme/access/issues/7/comments").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gitlab_job_comments_on_a_merge_request_and_applies_what_is_merged() {
    let environment = |url: &str, commit: &str| {
        vec![
            ("CI_API_V4_URL", format!("{url}/api/v4")),
            ("CI_PROJECT_ID", "42".to_owned()),
            ("CI_MERGE_REQUEST_IID", "7".to_owned()),
            ("CI_COMMIT_SHA", commit.to_owned()),
            ("COMMENT_TOKEN", "a-token".to_owned()),
        ]
    };
    pipeline("gitlab-ci.yml", ["policy-check", "policy-apply"], environment, "/api/v4/projects/42/merge_requests/7/notes").await;
}
