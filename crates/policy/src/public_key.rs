//! Public keys as OpenSSH writes them: a type, the key in Base64, perhaps a comment (sshd(8), RFC 4253 6.6, RFC 5656 3.1, RFC 8709 4).
//!
//! What is wrong is told without the text: somebody may have put a private key into it.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

/// The types of key that hosts and authorities may have.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];
/// Bits of an RSA key at the least and at the most.
const RSA_BITS: RangeInclusive<usize> = 2048..=16_384;
const NOT_WHOLE: &str = "it is not whole";

/// Type and key, with one space between and no comment.
pub(crate) fn parse(text: &str) -> Result<String, &'static str> {
    let mut words = text.split_whitespace();
    let (first, second) = (words.next().unwrap_or_default(), words.next());
    if first.contains("-cert-v0") {
        return Err("it is a certificate");
    }
    if !TYPES.contains(&first) {
        let late = second.is_some_and(|word| TYPES.contains(&word)) || words.next().is_some_and(|word| TYPES.contains(&word));
        return Err(if late { "something stands before its type" } else { "it does not begin with the type of a key" });
    }
    let key = second.ok_or("its type is all that there is")?;
    let blob = STANDARD.decode(key).map_err(|_| "it is not whole: what follows its type is not Base64")?;
    let mut blob = Blob(&blob);
    if blob.part().ok_or(NOT_WHOLE)? != first.as_bytes() {
        return Err("it is of another type than it says");
    }
    blob.key(first)?;
    if blob.0.is_empty() { Ok(format!("{first} {key}")) } else { Err(NOT_WHOLE) }
}

/// A key that was parsed, short: its type and its fingerprint, as `ssh-keygen -l` tells it.
pub(crate) fn short(key: &str) -> String {
    let (kind, base64) = key.split_once(' ').unwrap_or((key, ""));
    let digest = Sha256::digest(STANDARD.decode(base64).unwrap_or_default());
    format!("{kind} SHA256:{}", STANDARD_NO_PAD.encode(digest))
}

/// What is left of a key.
struct Blob<'a>(&'a [u8]);

impl<'a> Blob<'a> {
    /// The next part: four bytes of length, and so many.
    fn part(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        self.0 = rest;
        Some(part)
    }

    fn part_that(&mut self, is: impl Fn(&[u8]) -> bool) -> Result<(), &'static str> {
        self.part().filter(|part| is(part)).map(drop).ok_or(NOT_WHOLE)
    }

    /// What a key of a type has behind its type.
    fn key(&mut self, kind: &str) -> Result<(), &'static str> {
        match kind {
            "ssh-ed25519" => self.ed25519(),
            "ecdsa-sha2-nistp256" => self.ecdsa("nistp256", 32),
            "ecdsa-sha2-nistp384" => self.ecdsa("nistp384", 48),
            "ecdsa-sha2-nistp521" => self.ecdsa("nistp521", 66),
            "ssh-rsa" => self.rsa(),
            // Of a token: what it is for stands behind (OpenSSH, PROTOCOL.u2f).
            "sk-ssh-ed25519@openssh.com" => self.ed25519().and_then(|()| self.part_that(|purpose| !purpose.is_empty())),
            "sk-ecdsa-sha2-nistp256@openssh.com" => self.ecdsa("nistp256", 32).and_then(|()| self.part_that(|purpose| !purpose.is_empty())),
            _ => Err(NOT_WHOLE),
        }
    }

    fn ed25519(&mut self) -> Result<(), &'static str> {
        self.part_that(|key| key.len() == 32)
    }

    fn ecdsa(&mut self, curve: &str, coordinate: usize) -> Result<(), &'static str> {
        self.part_that(|named| named == curve.as_bytes())?;
        // Uncompressed: both coordinates behind a 4 (SEC 1, 2.3.3).
        self.part_that(|point| point.len() == 1 + 2 * coordinate && point.first() == Some(&4))
    }

    fn rsa(&mut self) -> Result<(), &'static str> {
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        self.part_that(|exponent| odd(exponent) && exponent != [1])?;
        let modulus = self.part().filter(|modulus| odd(modulus)).ok_or(NOT_WHOLE)?;
        let zeros: usize = modulus.iter().take_while(|byte| **byte == 0).count();
        let bits = (modulus.len() - zeros) * 8 - modulus.get(zeros).map_or(0, |first| first.leading_zeros() as usize);
        if RSA_BITS.contains(&bits) { Ok(()) } else { Err("an RSA key has 2048 to 16384 bits") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE2grEccuOl4e6qxzzonP/5ibPf/4BVJYtTlxPvQuNlO";
    const P256: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKQK7hKWNlhyaegXZqw5o+BDIXixRrJ7CNQEk+Mi9EQmN7op+ptbOBagkUDUbiUSjW6EkzGBsje3X3/rXcE5ckE=";
    const P384: &str = "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBKZx9y4ul/8LqFkJdZXjHP93zZudFU9YYSLWJJB69VzCiBgDY2cshSryb9T6+/B4srAew8veN2iCqwtXArfpasA/UbrN1oKmgAoMAqq2PQsMxZ8MrAkFRLDtbeRsowwmKA==";
    const P521: &str = "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBADtmx6cjUR/iOIOCAJ30Oolq0+8YN1BTtkcJIf2f38WwaiF371O1/wV0yjY+7LxG6iyYtvvd4ppJoz023XwcyofGQAbEvqHnaKpiXS0HayAiZQlRUyXjkGsv5WlBQ7k1Ss0v5HY1c4AFRcNoM31mooqt4F0U4h/kkWLafJKL5iAphDkbA==";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCO2r3wE0F6e250gDsolE80kzSXaXnm8YVkX1hv7vdEZO38qr/FNJzffJSa4Oof6AavA7SK2pLUVzwGwecFrcowW0t/3Zl1YgfFKrhpXVzlQWZ37ufThNmbDSGKpW/iBLkgWuY6bnZZNimXRlWM9zFHcYocLvWUz+ntuBRyhcSYd5aLso6O52YLuRzKeltFDTqQFjzn/KFPjX7wsh/3iOb4uvg1GwYRx72fgmX6m0I3GpSTUMhAyxXdsXn3AQMYdby1Fu76GQpk9ntdg5v4AWWcXnMW8TDsEe10C4uXnYnPjFEL/mGANLly7opatcUCJ7iYLC8Yl/4jNQNR0/cVkfiv";
    const RSA_1024: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC0IPv3Pg+lCqJIk/qhowqkw+Opa2Efgg0vGgC4gCkgqcJXMVBhBIkzv2+t7LbiRTjb2KDpHnyLdvv/azWgTFF3gINbMSLHSGNCCiYUptITXWO5MDrh7vXHfg1D1o71Ri+jOXX6ZKPDFBebqkUGIJg3tc9UOWI6CRl/tDDlNobHbQ==";

    /// A key with these parts.
    fn made(kind: &str, parts: &[&[u8]]) -> String {
        let all = [kind.as_bytes()].into_iter().chain(parts.iter().copied());
        let blob: Vec<u8> = all.flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat()).collect();
        format!("{kind} {}", STANDARD.encode(blob))
    }

    #[test]
    fn a_key_is_its_type_and_itself_whatever_the_comment() {
        let point = [&[4][..], &[7; 64]].concat();
        let tokens = [
            made("sk-ssh-ed25519@openssh.com", &[&[7; 32], b"ssh:"]),
            made("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &point, b"ssh:"]),
        ];
        for key in [ED25519, P256, P384, P521, RSA, &tokens[0], &tokens[1]] {
            assert_eq!(parse(key).as_deref(), Ok(key));
            assert_eq!(parse(&format!("  {} root@web-1 of old\n", key.replace(' ', "\t "))).as_deref(), Ok(key));
            // Cut anywhere, it is none.
            let from = key.find(' ').unwrap();
            for end in from..key.len() {
                assert!(parse(&key[..end]).is_err(), "{} up to {end}", &key[..from]);
            }
        }
        assert_eq!(short(ED25519), "ssh-ed25519 SHA256:Dd9fJ2otvBO8uP51aBbHobN86rbTz+LhiMYkqBHW7zE");
    }

    #[test]
    fn what_is_no_such_key_says_why_but_not_what_it_is() {
        let two = format!("ssh-rsa {}", ED25519.split(' ').nth(1).unwrap());
        let ed = |parts: &[&[u8]]| made("ssh-ed25519", parts);
        let rsa = |exponent: &[u8], bytes: usize| made("ssh-rsa", &[exponent, &vec![0x7f; bytes]]);
        for (text, why) in [
            ("", "begin with the type"),
            ("s3cret", "begin with the type"),
            ("ssh-dss AAAAB3NzaC1kc3M=", "begin with the type"),
            ("SSH-ED25519 AAAA", "begin with the type"),
            (&format!("web-1 {ED25519}"), "before its type"),
            (&format!("@cert-authority *.internal {ED25519}"), "before its type"),
            ("ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29t", "a certificate"),
            ("ssh-ed25519", "all that there is"),
            ("ssh-ed25519 s3cret!", "not Base64"),
            ("ssh-ed25519 AAAA", "not whole"),
            ("ssh-ed25519 /////w==", "not whole"),
            (&two, "another type"),
            (&ed(&[&[7; 31]]), "not whole"),
            (&ed(&[&[7; 32], b""]), "not whole"),
            (&made("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 97]]), "not whole"),
            (&made("ecdsa-sha2-nistp256", &[b"nistp256", &[2; 65]]), "not whole"),
            (&made("sk-ssh-ed25519@openssh.com", &[&[7; 32]]), "not whole"),
            (RSA_1024, "2048 to"),
            (&rsa(&[1], 257), "not whole"),
            (&rsa(&[4], 257), "not whole"),
            (&rsa(&[3], 4096), "2048 to"),
        ] {
            let told = parse(text).unwrap_err();
            assert!(told.contains(why) && !told.contains("s3cret"), "{text:?}: {told}");
        }
        assert!(parse(&rsa(&[3], 257)).is_ok());
    }
}
