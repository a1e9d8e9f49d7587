//! The first words of a peer, before anything is encrypted: its version line and its first packet, which says what it can do.
//!
//! S3: a peer that doesn't offer strict key exchange (OpenSSH's `PROTOCOL`, 1.10) can have packets taken away unnoticed (Terrapin,
//! CVE-2023-48795). The library does strict key exchange with whoever offers it; here, whoever doesn't is turned away.

use std::io;

/// Bytes up to the end of the first packet, at the most.
const MOST: usize = 40 << 10;
/// Lines that a server may send before its version (RFC 4253, 4.2).
const LINES: usize = 32;
const KEXINIT: u8 = 20;
/// What clients, and what servers say who do it.
const STRICT: [&[u8]; 2] = [b"kex-strict-c-v00@openssh.com", b"kex-strict-s-v00@openssh.com"];

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Greeting(Vec<u8>);

impl Greeting {
    /// Takes more of it: whether it is complete, and fine.
    pub(super) fn look(&mut self, more: &[u8]) -> io::Result<bool> {
        self.0.extend_from_slice(more);
        match strict(&self.0) {
            Some(true) => Ok(true),
            Some(false) => Err(io::Error::new(io::ErrorKind::Unsupported, "no strict key exchange is offered")),
            None if self.0.len() > MOST => Err(io::Error::other("the first packet is too large")),
            None => Ok(false),
        }
    }
}

/// Whether a peer that begins like this offers strict key exchange; none as long as it can't be known.
pub(crate) fn strict(said: &[u8]) -> Option<bool> {
    let mut rest = said;
    for _ in 0..LINES {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, behind) = rest.split_at(end + 1);
        rest = behind;
        if line.starts_with(b"SSH-") {
            return offers(rest);
        }
    }
    Some(false)
}

fn offers(packet: &[u8]) -> Option<bool> {
    let number = |bytes: &[u8]| bytes.first_chunk().map(|four| u32::from_be_bytes(*four) as usize);
    let length = number(packet)?;
    let body = packet.get(4..)?;
    if !(2..=MOST).contains(&length) {
        return Some(false);
    }
    let body = body.get(..length)?;
    // Padding length, message, cookie, then the list of key exchanges.
    let (Some(&KEXINIT), Some(behind)) = (body.get(1), body.get(18..)) else { return Some(false) };
    let list = number(behind).and_then(|length| behind.get(4..)?.get(..length)).unwrap_or_default();
    Some(list.split(|byte| *byte == b',').any(|name| STRICT.contains(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(list: &str) -> Vec<u8> {
        let mut body = vec![4, KEXINIT];
        body.extend([7; 16]);
        body.extend((list.len() as u32).to_be_bytes());
        body.extend(list.as_bytes());
        body.extend([0; 12]);
        let mut all = b"SSH-2.0-OpenSSH_9.2\r\n".to_vec();
        all.extend((body.len() as u32).to_be_bytes());
        all.extend(body);
        all
    }

    #[test]
    fn s03_whoever_does_not_offer_strict_key_exchange_is_turned_away() {
        let good = says("curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com");
        assert_eq!(strict(&good), Some(true));
        for end in 0..good.len() {
            assert_eq!(strict(&good[..end]), None, "cut at {end}");
        }
        assert_eq!(strict(&says("curve25519-sha256,kex-strict-c-v00@openssh.com.evil")), Some(false));
        assert_eq!(strict(&says("curve25519-sha256")), Some(false));
        let mut greeting = Greeting::default();
        assert!(greeting.look(&says("curve25519-sha256")).is_err());
    }

    #[test]
    fn s07_what_is_no_greeting_ends_early() {
        let mut greeting = Greeting::default();
        assert!((0..100).any(|_| greeting.look(&[b'x'; 1024]).is_err()));
        assert_eq!(strict(&b"x\n".repeat(40)), Some(false));
        assert_eq!(strict(b"SSH-2.0-x\n\xff\xff\xff\xff"), Some(false));
        assert_eq!(strict(b"SSH-2.0-x\n\x00\x00\x00\x00"), Some(false));
    }
}
