//! Trying rules out before they are in force: their tests, lint, one request, the requests of the past.

mod markdown;
mod offline;
mod past;

use std::collections::BTreeMap;
use std::path::Path;

use ajar_core::history::History;
use ajar_core::name::{PrincipalName, RoleName};
use ajar_core::port::Clock;
use ajar_core::resource::Resource;
use ajar_core::time::{Span, Timestamp};
use ajar_engine::ExplainView;
use ajar_policy::{Bound, Finding, Question, RuleSet, Severity, Suite};
use serde_json::{Value, json};

pub(super) use self::past::{replay, suggest};
use super::explain;
use crate::cli::rehearse::{Lint, Simulate, Test};
use crate::clock::SystemClock;
use crate::exit::{Code, Failure};
use crate::folder::read_dir;
use crate::output::{Output, Table, say};

fn rules(dir: &Path) -> Result<RuleSet, Failure> {
    super::policy::check(&read_dir(dir)?)
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::new(Code::Usage, message)
}

pub(super) fn test(out: Output, args: &Test) -> Result<(), Failure> {
    let suite = rules(&args.dir)?.run_tests();
    let percent = suite.coverage.percent();
    out.list(&suite_json(&suite), || {
        let mut table = Table::new(&["result", "test", "where", "expected", "found"]);
        for result in &suite.results {
            let word = if result.passed() { "ok" } else { "FAILED" };
            table.row([word.into(), result.name.clone(), result.spot.to_string(), result.wrong.join("; "), result.found.clone()]);
        }
        table
    })?;
    let failed = suite.results.iter().filter(|result| !result.passed()).count();
    for rule in &suite.coverage.untouched {
        say(&format!("no test touches rule {rule}"));
    }
    for seen in &suite.coverage.conditions {
        let side = match (seen.seen_true, seen.seen_false) {
            (false, false) => "at all",
            (false, true) => "true",
            (true, _) => "false",
        };
        say(&format!("no test sees {} of rule {} {side}: {}", seen.part, seen.rule, seen.condition));
    }
    say(&format!("{} tests, {failed} failed; they touch {percent} % of rules and conditions", suite.results.len()));
    if failed > 0 {
        return Err(Failure::new(Code::Error, format!("{failed} of {} tests failed", suite.results.len())));
    }
    match args.min_coverage.map(usize::from).filter(|min| percent < *min) {
        Some(min) => Err(Failure::new(Code::Error, format!("the tests touch {percent} % of rules and conditions, {min} % are asked for"))),
        None => Ok(()),
    }
}

fn suite_json(suite: &Suite) -> Value {
    let results = suite.results.iter().map(|result| {
        json!({
            "name": result.name, "file": result.spot.file, "line": result.spot.line, "passed": result.passed(),
            "expected": result.wrong, "found": result.found,
        })
    });
    let conditions = suite.coverage.conditions.iter().map(|seen| {
        json!({ "rule": seen.rule, "part": seen.part, "condition": seen.condition, "seen_true": seen.seen_true, "seen_false": seen.seen_false })
    });
    json!({
        "tests": results.collect::<Vec<_>>(),
        "coverage": {
            "percent": suite.coverage.percent(), "untouched": suite.coverage.untouched, "conditions": conditions.collect::<Vec<_>>(),
        },
    })
}

pub(super) fn lint(out: Output, args: &Lint) -> Result<(), Failure> {
    let lint = rules(&args.dir)?.lint(SystemClock::new().now());
    let json = |finding: &Finding| {
        json!({
            "severity": finding.severity.word(), "file": finding.spot.as_ref().map(|s| &s.file), "line": finding.spot.as_ref().map(|s| s.line),
            "rule": finding.rule, "message": finding.message, "help": finding.help,
        })
    };
    let whole = json!({ "findings": lint.findings.iter().map(json).collect::<Vec<_>>(), "cut_short": lint.cut_short });
    out.list(&whole, || {
        let mut table = Table::new(&["where", "severity", "rule", "what", "help"]);
        for Finding { severity, spot, rule, message, help } in &lint.findings {
            let spot = spot.as_ref().map(ToString::to_string).unwrap_or_default();
            let rule = rule.as_ref().map(ToString::to_string).unwrap_or_default();
            table.row([spot, severity.word().into(), rule, message.clone(), help.clone()]);
        }
        table
    })?;
    if lint.cut_short {
        say("the rules are too many to be looked at in every combination: some were not");
    }
    let count = |severity| lint.findings.iter().filter(|f| f.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors == 0 && (warnings == 0 || !args.strict) {
        say(&format!("errors: 0, warnings: {warnings}"));
        return Ok(());
    }
    Err(Failure::new(Code::Error, format!("errors: {errors}, warnings: {warnings}")))
}

pub(super) fn simulate(out: Output, args: Simulate) -> Result<(), Failure> {
    let rules = rules(&args.dir)?.bind_draft(&BTreeMap::new());
    let question = question(&rules, &args)?;
    let history = History::default();
    let at = rules.at(&history, question.at);
    let view = ExplainView::of(&rules, &question, &at, args.all);
    let found = ajar_api::explanation(view, &|id| rules.name(id));
    let stricter = rules.stricter(&question);
    let whole = || {
        let stricter = stricter.iter().map(|s| json!({ "rule": s.rule, "when": s.condition, "would": s.would }));
        json!({ "explanation": found, "stricter": stricter.collect::<Vec<_>>() })
    };
    out.one(&whole(), || {
        let mut fields = explain::fields(&found);
        fields.extend(
            stricter.iter().map(|s| ("stricter", format!("{} if rule {} matched, which it does when {}", s.would, s.rule, s.condition))),
        );
        fields
    })?;
    explain::refused(found)
}

fn question(rules: &Bound, args: &Simulate) -> Result<Question, Failure> {
    let somebody = |name: &str| {
        let id = name.parse::<PrincipalName>().ok().and_then(|name| rules.id_of(&name));
        id.ok_or_else(|| usage(format!("there is no '{name}' in these files")))
    };
    let resource = args.resource.parse().ok().and_then(|name| rules.resource(&name));
    let resource = resource.ok_or_else(|| usage(format!("there is no resource '{}' in these files", args.resource)))?;
    let asks = somebody(&args.user)?;
    Ok(Question {
        beneficiary: args.on_behalf_of.as_deref().map_or(Ok(asks), somebody)?,
        duration: args.duration.as_deref().map(str::parse::<Span>).transpose().map_err(|e| usage(format!("--for is {e}")))?,
        reason: args.reason.clone().unwrap_or_default(),
        ticket: args.ticket.clone(),
        scope: args.scope.clone(),
        emergency: args.emergency,
        ..Question::new(asks, resource.name.clone(), role(resource, args.role.as_deref())?, instant(args.at.as_deref())?)
    })
}

fn role(resource: &Resource, said: Option<&str>) -> Result<RoleName, Failure> {
    let roles = resource.roles();
    let names = || roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (said, &resource.default_role, roles.as_slice()) {
        (Some(said), ..) => {
            let found = roles.iter().find(|role| role.as_str() == said);
            found.map(|role| (*role).clone()).ok_or_else(|| usage(format!("{} has no role '{said}'", resource.name)).hint(names()))
        }
        (None, Some(role), _) => Ok(role.clone()),
        (None, None, [only]) => Ok((*only).clone()),
        (None, None, _) => {
            Err(usage(format!("{} has several roles: say which", resource.name)).hint(format!("--role: one of {}", names())))
        }
    }
}

fn instant(said: Option<&str>) -> Result<Timestamp, Failure> {
    let Some(text) = said else { return Ok(SystemClock::new().now()) };
    ajar_policy::instant(text).ok_or_else(|| {
        usage("--at is an instant: it needs a day, a time and a zone")
            .hint("for example 2026-12-24T08:00[Europe/Berlin] or 2026-12-24T07:00Z")
    })
}
