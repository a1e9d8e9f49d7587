//! From texts to a [`RuleSet`]: names, references and limits are checked here, and nowhere else.
//! Every mistake that can be found is found at once.

mod calendar;
mod choice;
mod http;
mod resource;
mod rule;
mod ssh;
mod test;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ajar_core::directory::PrincipalKind;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, ScheduleName};
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::condition::{Condition, Leaf, Vocabulary, Wrong};
use crate::problem::{Lines, Problem, near};
use crate::raw::{self, Text};
use crate::rules::{Candidate, Person, RuleSet, Spot};
use choice::Choices;

/// A directory of files: path inside it → text.
pub type Files = BTreeMap<String, String>;

/// Bytes of one file at the most (O2).
pub const FILE_MAX: usize = 1024 * 1024;
/// Bytes of all files at the most.
pub const TOTAL_MAX: usize = 16 * 1024 * 1024;
/// Files at the most.
pub const FILES_MAX: usize = 10_000;
/// What a private key begins and ends with, in whatever format of text.
const PRIVATE_KEY: &str = "PRIVATE KEY-----";
/// Problems that are told at once.
const PROBLEMS_MAX: usize = 100;
/// Problems that are looked at for those: files may be nothing but wrong.
const PROBLEMS_SEEN: usize = 1_000;

/// Reads and checks a directory's files. Only `*.toml` counts.
///
/// # Errors
/// Every mistake, each with file, line, column and how to mend it.
pub fn parse(files: &Files) -> Result<RuleSet, Vec<Problem>> {
    let files = counted(files);
    let total: usize = files.values().map(|t| t.len()).sum();
    let whole = |message: String| Problem { file: String::new(), line: 1, column: 1, message, help: None };
    if files.len() > FILES_MAX || total > TOTAL_MAX {
        return Err(vec![whole(format!("too much: at most {FILES_MAX} files and {TOTAL_MAX} bytes in all"))]);
    }
    let lines: Vec<(&str, Lines<'_>)> = files.iter().map(|(path, text)| (*path, Lines::of(text))).collect();
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for (path, lines) in &lines {
        let at = Place { path, lines };
        match read(at) {
            Ok(file) => parsed.push((at, file)),
            Err(problem) => problems.push(problem),
        }
    }
    let mut check = Check { problems, rules: RuleSet { hash: hash(&files), ..RuleSet::default() }, hosts: BTreeMap::new() };
    check.all(&parsed);
    if check.problems.is_empty() {
        Ok(check.rules)
    } else {
        check.problems.sort();
        check.problems.truncate(PROBLEMS_MAX);
        Err(check.problems)
    }
}

fn read(at: Place<'_>) -> Result<raw::File, Problem> {
    if at.lines.text().len() > FILE_MAX {
        return Err(at.problem(0, format!("the file is larger than {FILE_MAX} bytes"), None));
    }
    if let Some(key) = at.lines.text().find(PRIVATE_KEY) {
        let help = "keep it beside the files, and say where: { file = \"path\" }";
        return Err(at.problem(key, "a private key stands in the file".into(), Some(help.into())));
    }
    toml::from_str(at.lines.text()).map_err(|error| {
        let help = error.message().strip_prefix("unknown ").and_then(|rest| rest.split_once(", expected ")).and_then(|(unknown, known)| {
            let wrong = unknown.split('`').nth(1)?;
            near(wrong, known.split('`').skip(1).step_by(2))
        });
        let message = without_value(error.message().lines().next().unwrap_or("not TOML"));
        at.problem(error.span().map_or(0, |s| s.start), message, help)
    })
}

/// What was expected, without what was found: that may be a secret that stands where its name should.
fn without_value(message: &str) -> String {
    match message.rsplit_once(", expected ").filter(|_| message.starts_with("invalid ")) {
        Some((found, expected)) => format!("{}, expected {expected}", found.split(['"', '`']).next().unwrap_or_default().trim_end()),
        None => message.to_owned(),
    }
}

/// The hash that a set of these files has: SHA-256 over the paths and texts of `*.toml`, hexadecimal. It says nothing of whether they are right.
#[must_use]
pub fn content_hash(files: &Files) -> String {
    hash(&counted(files))
}

fn counted(files: &Files) -> BTreeMap<&str, &str> {
    files.iter().filter(|(path, _)| path.ends_with(".toml")).map(|(p, t)| (p.as_str(), t.as_str())).collect()
}

fn hash(files: &BTreeMap<&str, &str>) -> String {
    let mut hash = Sha256::new();
    for (path, text) in files {
        for part in [path, text] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}

#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a str,
    lines: &'a Lines<'a>,
}

impl Place<'_> {
    fn spot<T>(&self, what: &Spanned<T>) -> Spot {
        Spot { file: self.path.to_owned(), line: self.lines.line(what.span().start) }
    }

    fn problem(&self, offset: usize, message: String, help: Option<String>) -> Problem {
        let (line, column) = self.lines.place(offset);
        Problem { file: self.path.to_owned(), line, column, message, help }
    }
}

struct Check {
    problems: Vec<Problem>,
    rules: RuleSet,
    /// Host names that callers may use → the resource that they are for.
    hosts: BTreeMap<String, String>,
}

impl Check {
    fn problem<T>(&mut self, at: Place<'_>, what: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        if self.problems.len() < PROBLEMS_SEEN {
            self.problems.push(at.problem(what.span().start, message.into(), help));
        }
    }

    fn parsed<T: FromStr>(&mut self, at: Place<'_>, text: &Text) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        text.get_ref().parse().map_err(|error: T::Err| self.problem(at, text, error.to_string(), None)).ok()
    }

    /// A reference to something that must exist.
    fn known<T: FromStr + Ord + AsRef<str>>(&mut self, at: Place<'_>, text: &Text, what: &str, known: &BTreeSet<T>) -> Option<T> {
        let found = text.get_ref().parse().ok().filter(|name| known.contains(name));
        if found.is_none() {
            let message = format!("there is no {what} '{}'", text.get_ref().escape_debug());
            let told = self.problems.len() < PROBLEMS_MAX;
            let help = told.then(|| near(text.get_ref(), known.iter().map(AsRef::as_ref))).flatten();
            self.problem(at, text, message, help);
        }
        found
    }

    fn all(&mut self, files: &[(Place<'_>, raw::File)]) {
        self.people(files);
        let people: BTreeSet<PrincipalName> = self.rules.people.keys().cloned().collect();
        self.groups(files, &people);
        self.hours(files);
        self.schedules(files, &people);
        let groups: BTreeSet<GroupName> = self.rules.groups.keys().cloned().collect();
        let vocabulary = self.vocabulary(files);
        let known = Known { people, groups, schedules: self.rules.schedules.keys().cloned().collect(), vocabulary };
        for (at, file) in files {
            for user in &file.user {
                self.user_references(*at, user, &known);
            }
            for resource in &file.resource {
                self.resource(*at, resource, &known);
            }
        }
        let choices = Choices::of(&self.rules.resources);
        let mut things = Things { names: self.rules.resources.keys().cloned().collect(), choices };
        let mut seen = BTreeSet::new();
        for (at, file) in files {
            for rule in &file.rule {
                let spot = at.spot(&rule.name);
                if let Some(rule) = self.rule(*at, rule, &known, &mut things) {
                    if seen.insert(rule.name.clone()) {
                        self.rules.places.insert(rule.name.clone(), spot);
                        self.rules.rules.push(rule);
                    } else if let Some(raw) = file.rule.iter().rev().find(|r| r.name.get_ref() == rule.name.as_str()) {
                        self.problem(*at, &raw.name, format!("there is another rule '{}'", rule.name), None);
                    }
                }
            }
        }
        self.rules.rules.sort_by(|a, b| a.name.cmp(&b.name));
        self.tests(files, &known, &things.names);
    }

    fn people(&mut self, files: &[(Place<'_>, raw::File)]) {
        for (at, file) in files {
            let users = file.user.iter().map(|u| (&u.name, PrincipalKind::User, u.disabled, &u.attributes));
            let workloads = file.workload.iter().map(|w| (&w.name, PrincipalKind::Workload, w.disabled, &w.attributes));
            for (name, kind, disabled, attributes) in users.chain(workloads) {
                let Some(parsed) = self.parsed::<PrincipalName>(*at, name) else { continue };
                let attributes = attributes.clone();
                let person = Person { kind, disabled, manager: None, same_as: Vec::new(), audit: false, operate: false, attributes };
                if self.rules.people.insert(parsed.clone(), person).is_some() {
                    self.problem(*at, name, format!("there is another principal '{parsed}'"), None);
                }
            }
        }
    }

    /// What conditions can look at.
    fn vocabulary(&self, files: &[(Place<'_>, raw::File)]) -> Vocabulary {
        let attributes = self.rules.people.values().flat_map(|p| p.attributes.keys().cloned().map(Leaf::Attribute));
        let labels = files.iter().flat_map(|(_, file)| &file.resource).flat_map(|r| r.labels.keys().cloned().map(Leaf::Label));
        let hours = self.rules.hours.keys().cloned().map(Leaf::Hours);
        let schedules = self.rules.schedules.keys().map(|s| Leaf::OnCall(s.to_string()));
        let named: BTreeSet<Leaf> = attributes.chain(labels).chain(hours).chain(schedules).collect();
        Vocabulary::new(named, self.rules.groups.keys().map(ToString::to_string).collect())
    }

    fn condition(&mut self, at: Place<'_>, text: &Text, known: &Known) -> Option<Condition> {
        let wrong = match known.vocabulary.condition(text.get_ref()) {
            Ok(condition) if condition.is_never() => {
                Wrong { at: 0, message: "this can never be true".into(), help: Some("leave out what it is for".into()) }
            }
            Ok(condition) => return Some(condition),
            Err(wrong) => wrong,
        };
        // The text begins behind its quotes, and a line break right behind three of them is none of it.
        let whole = at.lines.text().get(text.span()).unwrap_or_default();
        let quotes = whole.len() - whole.trim_start_matches(['"', '\'']).len();
        let quotes = if quotes >= 3 { 3 } else { 1 };
        let inside = whole.get(quotes..).unwrap_or_default();
        let skipped = inside.len() - inside.strip_prefix("\r\n").or_else(|| inside.strip_prefix('\n')).unwrap_or(inside).len();
        let from = text.span().start + quotes + skipped + wrong.at;
        self.problem(at, &Spanned::new(from..from, ()), wrong.message, wrong.help);
        None
    }

    fn groups(&mut self, files: &[(Place<'_>, raw::File)], people: &BTreeSet<PrincipalName>) {
        for (at, file) in files {
            for group in &file.group {
                let Some(name) = self.parsed::<GroupName>(*at, &group.name) else { continue };
                let members = group.members.iter().filter_map(|m| self.known(*at, m, "user or workload", people)).collect();
                if self.rules.groups.insert(name.clone(), members).is_some() {
                    self.problem(*at, &group.name, format!("there is another group '{name}'"), None);
                }
            }
        }
    }

    fn user_references(&mut self, at: Place<'_>, user: &raw::User, known: &Known) {
        let manager = user.manager.as_ref().and_then(|m| self.known(at, m, "user", &known.people));
        let same_as = user.same_person_as.iter().filter_map(|m| self.known(at, m, "user", &known.people)).collect();
        let (mut audit, mut operate) = (false, false);
        for may in &user.may {
            match may.get_ref().as_str() {
                "audit" => audit = true,
                "operate" => operate = true,
                other => {
                    let message = format!("nobody can be allowed to '{}'", other.escape_debug());
                    self.problem(at, may, message, Some("\"audit\" or \"operate\"".into()));
                }
            }
        }
        if let Some(person) = user.name.get_ref().parse().ok().and_then(|name: PrincipalName| self.rules.people.get_mut(&name)) {
            *person = Person { manager, same_as, audit, operate, ..person.clone() };
        }
    }

    fn candidates(&mut self, at: Place<'_>, texts: &[Text], known: &Known) -> Vec<Candidate> {
        let mut found: Vec<_> = texts.iter().filter_map(|text| self.who(at, text, known)).collect();
        found.sort();
        found.dedup();
        found
    }

    fn who(&mut self, at: Place<'_>, text: &Text, known: &Known) -> Option<Candidate> {
        let inner = |rest: &str| Spanned::new(text.span(), rest.to_owned());
        match text.get_ref().as_str() {
            "owners" => Some(Candidate::Owners),
            "manager" => Some(Candidate::Manager),
            other => match other.split_once(':') {
                Some(("group", name)) => self.known(at, &inner(name), "group", &known.groups).map(Candidate::Group),
                Some(("on-call", name)) => calendar::on_call(self, at, &inner(name), known),
                Some(("user", name)) => self.known(at, &inner(name), "user", &known.people).map(Candidate::Person),
                _ => {
                    let guess = if known.groups.iter().any(|g| g.as_str() == other) {
                        format!("did you mean 'group:{other}'?")
                    } else if known.people.iter().any(|p| p.as_str() == other) {
                        format!("did you mean 'user:{other}'?")
                    } else {
                        "\"group:engineers\", \"user:ada\", \"on-call:dba\", \"owners\" or \"manager\"".into()
                    };
                    self.problem(at, text, format!("'{}' names nobody", other.escape_debug()), Some(guess));
                    None
                }
            },
        }
    }
}

/// The resources that rules may be for.
struct Things {
    names: BTreeSet<ResourceName>,
    choices: Choices,
}

struct Known {
    people: BTreeSet<PrincipalName>,
    groups: BTreeSet<GroupName>,
    schedules: BTreeSet<ScheduleName>,
    vocabulary: Vocabulary,
}
