//! From texts to a [`RuleSet`]: names, references and limits are checked here, and nowhere else.
//! Every mistake that can be found is found at once.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU8;
use std::str::FromStr;
use std::sync::Arc;

use ajar_core::directory::PrincipalKind;
use ajar_core::name::{GroupName, PrincipalName, ResourceName, RoleName, RuleName};
use ajar_core::plan::Opening;
use ajar_core::resource::{Kind, Owners, PostgresRole, PostgresTarget, Resource, SecretSource, TargetTls};
use ajar_core::time::Span;
use sha2::{Digest, Sha256};
use toml::Spanned;

use crate::grants;
use crate::problem::{Problem, near, place};
use crate::raw::{self, Text};
use crate::rules::{Candidate, Carries, Effect, EmergencyTerms, OtherwiseByName, Pattern, Person, Rule, RuleSet, StageByName, Terms, Who};

/// A directory of files: path inside it → text.
pub type Files = BTreeMap<String, String>;

/// Bytes of one file at the most (O2).
pub const FILE_MAX: usize = 1024 * 1024;
/// Bytes of all files at the most.
pub const TOTAL_MAX: usize = 16 * 1024 * 1024;
/// Files at the most.
pub const FILES_MAX: usize = 10_000;
/// Problems that are told at once.
const PROBLEMS_MAX: usize = 100;
/// What a rule allows at the most unless it says.
const DEFAULT_MAX: Span = Span::from_secs(3600);
/// The longest that an emergency may last.
const BREAK_GLASS_MAX: Span = Span::from_secs(4 * 3600);
/// By when an emergency is reviewed unless its rule says.
const DEFAULT_REVIEW_WITHIN: Span = Span::from_secs(24 * 3600);
/// Characters of reason that an emergency asks for at least.
const EMERGENCY_REASON_MIN: usize = 10;
/// How long a stage may take unless it says.
const DEFAULT_WITHIN: Span = Span::from_secs(30 * 60);

/// Reads and checks a directory's files. Only `*.toml` counts.
///
/// # Errors
/// Every mistake, each with file, line, column and how to mend it.
pub fn parse(files: &Files) -> Result<RuleSet, Vec<Problem>> {
    let files: BTreeMap<&str, &str> =
        files.iter().filter(|(path, _)| path.ends_with(".toml")).map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let total: usize = files.values().map(|t| t.len()).sum();
    let whole = |message: String| Problem { file: String::new(), line: 1, column: 1, message, help: None };
    if files.len() > FILES_MAX || total > TOTAL_MAX {
        return Err(vec![whole(format!("too much: at most {FILES_MAX} files and {TOTAL_MAX} bytes in all"))]);
    }
    let mut problems = Vec::new();
    let mut parsed = Vec::new();
    for (path, text) in &files {
        match read(path, text) {
            Ok(file) => parsed.push((Place { path, text }, file)),
            Err(problem) => problems.push(problem),
        }
    }
    let mut check = Check { problems, rules: RuleSet { hash: hash(&files), ..RuleSet::default() } };
    check.all(&parsed);
    if check.problems.is_empty() {
        Ok(check.rules)
    } else {
        check.problems.sort();
        check.problems.truncate(PROBLEMS_MAX);
        Err(check.problems)
    }
}

fn read(path: &str, text: &str) -> Result<raw::File, Problem> {
    if text.len() > FILE_MAX {
        return Err(Problem {
            file: path.to_owned(),
            line: 1,
            column: 1,
            message: format!("the file is larger than {FILE_MAX} bytes"),
            help: None,
        });
    }
    toml::from_str(text).map_err(|error| {
        let (line, column) = place(text, error.span().map_or(0, |s| s.start));
        let message = error.message().lines().next().unwrap_or("not TOML").to_owned();
        let help = error.message().split_once("expected one of").and_then(|(before, known)| {
            let wrong = before.split('`').nth(1)?;
            near(wrong, known.split('`').skip(1).step_by(2))
        });
        Problem { file: path.to_owned(), line, column, message, help }
    })
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
    text: &'a str,
}

struct Check {
    problems: Vec<Problem>,
    rules: RuleSet,
}

impl Check {
    fn problem<T>(&mut self, at: Place<'_>, what: &Spanned<T>, message: impl Into<String>, help: Option<String>) {
        let (line, column) = place(at.text, what.span().start);
        self.problems.push(Problem { file: at.path.to_owned(), line, column, message: message.into(), help });
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
            self.problem(at, text, message, near(text.get_ref(), known.iter().map(AsRef::as_ref)));
        }
        found
    }

    fn all(&mut self, files: &[(Place<'_>, raw::File)]) {
        self.people(files);
        let people: BTreeSet<PrincipalName> = self.rules.people.keys().cloned().collect();
        self.groups(files, &people);
        let known = Known { people, groups: self.rules.groups.keys().cloned().collect() };
        for (at, file) in files {
            for user in &file.user {
                self.user_references(*at, user, &known);
            }
            for resource in &file.resource {
                self.resource(*at, resource, &known);
            }
        }
        let names: BTreeSet<ResourceName> = self.rules.resources.keys().cloned().collect();
        let mut seen = BTreeSet::new();
        for (at, file) in files {
            for rule in &file.rule {
                if let Some(rule) = self.rule(*at, rule, &known, &names) {
                    if seen.insert(rule.name.clone()) {
                        self.rules.rules.push(rule);
                    } else if let Some(raw) = file.rule.iter().rev().find(|r| r.name.get_ref() == rule.name.as_str()) {
                        self.problem(*at, &raw.name, format!("there is another rule '{}'", rule.name), None);
                    }
                }
            }
        }
        self.rules.rules.sort_by(|a, b| a.name.cmp(&b.name));
    }

    fn people(&mut self, files: &[(Place<'_>, raw::File)]) {
        for (at, file) in files {
            let users = file.user.iter().map(|u| (&u.name, PrincipalKind::User, u.disabled));
            let workloads = file.workload.iter().map(|w| (&w.name, PrincipalKind::Workload, w.disabled));
            for (name, kind, disabled) in users.chain(workloads) {
                let Some(parsed) = self.parsed::<PrincipalName>(*at, name) else { continue };
                let person = Person { kind, disabled, manager: None, same_as: Vec::new(), audit: false, operate: false };
                if self.rules.people.insert(parsed.clone(), person).is_some() {
                    self.problem(*at, name, format!("there is another principal '{parsed}'"), None);
                }
            }
        }
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

    fn resource(&mut self, at: Place<'_>, raw: &raw::Resource, known: &Known) {
        if raw.kind.get_ref() != "postgres" {
            self.problem(at, &raw.kind, format!("there is no kind '{}'", raw.kind.get_ref().escape_debug()), Some("\"postgres\"".into()));
        }
        let mut owners = Owners::default();
        for owner in &raw.owners {
            match self.who(at, owner, known) {
                Some(Candidate::Group(group)) => owners.groups.push(group),
                Some(Candidate::Person(person)) => owners.people.push(person),
                Some(Candidate::Owners | Candidate::Manager) | None => {}
            }
        }
        let mut roles = BTreeMap::new();
        for (name, role) in &raw.roles {
            match name.parse::<RoleName>() {
                Ok(parsed) => drop(roles.insert(parsed, self.role(at, role))),
                Err(error) => self.problem(at, &raw.name, error.to_string(), None),
            }
        }
        if roles.is_empty() {
            self.problem(at, &raw.name, "the resource has no roles", Some("add [resource.roles.read]".into()));
        }
        let default_role = raw.default_role.as_ref().and_then(|role| self.known(at, role, "role", &roles.keys().cloned().collect()));
        let tls = match raw.tls.get_ref() {
            raw::Tls::Verify(v) => TargetTls::Verify { ca_file: v.verify.clone() },
            raw::Tls::Word(word) if word == "system" => TargetTls::System,
            raw::Tls::Word(word) if word == "off" => TargetTls::Off,
            raw::Tls::Word(_) => {
                self.problem(at, &raw.tls, "tls is \"system\", \"off\", or { verify = \"ca.pem\" }", None);
                TargetTls::System
            }
        };
        for (what, text) in [("host", &raw.host), ("database", &raw.database)] {
            if text.get_ref().is_empty() || text.get_ref().len() > 255 || text.get_ref().chars().any(char::is_control) {
                self.problem(at, text, format!("that is not a {what}"), None);
            }
        }
        let Some(name) = self.parsed::<ResourceName>(at, &raw.name) else { return };
        let target = PostgresTarget {
            host: raw.host.get_ref().clone(),
            port: raw.port,
            database: raw.database.get_ref().clone(),
            tls,
            admin_user: raw.admin.user.clone(),
            admin_password: match &raw.admin.password {
                raw::Secret::Env(name) => SecretSource::Env(name.clone()),
                raw::Secret::File(path) => SecretSource::File(path.clone()),
            },
            roles,
        };
        let resource = Resource {
            name: name.clone(),
            description: raw.description.clone(),
            labels: raw.labels.clone(),
            owners,
            default_role,
            kind: Kind::Postgres(target),
        };
        if self.rules.resources.insert(name.clone(), Arc::new(resource)).is_some() {
            self.problem(at, &raw.name, format!("there is another resource '{name}'"), None);
        }
    }

    fn role(&mut self, at: Place<'_>, raw: &raw::Role) -> PostgresRole {
        let mut role = PostgresRole { connection_limit: raw.connection_limit, settings: raw.settings.clone(), ..PostgresRole::default() };
        for member in &raw.member_of {
            let name = member.get_ref();
            if name.is_empty() || name.len() > 63 || name.contains('\0') {
                self.problem(at, member, "that is not a PostgreSQL role", None);
            }
            role.member_of.push(name.clone());
        }
        for grant in &raw.grants {
            match grants::parse(grant.get_ref()) {
                Ok(parsed) => role.grants.push(parsed),
                Err(why) => self.problem(at, grant, why, Some("for example \"SELECT, INSERT ON TABLE public.orders\"".into())),
            }
        }
        role
    }

    fn rule(&mut self, at: Place<'_>, raw: &raw::Rule, known: &Known, names: &BTreeSet<ResourceName>) -> Option<Rule> {
        let before = self.problems.len();
        let name = self.parsed::<RuleName>(at, &raw.name);
        let mut who = Who::default();
        for text in &raw.who {
            match self.who(at, text, known) {
                Some(Candidate::Group(group)) => drop(who.groups.insert(group)),
                Some(Candidate::Person(person)) => drop(who.people.insert(person)),
                Some(Candidate::Owners | Candidate::Manager) => {
                    self.problem(at, text, "who asks is a group or a user", Some("\"group:engineers\"".into()))
                }
                None => {}
            }
        }
        let resources = self.rule_resources(at, &raw.resources, names);
        let roles = self.rule_roles(at, raw, &resources);
        // INVARIANT I01: an empty list would be a rule for nobody or nothing; it is a mistake, never "everybody".
        for (empty, what) in [(raw.who.is_empty(), "who"), (raw.roles.is_empty(), "roles")] {
            if empty {
                self.problem(at, &raw.name, format!("'{what}' is empty: the rule can never match"), None);
            }
        }
        let effect = self.effect(at, raw, known);
        (self.problems.len() == before).then_some(())?;
        Some(Rule { name: name?, who, resources, roles, effect: effect? })
    }

    fn rule_resources(&mut self, at: Place<'_>, raw: &Spanned<raw::Resources>, names: &BTreeSet<ResourceName>) -> BTreeSet<ResourceName> {
        let found: BTreeSet<ResourceName> = match raw.get_ref() {
            raw::Resources::Names(list) => list.iter().filter_map(|text| self.known(at, text, "resource", names)).collect(),
            raw::Resources::Matching(m) if m.labels.is_empty() && m.kind.is_none() => BTreeSet::new(),
            raw::Resources::Matching(m) => {
                let fits = |r: &&Arc<Resource>| {
                    m.kind.as_deref().is_none_or(|kind| kind == r.kind.word()) && m.labels.iter().all(|(k, v)| r.labels.get(k) == Some(v))
                };
                self.rules.resources.values().filter(fits).map(|r| r.name.clone()).collect()
            }
        };
        if found.is_empty() && self.problems.is_empty() {
            self.problem(at, raw, "no resource fits: the rule can never match", None);
        }
        found
    }

    fn rule_roles(&mut self, at: Place<'_>, raw: &raw::Rule, resources: &BTreeSet<ResourceName>) -> BTreeSet<RoleName> {
        let known: BTreeSet<RoleName> =
            resources.iter().filter_map(|r| self.rules.resources.get(r)).flat_map(|r| r.roles().into_iter().cloned()).collect();
        if known.is_empty() {
            return BTreeSet::new();
        }
        raw.roles.iter().filter_map(|role| self.known(at, role, "role on these resources", &known)).collect()
    }

    fn effect(&mut self, at: Place<'_>, raw: &raw::Rule, known: &Known) -> Option<Effect> {
        if raw.deny {
            if raw.approve.is_some()
                || raw.stages.is_some()
                || raw.max.is_some()
                || raw.clock.is_some()
                || raw.single_use
                || raw.break_glass.is_some()
            {
                self.problem(at, &raw.name, "a rule that denies has no approval and no duration", None);
            }
            return Some(Effect::Deny);
        }
        let max = match &raw.max {
            Some(text) => self.parsed::<Span>(at, text)?,
            None => DEFAULT_MAX,
        };
        let default = match &raw.default {
            Some(text) => self.parsed::<Span>(at, text)?,
            None => max.min(DEFAULT_MAX),
        };
        if let Some(text) = raw.default.as_ref().filter(|_| default > max) {
            self.problem(at, text, "the default is longer than the maximum", None);
        }
        if let Some(emergency) = &raw.break_glass {
            return self.break_glass(at, raw, emergency, (max, default), known);
        }
        let stages: Vec<&raw::Stage> = match (&raw.approve, &raw.stages) {
            (Some(approve), None) => match approve.get_ref() {
                raw::Approve::Word(word) if word == "auto" => Vec::new(),
                raw::Approve::Word(word) => {
                    let help = near(word, ["auto"]).or_else(|| Some("\"auto\" or { from = [\"owners\"] }".into()));
                    self.problem(at, approve, format!("there is no approval '{}'", word.escape_debug()), help);
                    return None;
                }
                raw::Approve::Stage(stage) => vec![stage],
            },
            (None, Some(stages)) if !stages.is_empty() => stages.iter().collect(),
            (None, _) => {
                self.problem(
                    at,
                    &raw.name,
                    "the rule doesn't say who approves",
                    Some("approve = { from = [\"owners\"] }, or \"auto\"".into()),
                );
                return None;
            }
            (Some(_), Some(_)) => {
                self.problem(at, &raw.name, "'approve' is one stage and 'stages' several: give one of them", None);
                return None;
            }
        };
        let stages = stages.into_iter().map(|stage| self.stage(at, &raw.name, stage, known)).collect::<Option<_>>()?;
        let carries = self.carries(at, raw);
        let opening = Opening { on_first_use: self.clock(at, raw)?, single_use: raw.single_use };
        Some(Effect::Allow(Box::new(Terms { max, default, carries, opening, stages })))
    }

    fn carries(&mut self, at: Place<'_>, raw: &raw::Rule) -> Carries {
        Carries {
            reason_min: raw.reason.as_ref().map_or(0, |r| r.min_length),
            reason: raw.reason.as_ref().and_then(|r| r.pattern.as_ref()).and_then(|p| self.pattern(at, p)),
            ticket: raw.ticket.is_some(),
            ticket_pattern: raw.ticket.as_ref().and_then(|t| t.pattern.as_ref()).and_then(|p| self.pattern(at, p)),
        }
    }

    fn break_glass(
        &mut self,
        at: Place<'_>,
        raw: &raw::Rule,
        emergency: &Spanned<raw::BreakGlass>,
        (max, default): (Span, Span),
        known: &Known,
    ) -> Option<Effect> {
        if raw.approve.is_some() || raw.stages.is_some() || raw.clock.is_some() || raw.single_use {
            let help = "what is routine is another rule";
            self.problem(at, emergency, "an emergency opens at once: it has no approval, clock or single use", Some(help.into()));
        }
        if let Some(text) = raw.max.as_ref().filter(|_| max > BREAK_GLASS_MAX) {
            self.problem(at, text, format!("an emergency is short: {BREAK_GLASS_MAX} at the most"), None);
        }
        let raw::BreakGlass { alert, review } = emergency.get_ref();
        for (empty, what, help) in [
            (alert.is_empty(), "an emergency alerts somebody", "alert = [\"owners\", \"manager\"]"),
            (review.from.is_empty(), "an emergency is reviewed by somebody", "review = { from = [\"owners\"], within = \"24h\" }"),
        ] {
            if empty {
                self.problem(at, emergency, what, Some(help.into()));
            }
        }
        let Some(needed) = NonZeroU8::new(review.needed) else {
            self.problem(at, emergency, "an emergency is reviewed by one at least", None);
            return None;
        };
        let within = match &review.within {
            Some(text) => self.parsed(at, text)?,
            None => DEFAULT_REVIEW_WITHIN,
        };
        let from = self.candidates(at, &review.from, known);
        let review = StageByName { from, needed, within, otherwise: OtherwiseByName::Deny, asked_only: false };
        let mut carries = self.carries(at, raw);
        carries.reason_min = carries.reason_min.max(EMERGENCY_REASON_MIN);
        Some(Effect::BreakGlass(Box::new(EmergencyTerms { max, default, carries, alert: self.candidates(at, alert, known), review })))
    }

    fn pattern(&mut self, at: Place<'_>, text: &Text) -> Option<Pattern> {
        Pattern::parse(text.get_ref()).map_err(|why| self.problem(at, text, format!("not a usable pattern: {why}"), None)).ok()
    }

    /// Within what time the first use must come, if the clock starts with it. `None` when that is wrong.
    #[expect(clippy::option_option, reason = "no clock that waits, and no usable clock, are different")]
    fn clock(&mut self, at: Place<'_>, raw: &raw::Rule) -> Option<Option<Span>> {
        let Some(clock) = &raw.clock else { return Some(None) };
        match clock.get_ref() {
            raw::Clock::Word(word) if word == "on_approval" => Some(None),
            raw::Clock::Word(_) => {
                self.problem(at, clock, "a clock is \"on_approval\", or { on_first_use = \"8h\" }", None);
                None
            }
            raw::Clock::OnFirstUse(first) => self.parsed(at, &first.on_first_use).map(Some),
        }
    }

    fn stage(&mut self, at: Place<'_>, rule: &Text, raw: &raw::Stage, known: &Known) -> Option<StageByName> {
        let Some(needed) = NonZeroU8::new(raw.needed) else {
            self.problem(at, rule, "a stage needs one approval at least", Some("approve = \"auto\" is the way to say none".into()));
            return None;
        };
        let from = self.candidates(at, &raw.from, known);
        if raw.from.is_empty() {
            self.problem(at, rule, "a stage says from whom: 'from' is empty", Some("from = [\"owners\"]".into()));
        }
        let within = match &raw.within {
            Some(text) => self.parsed(at, text)?,
            None => DEFAULT_WITHIN,
        };
        let otherwise = match raw.otherwise.as_ref().map(Spanned::get_ref) {
            None => OtherwiseByName::Deny,
            Some(raw::Otherwise::Word(word)) if word == "deny" => OtherwiseByName::Deny,
            Some(raw::Otherwise::Word(word)) if word == "next" => OtherwiseByName::Next,
            Some(raw::Otherwise::Escalate(more)) => {
                OtherwiseByName::Escalate(self.escalation(at, raw.otherwise.as_ref()?, &more.escalate, known))
            }
            Some(raw::Otherwise::Word(_)) => {
                self.problem(at, raw.otherwise.as_ref()?, "otherwise is \"deny\", \"next\", or { escalate = [\"group:…\"] }", None);
                return None;
            }
        };
        Some(StageByName { from, needed, within, otherwise, asked_only: raw.asked_only })
    }

    /// A list of people is one step; a list of lists is one step after the other.
    fn escalation<T>(&mut self, at: Place<'_>, whole: &Spanned<T>, to: &[Spanned<raw::EscalateTo>], known: &Known) -> Vec<Vec<Candidate>> {
        let (mut together, mut steps) = (Vec::new(), Vec::new());
        for entry in to {
            match entry.get_ref() {
                raw::EscalateTo::One(name) => together.push(Spanned::new(entry.span(), name.clone())),
                raw::EscalateTo::Together(list) => {
                    if list.is_empty() {
                        self.problem(at, entry, "this step of the escalation asks nobody", None);
                    }
                    steps.push(self.candidates(at, list, known));
                }
            }
        }
        if to.is_empty() || !(together.is_empty() || steps.is_empty()) {
            let help =
                "escalate = [\"manager\", \"group:heads\"] asks them together; [[\"manager\"], [\"group:heads\"]] one after the other";
            self.problem(at, whole, "an escalation is a list of people, or a list of such lists", Some(help.into()));
        }
        if !together.is_empty() {
            steps.push(self.candidates(at, &together, known));
        }
        steps
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
                Some(("user", name)) => self.known(at, &inner(name), "user", &known.people).map(Candidate::Person),
                _ => {
                    let guess = if known.groups.iter().any(|g| g.as_str() == other) {
                        format!("did you mean 'group:{other}'?")
                    } else if known.people.iter().any(|p| p.as_str() == other) {
                        format!("did you mean 'user:{other}'?")
                    } else {
                        "\"group:engineers\", \"user:ada\", \"owners\" or \"manager\"".into()
                    };
                    self.problem(at, text, format!("'{}' names nobody", other.escape_debug()), Some(guess));
                    None
                }
            },
        }
    }
}

struct Known {
    people: BTreeSet<PrincipalName>,
    groups: BTreeSet<GroupName>,
}
