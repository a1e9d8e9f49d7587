//! The door for HTTP beside nginx as a reverse proxy, in one run: requests a second and latency with one connection and with 64. Both take TLS
//! from the client and speak plaintext to the same nginx, which serves 1 KiB; Ajar records every request, nginx writes its access log.
//!
//! `cargo xtask bench http`. `AJAR_BENCH_SECONDS` is the length of one run (4 unless set). Needs wrk and nginx.

#![expect(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a benchmark says what it found and fails loudly")]

#[expect(dead_code, reason = "the tests' stage has more than is needed here")]
#[expect(clippy::panic, clippy::disallowed_methods, reason = "the tests' stage")]
#[path = "../tests/it/stage.rs"]
mod stage;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::stage::{Stage, free_port};

const ROUNDS: usize = 3;
/// DESIGN.md, section 10.
const BUDGET: f64 = 0.8;

/// An nginx: the target, and beside it the reference.
struct Nginx {
    dir: PathBuf,
    child: Child,
    target: u16,
    proxy: u16,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(Command::new("kill").arg(self.child.id().to_string()).status());
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.dir));
    }
}

fn nginx() -> Option<Nginx> {
    let (target, proxy) = (free_port(), free_port());
    let dir = std::env::temp_dir().join(format!("ajar-bench-nginx-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("www")).unwrap();
    std::fs::write(dir.join("www/1k"), vec![b'x'; 1_024]).unwrap();
    let request =
        ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
    let made = Command::new("openssl")
        .args(request)
        .arg("-keyout")
        .arg(dir.join("key.pem"))
        .arg("-out")
        .arg(dir.join("cert.pem"))
        .output()
        .ok()?;
    assert!(made.status.success());
    let config = format!(
        "daemon off; worker_processes 2; pid {0}/pid; error_log {0}/error.log;\nevents {{ worker_connections 1024; }}\nhttp {{\n\
         client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
         keepalive_requests 1000000;\n\
         server {{ listen 127.0.0.1:{target}; access_log off; root {0}/www; }}\n\
         upstream target {{ server 127.0.0.1:{target}; keepalive 64; keepalive_requests 1000000; }}\n\
         server {{ listen 127.0.0.1:{proxy} ssl; access_log {0}/access.log; ssl_certificate {0}/cert.pem; ssl_certificate_key {0}/key.pem;\n\
         location / {{ proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}\n}}\n",
        dir.display()
    );
    std::fs::write(dir.join("nginx.conf"), config).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let child = Command::new(program).arg("-c").arg(dir.join("nginx.conf")).stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    std::thread::sleep(Duration::from_secs(1));
    Some(Nginx { dir, child, target, proxy })
}

fn seconds() -> u64 {
    std::env::var("AJAR_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(4)
}

/// Requests a second, and the latency at the 99th percentile.
fn wrk(url: &str, connections: usize, token: Option<&str>) -> Option<(f64, String)> {
    let mut command = Command::new("wrk");
    command.args([
        "--latency",
        "-t",
        if connections > 1 { "2" } else { "1" },
        "-c",
        &connections.to_string(),
        "-d",
        &format!("{}s", seconds()),
    ]);
    if let Some(token) = token {
        command.args(["-H", &format!("Authorization: Bearer {token}")]);
    }
    let out = command.arg(url).output().ok()?;
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && !text.contains("Non-2xx"), "{url}: {text}");
    let number = |name: &str| text.lines().find_map(|l| l.trim().strip_prefix(name)).map(|rest| rest.trim().to_owned()).unwrap_or_default();
    Some((number("Requests/sec:").parse().unwrap(), number("99%")))
}

fn main() {
    let Some(nginx) = nginx() else { return println!("(nginx is not installed: apt-get install nginx)") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut stage = runtime.block_on(Stage::new());
    let url = format!("http://127.0.0.1:{}", nginx.target);
    let resource =
        format!("[[resource]]\nname = \"sample-api\"\nkind = \"http\"\nupstream = \"{url}\"\nroles.read.allow = [\"GET /**\"]\n");
    let rule = "[[rule]]\nname = \"api\"\nwho = [\"group:engineers\"]\nresources = [\"sample-api\"]\nroles = [\"read\"]\nmax = \"4h\"\napprove = \"auto\"\n";
    stage.add_door(&format!("{resource}{rule}"));
    let token = stage.token("dev");
    let ours = format!("{}/1k", stage.web());
    let theirs = format!("https://localhost:{}/1k", nginx.proxy);
    let direct = format!("http://127.0.0.1:{}/1k", nginx.target);
    for connections in [1, 64] {
        let (mut ajar, mut reference, mut plain) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            for (url, token, into) in
                [(&ours, Some(token.as_str()), &mut ajar), (&theirs, None, &mut reference), (&direct, None, &mut plain)]
            {
                let Some(found) = wrk(url, connections, token) else { return println!("(wrk is not installed: apt-get install wrk)") };
                into.push(found);
            }
        }
        let median = |mut all: Vec<(f64, String)>| {
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            all[all.len() / 2].clone()
        };
        let (ajar, reference, plain) = (median(ajar), median(reference), median(plain));
        let ratio = ajar.0 / reference.0;
        println!(
            "{connections:>3} connections: Ajar {:>7.0}/s (p99 {})   nginx {:>7.0}/s (p99 {})   direct, plaintext {:>7.0}/s   {ratio:.2} of nginx (budget {BUDGET}: {})",
            ajar.0,
            ajar.1,
            reference.0,
            reference.1,
            plain.0,
            if ratio >= BUDGET { "met" } else { "MISSED" }
        );
    }
}
