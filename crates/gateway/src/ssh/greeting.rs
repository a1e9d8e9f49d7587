//! The first words of a peer, before anything is encrypted.
//!
//! S3: a peer that doesn't offer strict key exchange can have packets taken away unnoticed (Terrapin, CVE-2023-48795). The library does
//! strict key exchange with whoever offers it; here, whoever doesn't is turned away.

use std::io;

use ajar_wire::ssh::greeting::{MAX, offers_strict};

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Greeting(Vec<u8>);

impl Greeting {
    /// Takes more of it: whether it is complete, and fine.
    pub(super) fn look(&mut self, more: &[u8]) -> io::Result<bool> {
        self.0.extend_from_slice(more);
        match offers_strict(&self.0) {
            Some(true) => Ok(true),
            Some(false) => Err(io::Error::new(io::ErrorKind::Unsupported, "no strict key exchange is offered")),
            None if self.0.len() > MAX => Err(io::Error::other("the first packet is too large")),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s07_what_is_no_greeting_ends_early() {
        let mut greeting = Greeting::default();
        assert!((0..100).any(|_| greeting.look(&[b'x'; 1024]).is_err()));
        assert!(Greeting::default().look(b"SSH-2.0-x\n\xff\xff\xff\xff").is_err());
    }
}
