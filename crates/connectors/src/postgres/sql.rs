//! Statements by construction (R4, CVE-2026-39946): text from outside gets into one only as an [`Ident`] or a [`Literal`].
//!
//! Nothing else in the crate may format a statement: [`Sql`] takes fixed words, and a session runs nothing but [`Sql`].

use std::fmt;

/// The longest name, in bytes, that PostgreSQL keeps without cutting it short (`NAMEDATALEN` − 1).
const MAX_NAME: usize = 63;

/// A text that can't be a name or a value in PostgreSQL. Doesn't repeat the text: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// No character at all.
    EmptyName,
    /// More than 63 bytes: PostgreSQL would cut it short, perhaps to another's name.
    LongName,
    /// A NUL.
    Nul,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyName => "is empty",
            Self::LongName => "is longer than 63 bytes",
            Self::Nul => "holds a NUL",
        })
    }
}

/// A quoted identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ident(String);

impl Ident {
    pub(super) fn new(name: &str) -> Result<Self, Unfit> {
        if name.is_empty() {
            return Err(Unfit::EmptyName);
        }
        if name.len() > MAX_NAME {
            return Err(Unfit::LongName);
        }
        if name.contains('\0') {
            return Err(Unfit::Nul);
        }
        Ok(Self(format!("\"{}\"", name.replace('"', "\"\""))))
    }
}

/// A quoted string constant. One with backslashes takes the `E''` form, which means the same whatever
/// `standard_conforming_strings` says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Literal(String);

impl Literal {
    pub(super) fn new(value: &str) -> Result<Self, Unfit> {
        if value.contains('\0') {
            return Err(Unfit::Nul);
        }
        let quoted = value.replace('\'', "''");
        // The blank keeps the E from joining the word before.
        Ok(Self(if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }))
    }
}

/// One statement or several, separated by semicolons. `Debug` shows none of it: a verifier may be inside.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Sql(String);

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sql({} bytes)", self.0.len())
    }
}

impl Sql {
    pub(super) fn new(words: &'static str) -> Self {
        Self(words.to_owned())
    }

    pub(super) fn words(mut self, words: &'static str) -> Self {
        self.0.push_str(words);
        self
    }

    pub(super) fn ident(mut self, name: &Ident) -> Self {
        self.0.push_str(&name.0);
        self
    }

    pub(super) fn literal(mut self, value: &Literal) -> Self {
        self.0.push_str(&value.0);
        self
    }

    pub(super) fn number(mut self, number: i32) -> Self {
        self.0.push_str(&number.to_string());
        self
    }

    /// This, and then `next`.
    pub(super) fn then(mut self, next: Self) -> Self {
        if !self.0.is_empty() && !next.0.is_empty() {
            self.0.push_str("; ");
        }
        self.0.push_str(&next.0);
        self
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_a_name_stays_one_name() {
        for (name, quoted) in [
            ("orders", "\"orders\""),
            ("a\"; DROP ROLE x; --", "\"a\"\"; DROP ROLE x; --\""),
            ("\"", "\"\"\"\""),
            ("ünï\u{202e}cöde\n", "\"ünï\u{202e}cöde\n\""),
            ("back\\slash'", "\"back\\slash'\""),
        ] {
            assert_eq!(Ident::new(name).unwrap().0, quoted);
        }
        assert_eq!(Ident::new(""), Err(Unfit::EmptyName));
        assert_eq!(Ident::new("a\0b"), Err(Unfit::Nul));
        assert!(Ident::new(&"x".repeat(63)).is_ok());
        assert_eq!(Ident::new(&"x".repeat(64)), Err(Unfit::LongName));
        assert_eq!(Ident::new(&"é".repeat(32)), Err(Unfit::LongName), "bytes count, not characters");
    }

    #[test]
    fn r04_a_value_stays_one_value() {
        for (value, quoted) in
            [("", "''"), ("it's", "'it''s'"), ("'; --", "'''; --'"), ("a\\", " E'a\\\\'"), ("\\'; DROP --", " E'\\\\''; DROP --'")]
        {
            assert_eq!(Literal::new(value).unwrap().0, quoted);
        }
        assert!(Literal::new("a\0").is_err());
    }

    #[test]
    fn statements_join_and_their_debug_shows_nothing() {
        let one = Sql::new("ALTER ROLE ").ident(&Ident::new("x").unwrap()).words(" PASSWORD ").literal(&Literal::new("s3cret").unwrap());
        let two = one.then(Sql::new("ALTER ROLE x CONNECTION LIMIT ").number(-1));
        assert_eq!(two.text(), "ALTER ROLE \"x\" PASSWORD 's3cret'; ALTER ROLE x CONNECTION LIMIT -1");
        assert!(!format!("{two:?}").contains("s3cret"));
    }
}
