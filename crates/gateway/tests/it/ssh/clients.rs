//! OpenSSH's clients as they are.

use super::*;

fn of<'a>(lines: &'a [serde_json::Value], kind: &str) -> Vec<&'a serde_json::Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

#[tokio::test]
async fn a_command_runs_on_the_host_and_is_noted() {
    let mut street = Street::new(role()).await;
    let out = street.run("ssh", &["orders-web-1", "echo out; echo err >&2; exit 3"]).await;
    assert_eq!(
        (out.status.code(), text(&out.stdout), text(&out.stderr)),
        (Some(3), "out\n".into(), "err\n".into()),
        "{}",
        street.host.log()
    );
    let lines = street.recording().await;
    assert_eq!(lines[0]["protocol"], "ssh");
    assert_eq!(
        (&of(&lines, "open")[0]["what"], &of(&lines, "open")[0]["command"]),
        (&"exec".into(), &"echo out; echo err >&2; exit 3".into())
    );
    assert_eq!((&of(&lines, "out")[0]["data"], &of(&lines, "err")[0]["data"]), (&"out\n".into(), &"err\n".into()));
    assert_eq!((&of(&lines, "close")[0]["exit"], &of(&lines, "close")[0]["bytes_out"]), (&3.into(), &8.into()));
}

#[tokio::test]
async fn a_terminal_is_noted_as_it_looks_with_its_sizes_and_not_what_is_typed() {
    let mut street = Street::new(role()).await;
    let out = street.shell("(sleep .5; echo 'stty -echo; echo seen-$((40+2))'; sleep .5; echo exit) | ssh -F $F -tt orders-web-1").await;
    assert!(text(&out.stdout).contains("seen-42"), "{out:?} {}", street.host.log());
    let lines = street.recording().await;
    let open = of(&lines, "open")[0];
    assert_eq!((&open["what"], open["login"].as_str()), (&"shell".into(), Some(SshHost::account().unwrap().as_str())));
    assert!(open["term"].is_string() && open["cols"].is_number() && open["rows"].is_number());
    let shown: String = of(&lines, "out").iter().map(|line| line["data"].as_str().unwrap()).collect();
    assert!(shown.contains("seen-42"), "{shown}");
    assert!(of(&lines, "in").is_empty());
    assert_eq!(of(&lines, "close")[0]["exit"], 0);
}

#[tokio::test]
async fn what_is_typed_before_the_host_is_there_reaches_it() {
    let street = Street::new(role()).await;
    let out = street.shell("(echo 'echo early-$((40+2))'; echo exit) | TERM=xterm ssh -F $F -tt orders-web-1").await;
    assert!(text(&out.stdout).contains("early-42"), "{out:?}");
}

#[tokio::test]
async fn what_is_typed_is_noted_where_the_files_say_so() {
    let mut street = Street::with(role(), |target| target.record.input = true).await;
    street.shell("(sleep .5; echo 'exit 4') | ssh -F $F -tt orders-web-1").await;
    let lines = street.recording().await;
    let typed: String = of(&lines, "in").iter().map(|line| line["data"].as_str().unwrap()).collect();
    assert!(typed.contains("exit 4"), "{typed:?}");
    assert_eq!(of(&lines, "close")[0]["exit"], 4);
}

fn sha256(path: &std::path::Path) -> String {
    use sha2::Digest as _;
    hex::encode(sha2::Sha256::digest(std::fs::read(path).unwrap()))
}

#[tokio::test]
async fn files_are_noted_with_names_sizes_and_digests() {
    let mut street = Street::new(role()).await;
    std::fs::write(street.at("big"), (0..300_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>()).unwrap();
    let digest = sha256(&street.at("big"));
    // scp by sftp, sftp itself, scp's old protocol, each way.
    let out = street.shell("cd $H && scp -F $F big orders-web-1:$H/one && scp -F $F orders-web-1:$H/one two && cmp big two").await;
    assert!(out.status.success(), "{out:?} {}", street.host.log());
    let lines = street.recording().await;
    let put = of(&lines, "file")[0];
    assert_eq!(
        (&put["op"], &put["bytes_written"], &put["sha256_written"], &put["ok"]),
        (&"write".into(), &1_200_000.into(), &digest.clone().into(), &true.into())
    );
    assert!(put["path"].as_str().unwrap().ends_with("/one"));
    let lines = street.recording().await;
    let got = of(&lines, "file")[0];
    assert_eq!((&got["op"], &got["bytes_read"], &got["sha256_read"]), (&"read".into(), &1_200_000.into(), &digest.clone().into()));
    let out = street.shell("cd $H && printf 'put big three\nrename three four\nget four five\nrm four\n' | sed \"s#three#$H/three#g; s#four#$H/four#g\" | sftp -F $F -b - orders-web-1 && cmp big five").await;
    assert!(out.status.success(), "{out:?}");
    let lines = street.recording().await;
    assert_eq!(of(&lines, "file").len(), 2);
    let changes: Vec<_> = of(&lines, "change").iter().map(|line| line["op"].as_str().unwrap().to_owned()).collect();
    assert!(changes.contains(&"rename".to_owned()) && changes.contains(&"remove".to_owned()), "{changes:?}");
    let out =
        street.shell("cd $H && scp -O -F $F big orders-web-1:$H/six && scp -O -F $F orders-web-1:$H/six seven && cmp big seven").await;
    assert!(out.status.success(), "{out:?}");
    for (side, bytes) in [("sha256_written", "bytes_written"), ("sha256_read", "bytes_read")] {
        let lines = street.recording().await;
        let file = of(&lines, "file")[0];
        assert_eq!((&file[side], &file[bytes]), (&digest.clone().into(), &1_200_000.into()), "{lines:?}");
    }
}

#[tokio::test]
async fn rsync_and_git_work() {
    let street = Street::new(role()).await;
    let out = street.shell("cd $H && mkdir -p tree/a && head -c 3M /dev/urandom > tree/a/b && rsync -a -e \"ssh -F $F\" tree/ orders-web-1:$H/copy/ && diff -r tree copy \
         && git init -q repo && git -C repo -c user.name=x -c user.email=x@y commit -q --allow-empty -m one && GIT_SSH_COMMAND=\"ssh -F $F\" git clone -q orders-web-1:$H/repo clone && git -C clone log --oneline").await;
    assert!(out.status.success() && text(&out.stdout).contains("one"), "{out:?}");
}

#[tokio::test]
async fn rekeying_in_mid_transfer_loses_nothing() {
    let street = Street::new(role()).await;
    let out = street
        .shell("head -c 40M /dev/urandom > $H/much; ssh -F $F -o RekeyLimit=1M orders-web-1 cat < $H/much | cmp - $H/much && echo same")
        .await;
    assert_eq!(text(&out.stdout), "same\n", "{out:?}");
}

#[tokio::test]
async fn one_connection_carries_two_hundred_channels() {
    let street = Street::new(role()).await;
    let out = street.shell("ssh -F $F -o ControlPath=$H/mux -MNf orders-web-1 && for i in $(seq 200); do ssh -F $F -o ControlPath=$H/mux orders-web-1 \"sleep 1; echo $i\" & done | sort -n | uniq | wc -l; \
         ssh -F $F -o ControlPath=$H/mux -O exit orders-web-1 2>/dev/null").await;
    assert_eq!(text(&out.stdout).trim(), "200", "{out:?} {}", street.host.log());
}

#[tokio::test]
async fn a_half_closed_channel_still_answers() {
    let street = Street::new(role()).await;
    let out = street.shell("printf 'b\na\n' | ssh -F $F orders-web-1 'sort; echo end'").await;
    assert_eq!(text(&out.stdout), "a\nb\nend\n");
    let out = street.shell("ssh -F $F -n orders-web-1 'exec >&-; sleep .2; echo late >&2; exit 7'").await;
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(7), "late\n".into()));
    let out = street.shell("ssh -F $F orders-web-1 'kill -TERM $$'").await;
    assert_eq!(out.status.code(), Some(255), "{out:?}");
}

#[tokio::test]
async fn when_both_sides_wait_nothing_is_lost_and_little_is_held() {
    let street = Street::new(role()).await;
    // What comes back is not read for a while, so what goes out is not taken either.
    let out = street
        .shell("head -c 60M /dev/urandom > $H/much; ssh -F $F orders-web-1 cat < $H/much | (sleep 4; cmp - $H/much && echo same)")
        .await;
    assert_eq!(text(&out.stdout), "same\n", "{out:?}");
}

#[tokio::test]
async fn a_client_that_vanishes_ends_its_session() {
    let mut street = Street::new(role()).await;
    street.shell("ssh -F $F orders-web-1 'sleep 100' & sleep 1; kill -9 $!").await;
    let report = street.house.report().await;
    assert_eq!(report.reason, EndReason::ClientLeft);
    assert!(report.recording.is_some());
}

#[tokio::test]
async fn a_jump_through_the_gateway_leads_to_the_host_as_itself() {
    let mut street = Street::new(role()).await;
    let bare = keys::visitor(keys::VISITORS, |b| {
        b.valid_principal("ajar-visitor").unwrap();
    });
    street.write("bare-cert.pub", &bare);
    let at = street.home.path().display();
    let config = format!(
        "Host door\n  HostName 127.0.0.1\n  Port {}\nHost *\n  User {}\n  IdentityFile {at}/key\n  CertificateFile {at}/bare-cert.pub\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
         UserKnownHostsFile {at}/known\n  StrictHostKeyChecking yes\n  BatchMode yes\n",
        street.house.ssh.port(),
        SshHost::account().unwrap()
    );
    street.write("jump", &config);
    let out = street.shell("ssh -F $H/jump -J door orders-web-1 'echo there' && head -c 8M /dev/urandom > $H/much && ssh -F $H/jump -J door orders-web-1 cat < $H/much | cmp - $H/much && echo same").await;
    assert_eq!(text(&out.stdout), "there\nsame\n", "{out:?}");
    let lines = street.recording().await;
    assert_eq!(of(&lines, "open")[0]["command"], "echo there");
}
