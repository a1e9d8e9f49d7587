//! The signed proof that a grant is open.
//!
//! The control plane signs a grant's claims when it opens; the signature is in the ledger with the event.
//! A gateway turns the signed claims into a [`Permit`], and only a `Permit` lets it dial (I02, A11): whoever
//! edits a database without the signing key opens nothing.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::id::{GrantId, PrincipalId, RequestId};
use crate::name::{ResourceName, RoleName};
use crate::time::{Span, Timestamp};

const DOMAIN: &[u8] = b"ajar/grant/v1\n";

/// What a grant allows: one principal, one resource, one role, `[starts_at, ends_at)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The grant.
    pub grant: GrantId,
    /// The request that it was approved as.
    pub request: RequestId,
    /// Who gets in.
    pub principal: PrincipalId,
    /// Into what.
    pub resource: ResourceName,
    /// As what.
    pub role: RoleName,
    /// From when.
    pub starts_at: Timestamp,
    /// Until when: the one absolute end (I07).
    pub ends_at: Timestamp,
}

impl Claims {
    /// How long it lasts, in whole minutes, or seconds where it is less than one: what to ask for to have as much again.
    #[must_use]
    pub fn asked_again(&self) -> Span {
        let millis = self.ends_at.since(self.starts_at).as_millis();
        let unit = if millis < 60_000 { 1_000 } else { 60_000 };
        Span::from_millis(millis.div_ceil(unit) * unit)
    }

    fn signed_bytes(&self) -> Vec<u8> {
        // Names can't hold a newline and ids and instants have one text form, so this is unambiguous.
        let text = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.grant, self.request, self.principal, self.resource, self.role, self.starts_at, self.ends_at
        );
        [DOMAIN, text.as_bytes()].concat()
    }
}

/// Claims with the control plane's Ed25519 signature (hexadecimal in text).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedGrant {
    /// What is allowed.
    pub claims: Claims,
    /// The signature over them.
    pub signature: GrantSignature,
}

/// An Ed25519 signature over [`Claims`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct GrantSignature([u8; 64]);

impl fmt::Debug for GrantSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl Serialize for GrantSignature {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for GrantSignature {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let bad = || serde::de::Error::custom("a grant's signature is 128 hexadecimal digits");
        if text.len() != 128 || !text.is_ascii() {
            return Err(bad());
        }
        let mut out = [0u8; 64];
        for (slot, pair) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *slot = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

/// Signs grants. Only the control plane has one.
pub struct GrantSigner(SigningKey);

impl fmt::Debug for GrantSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantSigner(redacted)")
    }
}

impl GrantSigner {
    /// From the 32-byte seed of an Ed25519 key.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, claims: Claims) -> SignedGrant {
        let signature = GrantSignature(self.0.sign(&claims.signed_bytes()).to_bytes());
        SignedGrant { claims, signature }
    }

    /// What checks the signatures.
    #[must_use]
    pub fn verifier(&self) -> GrantVerifier {
        GrantVerifier(self.0.verifying_key())
    }
}

/// Checks grants: what a gateway holds.
#[derive(Debug, Clone)]
pub struct GrantVerifier(VerifyingKey);

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPermit {
    /// The signature is not the control plane's.
    #[error("the grant is not signed by this control plane")]
    Signature,
    /// Too early.
    #[error("the grant has not started")]
    NotStarted,
    /// Too late.
    #[error("the grant has ended")]
    Ended,
}

impl GrantVerifier {
    /// Checks signature and window: the only way to a [`Permit`].
    ///
    /// # Errors
    /// When the signature is wrong or `now` is outside `[starts_at, ends_at)`.
    pub fn permit(&self, signed: &SignedGrant, now: Timestamp) -> Result<Permit, NoPermit> {
        let signature = Signature::from_bytes(&signed.signature.0);
        self.0.verify_strict(&signed.claims.signed_bytes(), &signature).map_err(|_| NoPermit::Signature)?;
        if now < signed.claims.starts_at {
            return Err(NoPermit::NotStarted);
        }
        if now >= signed.claims.ends_at {
            return Err(NoPermit::Ended);
        }
        Ok(Permit { claims: signed.claims.clone() })
    }
}

/// Proof that a grant is open. Dialling a target takes one; it can't be made without the control plane's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Permit {
    claims: Claims,
}

impl Permit {
    /// What it allows.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn claims() -> Claims {
        Claims {
            grant: GrantId::new(Uuid::from_u128(1)),
            request: RequestId::new(Uuid::from_u128(2)),
            principal: PrincipalId::new(Uuid::from_u128(3)),
            resource: "orders-db".parse().unwrap(),
            role: "read".parse().unwrap(),
            starts_at: Timestamp::from_millis(1_000),
            ends_at: Timestamp::from_millis(2_000),
        }
    }

    #[test]
    fn as_much_again_is_asked_for_in_whole_minutes() {
        for (millis, asked) in [(8_000, "8s"), (8_001, "9s"), (60_000, "1m"), (1_066_027, "18m"), (3_600_000, "1h")] {
            let begun = claims();
            let claims = Claims { ends_at: begun.starts_at.after(Span::from_millis(millis)), ..begun };
            assert_eq!(claims.asked_again().to_string(), asked);
        }
    }

    #[test]
    fn a11_claims_that_were_touched_give_no_permit() {
        let signer = GrantSigner::new(&[1; 32]);
        let signed = signer.sign(claims());
        let now = Timestamp::from_millis(1_500);
        assert!(signer.verifier().permit(&signed, now).is_ok());
        let mut longer = signed.clone();
        longer.claims.ends_at = Timestamp::from_millis(9_000);
        let mut wider = signed.clone();
        wider.claims.role = "write".parse().unwrap();
        for forged in [longer, wider, GrantSigner::new(&[2; 32]).sign(claims())] {
            assert_eq!(signer.verifier().permit(&forged, now), Err(NoPermit::Signature));
        }
        let text = serde_json::to_string(&signed).unwrap();
        assert_eq!(serde_json::from_str::<SignedGrant>(&text).unwrap(), signed);
    }

    #[test]
    fn i07_a_permit_exists_only_inside_the_window() {
        let signer = GrantSigner::new(&[1; 32]);
        let signed = signer.sign(claims());
        let at = |ms| signer.verifier().permit(&signed, Timestamp::from_millis(ms));
        assert_eq!(at(999), Err(NoPermit::NotStarted));
        assert!(at(1_000).is_ok());
        assert!(at(1_999).is_ok());
        assert_eq!(at(2_000), Err(NoPermit::Ended));
    }
}
