//! `GRANT` lines of a PostgreSQL role, as data: `SELECT, INSERT ON TABLE public.orders`.
//!
//! Nothing of the text reaches a target: privileges are keywords from a list, names are identifiers that the connector quotes.

use ajar_core::resource::{PostgresGrant, PostgresObject};

const TABLE: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"];
const SEQUENCE: &[&str] = &["USAGE", "SELECT", "UPDATE"];
const SCHEMA: &[&str] = &["USAGE", "CREATE"];
const DATABASE: &[&str] = &["CONNECT", "TEMPORARY", "TEMP", "CREATE"];
/// The longest identifier that PostgreSQL keeps.
const IDENTIFIER_MAX: usize = 63;

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Dot,
    Comma,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => {}
            '.' => out.push(Token::Dot),
            ',' => out.push(Token::Comma),
            '"' => {
                let mut name = String::new();
                loop {
                    match chars.next() {
                        Some('"') if chars.next_if_eq(&'"').is_some() => name.push('"'),
                        Some('"') => break,
                        Some('\0') | None => return Err("a quoted name does not end".into()),
                        Some(c) => name.push(c),
                    }
                }
                out.push(Token::Quoted(name));
            }
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '$') {
                    word.push(c);
                }
                out.push(Token::Word(word));
            }
            other => return Err(format!("'{}' has no place here", other.escape_debug())),
        }
    }
    Ok(out)
}

struct Reader(std::collections::VecDeque<Token>);

impl Reader {
    fn keyword(&mut self, keyword: &str) -> bool {
        let there = matches!(self.0.front(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if there {
            self.0.pop_front();
        }
        there
    }

    fn name(&mut self) -> Result<String, String> {
        let name = match self.0.pop_front() {
            Some(Token::Word(word)) => word.to_ascii_lowercase(),
            Some(Token::Quoted(name)) => name,
            Some(Token::Dot | Token::Comma) | None => return Err("a name is missing".into()),
        };
        if name.is_empty() || name.len() > IDENTIFIER_MAX {
            return Err(format!("a name has 1 to {IDENTIFIER_MAX} bytes"));
        }
        Ok(name)
    }

    fn object(&mut self) -> Result<(PostgresObject, &'static [&'static str]), String> {
        if self.keyword("ALL") {
            let tables = self.keyword("TABLES");
            if !tables && !self.keyword("SEQUENCES") {
                return Err("ALL TABLES or ALL SEQUENCES IN SCHEMA name".into());
            }
            if !(self.keyword("IN") && self.keyword("SCHEMA")) {
                return Err("IN SCHEMA name is missing".into());
            }
            let schema = self.name()?;
            return Ok(if tables {
                (PostgresObject::AllTables { schema }, TABLE)
            } else {
                (PostgresObject::AllSequences { schema }, SEQUENCE)
            });
        }
        if self.keyword("SCHEMA") {
            return Ok((PostgresObject::Schema { name: self.name()? }, SCHEMA));
        }
        if self.keyword("DATABASE") {
            return Ok((PostgresObject::Database, DATABASE));
        }
        self.keyword("TABLE");
        let schema = self.name()?;
        if self.0.pop_front() != Some(Token::Dot) {
            return Err("a table is named with its schema: public.orders".into());
        }
        Ok((PostgresObject::Table { schema, name: self.name()? }, TABLE))
    }
}

/// Reads one line.
pub(crate) fn parse(text: &str) -> Result<PostgresGrant, String> {
    let mut reader = Reader(tokens(text)?.into());
    let mut privileges = Vec::new();
    loop {
        let mut privilege = reader.name()?.to_ascii_uppercase();
        if privilege == "ALL" {
            return Err("name the privileges one by one: a role says exactly what it opens".into());
        }
        if privilege == "TEMP" {
            privilege = "TEMPORARY".into();
        }
        privileges.push(privilege);
        match reader.0.pop_front() {
            Some(Token::Comma) => {}
            Some(Token::Word(on)) if on.eq_ignore_ascii_case("ON") => break,
            Some(Token::Word(_) | Token::Quoted(_) | Token::Dot) | None => {
                return Err("ON is missing: SELECT ON TABLE public.orders".into());
            }
        }
    }
    let (on, allowed) = reader.object()?;
    if !reader.0.is_empty() {
        return Err("there is more behind it than a grant has".into());
    }
    match privileges.iter().find(|p| !allowed.contains(&p.as_str())) {
        Some(wrong) => Err(format!("{wrong} can't be granted there: use {}", allowed.join(", "))),
        None => Ok(PostgresGrant { privileges, on }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r04_grants_are_data_whatever_their_names_hold() {
        let grant = parse("select, INSERT on table public.\"odd \"\"; DROP\"").unwrap();
        assert_eq!(grant.privileges, ["SELECT", "INSERT"]);
        assert_eq!(grant.on, PostgresObject::Table { schema: "public".into(), name: "odd \"; DROP".into() });
        assert_eq!(parse("USAGE ON SCHEMA Public").unwrap().on, PostgresObject::Schema { name: "public".into() });
        assert_eq!(parse("SELECT ON ALL TABLES IN SCHEMA s").unwrap().on, PostgresObject::AllTables { schema: "s".into() });
    }

    #[test]
    fn r04_anything_else_is_refused() {
        for bad in [
            "",
            "SELECT",
            "SELECT ON orders",
            "ALL ON TABLE public.orders",
            "SELECT ON TABLE public.orders; DROP TABLE x",
            "SELECT ON TABLE public.orders WITH GRANT OPTION",
            "SUPERUSER ON DATABASE",
            "USAGE ON TABLE public.orders",
            "SELECT ON TABLE public.\"open",
            "SELECT ON TABLE public.\"\"",
            "SELECT -- x",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
