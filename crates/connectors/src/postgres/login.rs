//! Names of minted logins: the pattern that keeps the connector off everybody else's roles.

use ajar_core::port::ConnectorError;

use super::sql::Ident;

/// The role that objects of ended logins are handed to: it can't sign in and has no rights of its own, so that code left
/// behind (`SECURITY DEFINER` functions, views, index expressions) runs with none either.
pub(super) const KEEPER: &str = "ajar_keeper";

/// What PostgreSQL's `~` finds minted logins by; the same as [`Login::parse`].
pub(super) const PATTERN: &str = "^ajar_[0-9a-hjkmnp-tv-z]{26}$";

/// The alphabet of the 26 characters (Crockford's base 32).
pub(super) const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A login's name of the form `ajar_` and 26 characters. Neither the administrative account nor the keeper can have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    name: String,
    ident: Ident,
}

impl Login {
    /// # Errors
    /// When the name isn't one of ours: nothing is touched then.
    pub(super) fn parse(resource: &str, name: &str) -> Result<Self, ConnectorError> {
        let ours = name.strip_prefix("ajar_").is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| ALPHABET.contains(&b)));
        match Ident::new(name) {
            Ok(ident) if ours => Ok(Self { name: name.to_owned(), ident }),
            Ok(_) | Err(_) => Err(ConnectorError::Misconfigured {
                resource: resource.to_owned(),
                why: "that is not the name of a login that Ajar makes (ajar_ and 26 characters)".to_owned(),
            }),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn ident(&self) -> &Ident {
        &self.ident
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_only_our_own_names_are_taken() {
        assert!(Login::parse("r", "ajar_01h455vb4pex5vsknk084sn02q").is_ok());
        for other in [
            "",
            "postgres",
            "ajar_admin",
            KEEPER,
            "ajar_01h455vb4pex5vsknk084sn02",
            "ajar_01h455vb4pex5vsknk084sn02qq",
            "ajar_01H455VB4PEX5VSKNK084SN02Q",
            "ajar_01h455vb4pex5vsknk084sn02\"",
            "ajar_01h455vb4pex5vsknk084sn02i",
            "xajar_01h455vb4pex5vsknk084sn02q",
            "ajar_01h455vb4pex5vsknk084sn02q\n",
        ] {
            assert!(Login::parse("r", other).is_err(), "{other:?}");
        }
    }
}
