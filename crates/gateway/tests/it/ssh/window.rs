//! The end, on time.

use ajar_core::port::{CutReason, Order};

use super::*;

#[tokio::test]
async fn t04_i09_a_command_in_full_flow_is_cut_on_both_sides_at_the_deadline() {
    let mut street = Street::new(role()).await;
    street.house.grants_last(Duration::from_millis(1_500));
    let out = street.shell("ssh -F $F orders-web-1 'cat /dev/zero' | wc -c; echo ${PIPESTATUS[0]}").await;
    let report = street.house.report().await;
    assert_eq!(report.reason, EndReason::Cut);
    assert!(report.late_ms.unwrap() <= 10, "{report:?}");
    assert!(report.bytes_out > 1_000_000, "{report:?}");
    assert!(text(&out.stdout).trim().ends_with("255"), "{out:?}");
    let (sent, got) = (report.bytes_out, text(&out.stdout).lines().next().unwrap().trim().parse::<u64>().unwrap());
    assert!(got <= sent, "{got} of {sent}");
}

#[tokio::test]
async fn t04_an_idle_terminal_is_warned_and_told_why_it_is_cut() {
    let mut street = Street::new(role()).await;
    street.house.grants_last(Duration::from_millis(4_000));
    let out = street.shell("sleep 20 | ssh -F $F -o LogLevel=INFO -tt orders-web-1").await;
    let report = street.house.report().await;
    assert_eq!((report.reason, report.late_ms), (EndReason::Cut, Some(0)));
    let said = text(&out.stderr);
    assert!(said.contains("ajar: grant_") && said.contains(" s, at ") && said.contains("ajar extend grant_"), "{said}");
    assert!(said.contains("ajar: this session is cut: grant_") && said.contains("has ended"), "{said}");
    assert_eq!(out.status.code(), Some(255));
}

#[tokio::test]
async fn t04_a_transfer_hears_why_it_ends() {
    let mut street = Street::new(role()).await;
    street.house.grants_last(Duration::from_millis(2_000));
    let out = street.shell("truncate -s 20G $H/huge; cd $H; sftp -F $F -q -b - orders-web-1 <<< \"get $H/huge $H/copy\"").await;
    assert!(!out.status.success());
    let report = street.house.report().await;
    assert_eq!(report.reason, EndReason::Cut);
    assert!(report.late_ms.unwrap() <= 10, "{report:?}");
    let lines = std::fs::read_to_string(street.house.recordings.path().join(format!("{}.ndjson", report.session))).unwrap();
    assert!(lines.contains("\"kind\":\"file\"") && lines.contains("\"outcome\":\"cut\""), "{}", &lines[lines.len().saturating_sub(800)..]);
}

#[tokio::test]
async fn i09_an_order_cuts_a_tunnel_with_no_command() {
    let mut street = Street::new(role()).await;
    let mut ssh = street.command("ssh", &["-M", "-S", "none", "orders-web-1", "echo in; sleep 100"]);
    let child = tokio::task::spawn_blocking(move || ssh.output().unwrap());
    let begun = std::time::Instant::now();
    while !street.host.log().contains("Accepted") {
        assert!(begun.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    street.house.order(Order::Cut(CutReason::Revoked));
    let report = street.house.report().await;
    assert_eq!((report.reason, report.late_ms), (EndReason::Cut, None));
    let out = child.await.unwrap();
    assert!(text(&out.stderr).contains("was revoked"), "{out:?}");
    assert_eq!(out.status.code(), Some(255));
}

#[tokio::test]
async fn t01_i14_a_clock_that_steps_forward_ends_it_and_back_extends_nothing() {
    for (step, least, most) in [(3_600_000, 0, 1_900), (-3_600_000, 1_500, 2_600)] {
        let mut street = Street::new(role()).await;
        street.house.grants_last(Duration::from_millis(2_000));
        let mut ssh = street.command("ssh", &["orders-web-1", "sleep 100"]);
        let child = tokio::task::spawn_blocking(move || ssh.output().unwrap());
        let begun = std::time::Instant::now();
        while !street.host.log().contains("Accepted") {
            assert!(begun.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let live = std::time::Instant::now();
        street.house.clock.step(step);
        let report = street.house.report().await;
        let lived = u64::try_from(live.elapsed().as_millis()).unwrap();
        assert_eq!(report.reason, EndReason::Cut);
        assert!((0..=most).contains(&lived) && lived + 1_000 >= least, "{step}: {lived} ms");
        child.await.unwrap();
    }
}
