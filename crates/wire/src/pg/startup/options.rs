//! The start-up parameter `options`: a command line in a string, split like PostgreSQL's `pg_split_opts`.

use std::fmt;

use super::StartupError;

/// A command line, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Its items.
    pub items: Vec<OptionItem>,
}

/// One item of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionItem {
    /// `-c name=value`, `-cname=value` or `--name=value`.
    Setting {
        /// With underscores for dashes, as PostgreSQL reads it.
        name: String,
        /// As it stands.
        value: String,
    },
    /// Any other word.
    Word(String),
}

/// What a client asks for through `ajar.` settings. Untrusted text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AjarSettings {
    /// `ajar.role`
    pub role: Option<String>,
    /// `ajar.reason`
    pub reason: Option<String>,
    /// `ajar.for`: a duration.
    pub duration: Option<String>,
    /// `ajar.ticket`
    pub ticket: Option<String>,
    /// `ajar.scope`
    pub scope: Option<String>,
}

impl AjarSettings {
    /// Takes a setting that is ours, gives back the value of one that isn't.
    pub(super) fn set(&mut self, name: &str, value: String) -> Result<Option<String>, StartupError> {
        let lower = name.to_ascii_lowercase();
        let Some(ours) = lower.strip_prefix("ajar.") else { return Ok(Some(value)) };
        let slot = match ours {
            "role" => &mut self.role,
            "reason" => &mut self.reason,
            "for" => &mut self.duration,
            "ticket" => &mut self.ticket,
            "scope" => &mut self.scope,
            _ => return Err(StartupError::UnknownSetting(name.to_owned())),
        };
        *slot = Some(value);
        Ok(None)
    }
}

impl Options {
    /// Splits and reads a command line.
    ///
    /// # Errors
    /// When `-c` or `--` has no `name=value`.
    pub fn parse(line: &str) -> Result<Self, StartupError> {
        let mut words = split(line).into_iter();
        let mut items = Vec::new();
        while let Some(word) = words.next() {
            let setting = if word == "-c" {
                Some(words.next().ok_or(StartupError::OptionValue(word.clone()))?)
            } else {
                word.strip_prefix("-c").or_else(|| word.strip_prefix("--").filter(|rest| !rest.is_empty())).map(str::to_owned)
            };
            items.push(match setting {
                None => OptionItem::Word(word),
                Some(setting) => {
                    let (name, value) = setting.split_once('=').ok_or_else(|| StartupError::OptionValue(setting.clone()))?;
                    OptionItem::Setting { name: name.replace('-', "_"), value: value.to_owned() }
                }
            });
        }
        Ok(Self { items })
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All settings, in order.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.items.iter().filter_map(|item| match item {
            OptionItem::Setting { name, value } => Some((name.as_str(), value.as_str())),
            OptionItem::Word(_) => None,
        })
    }

    pub(super) fn take_ours(&mut self, ours: &mut AjarSettings) -> Result<(), StartupError> {
        let mut theirs = Vec::with_capacity(self.items.len());
        for item in std::mem::take(&mut self.items) {
            match item {
                OptionItem::Setting { name, value } => {
                    if let Some(value) = ours.set(&name, value)? {
                        theirs.push(OptionItem::Setting { name, value });
                    }
                }
                OptionItem::Word(word) => theirs.push(OptionItem::Word(word)),
            }
        }
        self.items = theirs;
        Ok(())
    }
}

/// Writes the command line back, so that [`Options::parse`] yields the same items.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match item {
                OptionItem::Setting { name, value } => {
                    f.write_str("-c ")?;
                    escape(f, name)?;
                    f.write_str("=")?;
                    escape(f, value)?;
                }
                OptionItem::Word(word) => escape(f, word)?,
            }
        }
        Ok(())
    }
}

fn escape(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        if c == '\\' || is_space(c) {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    Ok(())
}

/// C's `isspace` in the C locale, which is what PostgreSQL splits at.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

/// Words between white space; a backslash takes the next character as it is.
fn split(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if is_space(c) {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_default();
        if c == '\\' {
            word.extend(chars.next());
        } else {
            word.push(c);
        }
    }
    words.extend(word.filter(|word| !word.is_empty()));
    words
}
