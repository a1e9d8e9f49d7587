//! Ports that stay free until who asked for them listens there.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::SampleError;

/// Below what systems choose by themselves for outgoing connections and for port 0 (from 32768 on Linux, 49152 elsewhere): what
/// nobody is given by chance.
const FIRST: u16 = 18_000;
const PORTS: u16 = 14_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of loopback where nobody listens, that nobody else in this process is given, and no connection by chance.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16, SampleError> {
    // Processes that run beside each other begin at different places.
    let begin = u16::try_from(u64::from(std::process::id()) * 611 % u64::from(PORTS)).unwrap_or(0);
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST + (begin + step) % PORTS;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    let source = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    Err(SampleError::Io { doing: format!("find a free port from {FIRST} to {}", FIRST + PORTS - 1), source })
}
