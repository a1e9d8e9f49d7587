//! What a role has to say before it works.

use super::*;

/// Answers every connection with a word.
async fn answers(word: &'static str) -> (u16, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            // One that is gone already hears nothing.
            drop(tcp.write_all(word.as_bytes()).await);
        }
    });
    (port, tasks)
}

#[tokio::test]
async fn s05_agent_x11_subsystems_and_variables_are_off_unless_the_role_says_so() {
    let street = Street::new(SshRole::of(vec![SshHost::account().unwrap()])).await;
    let out = street.shell("eval $(ssh-agent) >/dev/null; ssh -F $F -A -o IdentityAgent=$SSH_AUTH_SOCK orders-web-1 'echo \"[$SSH_AUTH_SOCK][$LC_TEST][$DISPLAY]\"'; kill $SSH_AGENT_PID").await;
    assert_eq!(text(&out.stdout), "[][][]\n", "{out:?}");
    let out = street.shell("LC_TEST=x ssh -F $F -o SendEnv=LC_TEST orders-web-1 'echo \"[$LC_TEST]\"'").await;
    assert_eq!(text(&out.stdout), "[]\n", "{out:?}");
    let out = street.shell("echo ls | sftp -F $F -b - orders-web-1").await;
    assert!(!out.status.success() && text(&out.stderr).contains("does not allow the subsystem sftp"), "{out:?}");
}

#[tokio::test]
async fn s05_what_the_role_says_works() {
    let role = SshRole { agent: true, ..role() };
    let street = Street::new(role).await;
    let out = street
        .shell("eval $(ssh-agent) >/dev/null; ssh-add -q $H/key; LC_TEST=x ssh -F $F -A -o IdentityAgent=$SSH_AUTH_SOCK -o SendEnv=LC_TEST orders-web-1 'echo $LC_TEST; ssh-add -l'; kill $SSH_AGENT_PID")
        .await;
    assert!(text(&out.stdout).starts_with("x\n256 SHA256:"), "{out:?}");
}

#[tokio::test]
async fn s06_logins_are_those_of_the_role() {
    let mut street = Street::new(SshRole::of(vec!["somebody".into()])).await;
    let out = street.run("ssh", &["orders-web-1", "true"]).await;
    assert_eq!(out.status.code(), Some(255));
    assert!(text(&out.stderr).contains("does not allow user") && text(&out.stderr).contains("its users are somebody"), "{out:?}");
    assert_eq!(street.house.report().await.reason, EndReason::Refused);
    assert!(!street.host.log().contains("Accepted"), "{}", street.host.log());
    // A login that the role names and the host doesn't have.
    let out = street.run("ssh", &["-l", "somebody", "orders-web-1", "true"]).await;
    assert!(text(&out.stderr).contains("does not let the gateway in as somebody"), "{out:?}");
}

#[tokio::test]
async fn s05_only_the_commands_that_the_role_names() {
    let street = Street::new(SshRole { commands: Some(vec!["echo fine".into()]), ..role() }).await;
    assert_eq!(text(&street.run("ssh", &["orders-web-1", "echo fine"]).await.stdout), "fine\n");
    for args in [&["orders-web-1", "echo fine; id"][..], &["-tt", "orders-web-1"]] {
        let out = street.run("ssh", args).await;
        assert_eq!(out.status.code(), Some(126), "{out:?}");
        assert!(text(&out.stderr).contains("does not allow"), "{out:?}");
    }
}

#[tokio::test]
async fn s06_forwards_lead_only_where_the_role_says() {
    let (port, _tasks) = answers("hello").await;
    let role = SshRole { forward: vec![Forward::Tcp { host: "127.0.0.1".into(), port }], ..role() };
    let mut street = Street::new(role).await;
    let out = street.run("ssh", &["-W", &format!("127.0.0.1:{port}"), "orders-web-1"]).await;
    assert_eq!(text(&out.stdout), "hello", "{out:?} {}", street.host.log());
    let lines = street.recording().await;
    let open = lines.iter().find(|line| line["kind"] == "open").unwrap();
    assert_eq!((&open["what"], &open["to"]), (&"forward".into(), &format!("127.0.0.1:{port}").into()));
    let gateway = street.house.ssh.port().to_string();
    for elsewhere in ["169.254.169.254:80".to_owned(), format!("127.0.0.1:{gateway}"), format!("localhost:{port}"), format!("[::1]:{port}")]
    {
        let out = street.run("ssh", &["-W", &elsewhere, "orders-web-1"]).await;
        assert!(!out.status.success() && out.stdout.is_empty(), "{elsewhere}: {out:?}");
    }
    let lines = street.recording().await;
    assert!(lines.iter().any(|line| line["kind"] == "refused" && line["name"] == "169.254.169.254:80"), "{lines:?}");
}

#[tokio::test]
async fn s05_a_tunnel_without_a_command_and_sockets_of_the_file_system() {
    let (port, _tasks) = answers("hello").await;
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("socket");
    let role = SshRole {
        forward: vec![Forward::Tcp { host: "localhost".into(), port }, Forward::Unix(socket.display().to_string())],
        remote_forward: vec![0],
        ..role()
    };
    let street = Street::new(role).await;
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok((mut unix, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt as _;
            unix.write_all(b"from a socket").await.unwrap();
        }
    });
    let line = format!(
        "ssh -F $F -o ExitOnForwardFailure=yes -N -L $H/here:localhost:{port} -L $H/there:{} orders-web-1 & pid=$!; \
         for i in $(seq 100); do [ -S $H/there ] && break; sleep .1; done; perl -MIO::Socket::UNIX -e 'for (@ARGV) {{ my $s = IO::Socket::UNIX->new(Peer => $_) or die; $s->sysread(my $b, 99); print \"$b\\n\" }}' $H/here $H/there; kill $pid",
        socket.display()
    );
    let out = street.shell(&line).await;
    assert_eq!(text(&out.stdout), "hello\nfrom a socket\n", "{out:?}");
    // And back: the host listens, the client answers.
    let line = format!(
        "ssh -F $F -o LogLevel=INFO -o ExitOnForwardFailure=yes -R localhost:0:127.0.0.1:{port} orders-web-1 'sleep 5' 2>$H/said & pid=$!; \
         for i in $(seq 50); do p=$(sed -n 's/Allocated port \\([0-9]*\\).*/\\1/p' $H/said | tail -1); [ -n \"$p\" ] && break; sleep .1; done; \
         perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => \"127.0.0.1\", PeerPort => $ARGV[0]) or die; $s->sysread(my $b, 99); print \"$b\\n\"' $p; kill $pid"
    );
    let out = street.shell(&line).await;
    assert_eq!(text(&out.stdout), "hello\n", "{out:?} {:?}", std::fs::read_to_string(street.at("said")));
}

#[tokio::test]
async fn s05_the_host_listens_for_nobody_unless_the_role_says_so() {
    let street = Street::new(role()).await;
    let out = street.run("ssh", &["-o", "ExitOnForwardFailure=yes", "-R", "localhost:0:127.0.0.1:9", "orders-web-1", "true"]).await;
    assert!(!out.status.success(), "{out:?}");
}
