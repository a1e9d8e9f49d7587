//! Who somebody is by a certificate (OpenSSH's `PROTOCOL.certkeys`): visitors who come to the gateway, and hosts that it goes to.
//!
//! S4: a certificate counts only when the authority that we trust for just this signed it, it is of the right type, is for exactly what we
//! name, is valid now, and asks for nothing that we don't know.

use ajar_core::id::TokenId;
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::ssh::HostKey;
use ajar_core::time::Timestamp;
use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Certificate, HashAlg, PublicKey};

/// The one principal of visitors' certificates: no unix user can have this name.
const VISITOR: &str = "ajar-visitor";
const RESOURCE: &str = "ajar-resource";
const ROLE: &str = "ajar-role";

/// What a visitor's certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) token: TokenId,
    pub(super) resource: Option<ResourceName>,
    pub(super) role: Option<RoleName>,
}

/// Why a certificate doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotProven {
    #[error("it is not by the authority that is trusted for this")]
    Authority,
    #[error("it is of the wrong type")]
    Type,
    #[error("it is not for this")]
    Principal,
    #[error("it is not valid now")]
    Time,
    #[error("it asks for what is not known here")]
    Option,
    #[error("its signature is wrong")]
    Signature,
    #[error("what it says can't be read")]
    Content,
    #[error("it is none of the keys that the host is known by")]
    Key,
    #[error("the authority's own key can't be read: {0}")]
    Trust(&'static str),
}

/// A public key as a line in OpenSSH's format.
pub(super) fn public_key(line: &str) -> Result<KeyData, NotProven> {
    PublicKey::from_openssh(line).map(|key| key.key_data().clone()).map_err(|_| NotProven::Trust("it is not in OpenSSH's format"))
}

/// What holds of every certificate: its authority, signature, type and time, and no critical option.
fn holds(certificate: &Certificate, of: CertType, authorities: &[KeyData], now: Timestamp) -> Result<(), NotProven> {
    if !authorities.contains(certificate.signature_key()) {
        return Err(NotProven::Authority);
    }
    if certificate.cert_type() != of {
        return Err(NotProven::Type);
    }
    certificate.verify_signature().map_err(|_| NotProven::Signature)?;
    let now = u64::try_from(now.as_millis() / 1_000).map_err(|_| NotProven::Time)?;
    if now < certificate.valid_after() || now >= certificate.valid_before() {
        return Err(NotProven::Time);
    }
    if !certificate.critical_options().is_empty() {
        return Err(NotProven::Option);
    }
    Ok(())
}

/// Whose token stands behind a visitor's certificate.
pub(super) fn visitor(certificate: &Certificate, authority: &KeyData, now: Timestamp) -> Result<Visitor, NotProven> {
    holds(certificate, CertType::User, std::slice::from_ref(authority), now)?;
    if certificate.valid_principals() != [VISITOR] {
        return Err(NotProven::Principal);
    }
    let mut visitor = Visitor { token: certificate.key_id().parse().map_err(|_| NotProven::Content)?, resource: None, role: None };
    for (name, value) in certificate.extensions().iter() {
        match name.as_str() {
            RESOURCE => visitor.resource = Some(value.parse().map_err(|_| NotProven::Content)?),
            ROLE => visitor.role = Some(value.parse().map_err(|_| NotProven::Content)?),
            _ => return Err(NotProven::Option),
        }
    }
    Ok(visitor)
}

/// What a host has shown that it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proven {
    /// A key with this fingerprint.
    Key(String),
    /// A certificate.
    Certificate {
        /// Whether it is by our own authority.
        ours: bool,
        /// The authority's fingerprint.
        authority: String,
        /// The end of it.
        until: Timestamp,
    },
}

/// What a host may be known by.
pub(super) struct Known {
    ours: KeyData,
    keys: Vec<KeyData>,
    authorities: Vec<KeyData>,
    /// By which names certificates may know it.
    names: Vec<String>,
}

impl Known {
    /// `ajar` is our own authority for hosts.
    pub(super) fn new(by: &[HostKey], ajar: &KeyData, names: Vec<String>) -> Result<Self, NotProven> {
        let mut known = Self { ours: ajar.clone(), keys: Vec::new(), authorities: Vec::new(), names };
        for key in by {
            match key {
                HostKey::Ajar => known.authorities.push(ajar.clone()),
                HostKey::Authority(line) => known.authorities.push(public_key(line)?),
                HostKey::Key(line) => known.keys.push(public_key(line)?),
            }
        }
        Ok(known)
    }

    /// Whether certificates can prove it.
    pub(super) fn by_certificate(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// Whether this key exchange was signed by the host.
    pub(super) fn is(&self, shown: &PublicKeyOrCertificate, now: Timestamp) -> Result<Proven, NotProven> {
        match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } if self.keys.contains(key.key_data()) => {
                Ok(Proven::Key(key.fingerprint(HashAlg::Sha256).to_string()))
            }
            PublicKeyOrCertificate::PublicKey { .. } => Err(NotProven::Key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                holds(certificate, CertType::Host, &self.authorities, now)?;
                let names = certificate.valid_principals();
                if names.iter().any(|name| self.names.iter().any(|known| known.eq_ignore_ascii_case(name))) {
                    let by = certificate.signature_key();
                    Ok(Proven::Certificate {
                        ours: *by == self.ours,
                        authority: by.fingerprint(HashAlg::Sha256).to_string(),
                        until: Timestamp::from_millis(i64::try_from(certificate.valid_before()).unwrap_or(i64::MAX).saturating_mul(1_000)),
                    })
                } else {
                    Err(NotProven::Principal)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::ssh_key::certificate::Builder;
    use russh::keys::ssh_key::private::{Ed25519Keypair, PrivateKey};

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key(seed: u8) -> PrivateKey {
        PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
    }

    fn token() -> TokenId {
        "tok_01h455vb4pex5vsknk084sn02q".parse().unwrap()
    }

    fn made(by: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
        let mut builder = Builder::new(vec![1; 16], key(1).public_key().key_data().clone(), NOW as u64 - 60, NOW as u64 + 60).unwrap();
        builder.key_id(token().to_string()).unwrap();
        change(&mut builder);
        builder.sign(by).unwrap()
    }

    fn user(builder: &mut Builder, principals: &[&str]) {
        builder.cert_type(CertType::User).unwrap();
        for principal in principals {
            builder.valid_principal(*principal).unwrap();
        }
    }

    fn seen(certificate: &Certificate, at: i64) -> Result<Visitor, NotProven> {
        visitor(certificate, key(9).public_key().key_data(), Timestamp::from_millis(at * 1_000))
    }

    #[test]
    fn s04_only_what_our_authority_says_of_a_visitor_counts() {
        let good = made(&key(9), |b| {
            user(b, &["ajar-visitor"]);
            b.extension("ajar-resource", "orders-web-1").unwrap();
            b.extension("ajar-role", "deploy").unwrap();
        });
        let says = Visitor { token: token(), resource: Some("orders-web-1".parse().unwrap()), role: Some("deploy".parse().unwrap()) };
        assert_eq!(seen(&good, NOW), Ok(says));
        assert_eq!(seen(&good, NOW + 60), Err(NotProven::Time));
        assert_eq!(seen(&good, NOW - 61), Err(NotProven::Time));
        let by_another = made(&key(8), |b| user(b, &["ajar-visitor"]));
        assert_eq!(seen(&by_another, NOW), Err(NotProven::Authority));
        let of_a_host = made(&key(9), |b| {
            b.cert_type(CertType::Host).unwrap().valid_principal("ajar-visitor").unwrap();
        });
        assert_eq!(seen(&of_a_host, NOW), Err(NotProven::Type));
        for principals in [&["ajar-visitor,root"][..], &["ajar-visitor", "root"], &["root"], &["AJAR-VISITOR"]] {
            let certificate = made(&key(9), |b| user(b, principals));
            assert_eq!(seen(&certificate, NOW), Err(NotProven::Principal), "{principals:?}");
        }
        let for_all = made(&key(9), |b| {
            b.cert_type(CertType::User).unwrap().all_principals_valid().unwrap();
        });
        assert_eq!(seen(&for_all, NOW), Err(NotProven::Principal));
        let bound = made(&key(9), |b| {
            user(b, &["ajar-visitor"]);
            b.critical_option("force-command", "id").unwrap();
        });
        assert_eq!(seen(&bound, NOW), Err(NotProven::Option));
        let more = made(&key(9), |b| {
            user(b, &["ajar-visitor"]);
            b.extension("permit-pty", "").unwrap();
        });
        assert_eq!(seen(&more, NOW), Err(NotProven::Option));
        let elsewhere = made(&key(9), |b| {
            user(b, &["ajar-visitor"]);
            b.extension("ajar-resource", "../etc").unwrap();
        });
        assert_eq!(seen(&elsewhere, NOW), Err(NotProven::Content));
        // A user's certificate is no authority, though its key is: what signs must be the authority's very key.
        let nested = made(&key(1), |b| user(b, &["ajar-visitor"]));
        assert_eq!(seen(&nested, NOW), Err(NotProven::Authority));
    }

    #[test]
    fn s04_a_certificate_with_a_byte_changed_is_none() {
        let good = made(&key(9), |b| user(b, &["ajar-visitor"]));
        let bytes = good.to_bytes().unwrap();
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            let Ok(bad) = Certificate::from_bytes(&bad) else { continue };
            assert!(seen(&bad, NOW).is_err(), "byte {at}");
        }
    }

    #[test]
    fn hosts_are_known_by_their_keys_or_a_certificate_for_their_name() {
        let ours = key(9);
        let (host, other) = (key(2), key(3));
        let line = host.public_key().to_openssh().unwrap();
        let now = Timestamp::from_millis(NOW * 1_000);
        let known = |by: &[HostKey]| Known::new(by, ours.public_key().key_data(), vec!["web-1.internal".into()]).unwrap();
        let shows = |key: &PrivateKey| PublicKeyOrCertificate::PublicKey { key: key.public_key().clone(), hash_alg: None };
        let by_key = known(&[HostKey::Key(line)]);
        assert_eq!(by_key.is(&shows(&host), now), Ok(Proven::Key(host.public_key().fingerprint(HashAlg::Sha256).to_string())));
        assert_eq!(by_key.is(&shows(&other), now), Err(NotProven::Key));
        let named = |name: &str| {
            let certificate = made(&ours, |b| {
                b.cert_type(CertType::Host).unwrap().valid_principal(name).unwrap();
            });
            PublicKeyOrCertificate::Certificate(certificate)
        };
        let by_authority = known(&[HostKey::Ajar]);
        let authority = ours.public_key().fingerprint(HashAlg::Sha256).to_string();
        let until = Timestamp::from_millis((NOW + 60) * 1_000);
        assert_eq!(by_authority.is(&named("web-1.internal"), now), Ok(Proven::Certificate { ours: true, authority, until }));
        assert_eq!(by_authority.is(&named("web-2.internal"), now), Err(NotProven::Principal));
        assert_eq!(by_authority.is(&shows(&host), now), Err(NotProven::Key));
        assert_eq!(by_key.is(&named("web-1.internal"), now), Err(NotProven::Authority));
        assert_eq!(by_authority.is(&named("web-1.internal"), Timestamp::from_millis((NOW + 61) * 1_000)), Err(NotProven::Time));
    }
}
