//! The door for SSH beside OpenSSH's server direct, and beside a jump through another one (`ProxyJump`), in one run, with OpenSSH's client:
//! bulk out with two ciphers, sftp both ways, the time of a command that does nothing, the time to the first output, and what an idle session takes.
//! Ajar records: commands and their output up to 1 MiB, files with their SHA-256.
//!
//! `cargo xtask bench ssh`. `AJAR_BENCH_MEGABYTES` is the size of a bulk transfer (1024 unless set). Needs OpenSSH's server.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark says what it found, fails loudly, and measures by the real clock"
)]

#[expect(dead_code, unused_imports, reason = "the tests' hosts have more than is needed here")]
#[path = "../tests/it/ssh.rs"]
mod ssh;
#[expect(dead_code, reason = "the tests' stage has more than is needed here")]
#[expect(clippy::panic, reason = "the tests' stage")]
#[path = "../tests/it/stage.rs"]
mod stage;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ajar_sample::SshHost;

use crate::ssh::Hosts;

const ROUNDS: usize = 3;
const CIPHERS: [(&str, f64); 2] = [("aes256-gcm@openssh.com", 0.70), ("chacha20-poly1305@openssh.com", 0.75)];
/// Megabytes of a file.
const FILE: u64 = 256;
/// Commands that do nothing, in a row.
const NOTHINGS: u32 = 10;
/// Sessions that do nothing, at once.
const IDLE: usize = 100;

/// A way to the host.
struct Way {
    name: &'static str,
    config: PathBuf,
}

impl Way {
    fn ssh(&self, args: &[&str]) -> Command {
        self.program("ssh", args)
    }

    fn program(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.arg("-F").arg(&self.config).args(args).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

fn seconds(command: &mut Command) -> f64 {
    let start = Instant::now();
    assert!(command.status().unwrap().success(), "{command:?}");
    start.elapsed().as_secs_f64()
}

/// Seconds until a command shows something.
fn first_output(way: &Way) -> f64 {
    let start = Instant::now();
    let mut child = way.ssh(&["host", "echo x; sleep .2"]).stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!(child.wait().unwrap().success());
    took
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Medians of each way, taken in turns.
fn take(ways: &[Way], mut measure: impl FnMut(&Way) -> f64) -> Vec<f64> {
    let mut all = vec![Vec::new(); ways.len()];
    for _ in 0..ROUNDS {
        for (way, into) in ways.iter().zip(&mut all) {
            into.push(measure(way));
        }
    }
    all.into_iter().map(median).collect()
}

/// Times of direct, jump and Ajar; the budget is on the ratio to direct, of speed or of time.
fn say(what: &str, times: &[f64], size: Option<f64>, budget: f64) {
    let (direct, jump, ajar) = (times[0], times[1], times[2]);
    let (by_speed, ratio, of_jump) = (size.is_some(), direct / ajar, direct / jump);
    let met = if by_speed { ratio >= budget && ratio >= of_jump } else { 1.0 / ratio <= budget && ajar <= jump };
    let show = |time: f64| size.map_or_else(|| format!("{:>6.1} ms", time * 1_000.0), |size| format!("{:>6.0} MB/s", size / time / 1e6));
    let (ratio, of_jump) = if by_speed { (ratio, of_jump) } else { (1.0 / ratio, 1.0 / of_jump) };
    println!(
        "{what:<34} direct {}   jump {} ({of_jump:.2})   Ajar {} ({ratio:.2})   budget {budget} of direct, and ahead of the jump: {}",
        show(direct),
        show(jump),
        show(ajar),
        if met { "met" } else { "MISSED" }
    );
}

fn main() {
    if SshHost::program().is_none() {
        return println!("(OpenSSH's server is not installed: apt-get install openssh-server)");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let hosts = runtime.block_on(Hosts::with(|resource| {
        let rule = "[[rule]]\nname = \"host\"\nwho = [\"group:engineers\"]\nresources = [\"host\"]\nroles = [\"deploy\"]\nmax = \"4h\"\napprove = \"auto\"\n";
        format!("{}subsystems = [\"sftp\"]\n{rule}", resource("host", false))
    }));
    let (code, _, err) = hosts.ajar(&["setup", "ssh"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = hosts.ssh(&["host", "true"]);
    assert_eq!(code, 0, "{err}");
    let ways = ways(&hosts);
    let megabytes: u64 = std::env::var("AJAR_BENCH_MEGABYTES").ok().and_then(|m| m.parse().ok()).unwrap_or(1_024);
    let bytes = (megabytes << 20) as f64;
    for (cipher, budget) in CIPHERS {
        let command = format!("head -c {megabytes}M /dev/zero");
        let times = take(&ways, |way| seconds(&mut way.ssh(&["-c", cipher, "host", &command])));
        say(&format!("bulk out, {cipher}"), &times, Some(bytes), budget);
    }
    let file = hosts.stage.folder().join("file");
    std::fs::write(&file, vec![7; (FILE << 20) as usize]).unwrap();
    for (what, batch) in [("sftp put", "put"), ("sftp get", "get")] {
        let script = hosts.stage.folder().join("batch");
        std::fs::write(&script, format!("{batch} {0} {0}.copy\n", file.display())).unwrap();
        let times = take(&ways, |way| seconds(&mut way.program("sftp", &["-q", "-b", script.to_str().unwrap(), "host"])));
        say(what, &times, Some((FILE << 20) as f64), 0.70);
    }
    let nothing = take(&ways, |way| {
        let start = Instant::now();
        for _ in 0..NOTHINGS {
            seconds(&mut way.ssh(&["host", "true"]));
        }
        start.elapsed().as_secs_f64() / f64::from(NOTHINGS)
    });
    say("ssh host true", &nothing, None, 1.1);
    say("to the first output", &take(&ways, |way| median((0..5).map(|_| first_output(way)).collect())), None, 1.1);
    idle(&hosts, &ways[2]);
}

/// Direct, through a second server, through the gateway: the same client with the same key.
fn ways(hosts: &Hosts) -> Vec<Way> {
    let at = hosts.stage.folder();
    let jump = SshHost::start(&at.join("jump-host"), "", |_| None, "SetEnv SHLVL=2").unwrap();
    let key = at.join("dev/ajar/ssh/key");
    let public = Command::new("ssh-keygen").arg("-y").arg("-f").arg(&key).output().unwrap().stdout;
    for host in [&hosts.host, &jump] {
        std::fs::write(host.folder().join("authorized_keys"), &public).unwrap();
    }
    let common = format!(
        "  IdentityFile \"{}\"\n  IdentitiesOnly yes\n  IdentityAgent none\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n  BatchMode yes\n  KexAlgorithms curve25519-sha256\n",
        key.display()
    );
    let one = |name: &str, port: u16, more: &str| format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n{more}{common}");
    let write = |name: &'static str, text: String| {
        let config = at.join(format!("{name}.conf"));
        std::fs::write(&config, text).unwrap();
        Way { name, config }
    };
    let certificate = at.join("dev/ajar/ssh/certificates/host-cert.pub");
    let through = format!("  CertificateFile \"{}\"\n", certificate.display());
    let ways = vec![
        write("direct", one("host", hosts.host.port(), "")),
        write("jump", format!("{}{}", one("host", hosts.host.port(), "  ProxyJump jump\n"), one("jump", jump.port(), ""))),
        write("ajar", one("host", hosts.port, &through)),
    ];
    for way in &ways {
        assert!(way.ssh(&["host", "true"]).status().unwrap().success(), "{}", way.name);
    }
    // It ends with this process.
    std::mem::forget(jump);
    ways
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    kib.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// What an idle session takes: a client that is in, and a command on the host that waits.
fn idle(hosts: &Hosts, way: &Way) {
    let open = |count: usize| -> Vec<Child> { (0..count).map(|_| way.ssh(&["host", "sleep 600"]).spawn().unwrap()).collect() };
    let live = |count: usize| hosts.stage.wait_until("they are live", || hosts.stage.json("dev", &["status"])["live"] == count);
    let mut all = open(IDLE / 2);
    live(IDLE / 2);
    std::thread::sleep(Duration::from_secs(3));
    let before = resident(hosts.stage.pid());
    all.extend(open(IDLE));
    live(IDLE / 2 + IDLE);
    std::thread::sleep(Duration::from_secs(3));
    let each = (resident(hosts.stage.pid()) - before) as f64 / IDLE as f64;
    println!("an idle session takes {each:.0} KiB (budget 64: {})", if each <= 64.0 { "met" } else { "MISSED" });
    for child in &mut all {
        drop(child.kill());
        drop(child.wait());
    }
}
