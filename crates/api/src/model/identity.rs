//! Signing in from a browser, and one's own tokens.

use serde::{Deserialize, Serialize};
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
