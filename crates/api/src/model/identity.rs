//! Signing in from a browser, and one's own tokens.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::TokenScope;

/// Signs a browser in with a password.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BrowserSignIn {
    /// The name in the people files.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Who the caller is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// Principal's id.
    pub id: String,
    /// Principal's name.
    pub name: String,
    /// Whether they may see everything.
    pub audit: bool,
    /// Whether they may revoke anything and apply rules.
    pub operate: bool,
    /// The token's scope.
    pub scope: TokenScope,
    /// The token's id.
    pub token: String,
    /// Until when the token is good.
    pub expires_at: String,
    /// How many passkeys they have.
    pub passkeys: u32,
    /// Until when they have proven themselves freshly with a passkey, with this token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh_until: Option<String>,
    /// Whether they can sign in with a password.
    pub can_password: bool,
}

/// A token of the caller's that is good. The token itself is shown only when it is issued.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OwnToken {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// What it may be used for.
    pub scope: TokenScope,
    /// Since when.
    pub issued_at: String,
    /// Until when it is good.
    pub expires_at: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Begins to enrol a passkey.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskey {
    /// The caller's password: for the first one, if they have a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// What a browser is asked to do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Ceremony {
    /// To be given back with the answer, within five minutes.
    pub ceremony: String,
    /// For `navigator.credentials`: `publicKey` in its JSON form.
    #[schema(value_type = Object)]
    pub options: Value,
}

/// What a browser answered when a passkey was to be enrolled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolledPasskey {
    /// Which ceremony it answers.
    pub ceremony: String,
    /// What its owner calls it.
    #[serde(default)]
    pub label: String,
    /// The answer, in its JSON form.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// What a browser answered when somebody was to prove who they are.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CeremonyAnswer {
    /// Which ceremony it answers.
    pub ceremony: String,
    /// The answer, in its JSON form.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// A passkey of the caller's.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Passkey {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub label: String,
    /// Since when.
    pub created_at: String,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// A step-up that holds.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SteppedUp {
    /// Until when, for the token that asked.
    pub fresh_until: String,
}

/// Begins to sign a command line in through a browser.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCliLogin {
    /// What it says of itself, to whoever is to say yes: `ajar on web-1`.
    #[serde(default)]
    pub label: String,
}

/// A command line's sign-in that waits, for the command line.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CliLogin {
    /// Its id.
    pub id: String,
    /// What it asks for the token with. Nobody else is to see it.
    pub secret: String,
    /// What both show, to be compared: `XXXX-XXXX`.
    pub code: String,
    /// The page on which somebody says yes.
    pub url: String,
    /// Until when it waits.
    pub expires_at: String,
}

impl std::fmt::Debug for CliLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CliLogin").field("code", &self.code).finish_non_exhaustive()
    }
}

/// Asks for the token of a command line's sign-in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CliLoginSecret {
    /// The secret that it was begun with.
    pub secret: String,
}

impl std::fmt::Debug for CliLoginSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CliLoginSecret(redacted)")
    }
}

/// A command line's sign-in that waits, for whoever is to say yes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CliLoginWaiting {
    /// What both show, to be compared: `XXXX-XXXX`.
    pub code: String,
    /// The address that it came from.
    pub from: String,
    /// What it says of itself: not to be trusted.
    pub label: String,
    /// Since when.
    pub at: String,
    /// Until when it waits.
    pub expires_at: String,
}
