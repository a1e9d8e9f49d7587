//! Principals, their tokens and passwords, and the rule set in force, as the log knows them.
//!
//! Names, password hashes and token hashes are sealed: the log carries commitments.

use serde::{Deserialize, Serialize};

use crate::id::{PrincipalId, TokenId};
use crate::passkey::{PasskeyEnrolled, PasskeyRemoved, PasskeyUsed, Passkeys};
use crate::sealed::Commitment;
use crate::time::Timestamp;

/// What kind of principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// A person.
    User,
    /// A CI job or an agent: never counts as a human.
    Workload,
}

/// What happens to a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalEvent {
    /// Seen for the first time.
    Added(Added),
    /// Removed from the files or disabled in them.
    Disabled(Disabled),
    /// Back again.
    Enabled(Enabled),
    /// Has a new password.
    PasswordSet(PasswordSet),
    /// Has one more passkey.
    PasskeyEnrolled(PasskeyEnrolled),
    /// Has proven with a passkey who they are.
    PasskeyUsed(PasskeyUsed),
    /// Has one passkey less.
    PasskeyRemoved(PasskeyRemoved),
}

/// See [`PrincipalEvent::Added`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Its id.
    pub id: PrincipalId,
    /// Its name, sealed.
    pub name: Commitment,
    /// What kind.
    pub kind: PrincipalKind,
}

/// See [`PrincipalEvent::Disabled`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disabled {
    /// When.
    pub at: Timestamp,
}

/// See [`PrincipalEvent::Enabled`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// When.
    pub at: Timestamp,
}

/// See [`PrincipalEvent::PasswordSet`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordSet {
    /// The argon2id hash in PHC form, sealed.
    pub hash: Commitment,
}

/// A principal as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its id.
    pub id: PrincipalId,
    /// Its name, sealed.
    pub name: Commitment,
    /// What kind.
    pub kind: PrincipalKind,
    /// Whether it may do anything.
    pub enabled: bool,
    /// Its password's hash, sealed.
    pub password: Option<Commitment>,
    /// Its passkeys.
    #[serde(default, skip_serializing_if = "Passkeys::is_empty")]
    pub passkeys: Passkeys,
}

impl Principal {
    /// The state that the first event makes, if it is the right one.
    #[must_use]
    pub fn born(event: &PrincipalEvent) -> Option<Self> {
        match event {
            PrincipalEvent::Added(a) => {
                Some(Self { id: a.id, name: a.name, kind: a.kind, enabled: true, password: None, passkeys: Passkeys::default() })
            }
            PrincipalEvent::Disabled(_)
            | PrincipalEvent::Enabled(_)
            | PrincipalEvent::PasswordSet(_)
            | PrincipalEvent::PasskeyEnrolled(_)
            | PrincipalEvent::PasskeyUsed(_)
            | PrincipalEvent::PasskeyRemoved(_) => None,
        }
    }

    /// Folds one event in.
    #[must_use]
    pub fn evolve(mut self, event: &PrincipalEvent) -> Self {
        match event {
            PrincipalEvent::Added(a) => self.name = a.name,
            PrincipalEvent::Disabled(_) => self.enabled = false,
            PrincipalEvent::Enabled(_) => self.enabled = true,
            PrincipalEvent::PasswordSet(p) => self.password = Some(p.hash),
            PrincipalEvent::PasskeyEnrolled(e) => self.passkeys.fold_enrolled(e),
            PrincipalEvent::PasskeyUsed(u) => self.passkeys.fold_used(u),
            PrincipalEvent::PasskeyRemoved(r) => self.passkeys.fold_removed(r),
        }
        self
    }
}

/// What happens to a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenEvent {
    /// Given out.
    Issued(Issued),
    /// Taken back.
    Revoked(TokenRevoked),
}

/// See [`TokenEvent::Issued`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Its id, which is also the visible part of the token.
    pub id: TokenId,
    /// Whose.
    pub principal: PrincipalId,
    /// SHA-256 of its secret part, hexadecimal, sealed.
    pub hash: Commitment,
    /// What it is for, in its owner's words.
    pub label: String,
    /// Which doors it opens.
    pub scope: Scope,
    /// When.
    pub at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything its principal may.
    Full,
    /// Only to connect through the gateway.
    Connect,
    /// Only to read through the API.
    Read,
}

/// See [`TokenEvent::Revoked`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// When.
    pub at: Timestamp,
}

/// A token as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What was issued.
    pub issued: Issued,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What happens to the rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyEvent {
    /// A directory of files was validated and is in force.
    Applied(Applied),
}

/// See [`PolicyEvent::Applied`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// SHA-256 over the files, hexadecimal.
    pub hash: String,
    /// What was there before.
    pub previous: Option<String>,
    /// The commit they come from, if it was said.
    pub commit: Option<String>,
    /// When.
    pub at: Timestamp,
}
