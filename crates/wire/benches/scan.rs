//! What scanning and pairing cost: `cargo bench -p ajar-wire`. Prints throughput for rows and time per small query.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ajar_wire::pg::scan::{BackendScanner, FrontendScanner};
use ajar_wire::pg::statements::Statements;

/// What the relay reads at once.
const CHUNK: usize = 64 * 1024;
const SPELL: Duration = Duration::from_millis(400);

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend(u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(body);
    out
}

/// Runs it for a while and gives back the best time of one run.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn best(mut run: impl FnMut()) -> Duration {
    let begun = Instant::now();
    let mut best = Duration::MAX;
    while begun.elapsed() < SPELL {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed());
    }
    best
}

#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn report(what: &str, bytes: usize, messages: usize, time: Duration) {
    let seconds = time.as_secs_f64();
    let (rate, each) = (bytes as f64 / seconds / 1e9, seconds * 1e9 / messages as f64);
    println!("{what:<44} {rate:>8.2} GB/s {each:>8.1} ns each");
}

/// Rows of this size on the wire, back to front.
fn rows(tag: u8, size: usize, what: &str) {
    let row = message(tag, &vec![b'x'; size - 5]);
    let count = (8 << 20) / size;
    let stream = row.repeat(count);
    let mut scanner = BackendScanner::new();
    let time = best(|| {
        for chunk in stream.chunks(CHUNK) {
            black_box(scanner.scan(black_box(chunk), &mut |event| {
                black_box(event);
            }))
            .ok();
        }
    });
    report(what, stream.len(), count, time);
}

/// One query after the other, as `pgbench -S` asks them: scanned both ways and paired.
fn cycles(what: &str, before: (&[u8], &[u8]), question: &[u8], answer: &[u8]) {
    const CYCLES: usize = 1_000;
    let (mut front, mut back, mut statements) = (FrontendScanner::default(), BackendScanner::new(), Statements::default());
    let mut finished = Vec::new();
    let mut cycle = |question: &[u8], answer: &[u8], now| {
        front.scan(black_box(question), &mut |event| statements.frontend(event, now, &mut finished)).ok();
        back.scan(black_box(answer), &mut |event| statements.backend(event, now, &mut finished)).ok();
        black_box(&finished);
        finished.clear();
    };
    cycle(before.0, before.1, 0);
    let time = best(|| (0..CYCLES as u64).for_each(|now| cycle(question, answer, now)));
    assert_eq!(statements.out_of_step(), 0);
    report(what, (question.len() + answer.len()) * CYCLES, CYCLES, time);
}

fn main() {
    rows(b'D', 84, "DataRow, 84 bytes");
    rows(b'D', 8_192, "DataRow, 8 kB");
    rows(b'd', 84, "CopyData, 84 bytes");
    rows(b'D', 1 << 20, "DataRow, 1 MB");

    let sql = b"SELECT abalance FROM pgbench_accounts WHERE aid = 1234567;\0";
    let answer = [message(b'T', &[0; 33]), message(b'D', &[0; 12]), message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    cycles("simple query, scanned and paired", (b"", b""), &message(b'Q', sql), &answer);

    let parse = |name: &[u8]| message(b'P', &[name, sql, b"\0\0"].concat());
    let bind = |name: &[u8]| message(b'B', &[b"\0", name, b"\0\0\0\x01\0\0\0\x071234567\0\0"].concat());
    let run = [message(b'D', b"P\0"), message(b'E', &[0; 5]), message(b'S', b"")].concat();
    let (parsed, bound) = (message(b'1', b""), [message(b'2', b""), answer].concat());
    cycles(
        "extended query, scanned and paired",
        (b"", b""),
        &[parse(b"\0"), bind(b"\0"), run.clone()].concat(),
        &[parsed.clone(), bound.clone()].concat(),
    );
    let prepared = ([parse(b"P_0\0"), message(b'S', b"")].concat(), [parsed, message(b'Z', b"I")].concat());
    cycles("prepared query, scanned and paired", (&prepared.0, &prepared.1), &[bind(b"P_0\0"), run].concat(), &bound);
}
