//! What would come of a request, and why.

use ajar_api::model::{Explanation, RulePart, Stage};

use crate::cli;
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::output::Output;

pub(super) async fn explain(client: &Client, out: Output, args: cli::Explain) -> Result<(), Failure> {
    let cli::Explain { resource, role, duration, reason, ticket, scope, emergency, at, on_behalf_of, user } = args;
    let who = [("scope", scope), ("on_behalf_of", on_behalf_of), ("user", user)];
    let said = [("role", role), ("for", duration), ("reason", reason), ("ticket", ticket), ("at", at)].into_iter().chain(who);
    let mut query: Vec<_> = said.filter_map(|(name, value)| Some((name, value?))).collect();
    if emergency {
        query.push(("emergency", "true".into()));
    }
    let found: Explanation = client.get(&["resources", &resource, "explain"], &query).await?;
    out.one(&found, || fields(&found))?;
    refused(found)
}

/// A refusal is told by the exit code too.
pub(super) fn refused(found: Explanation) -> Result<(), Failure> {
    match &found.refused {
        None => Ok(()),
        Some(why) => Err(Failure::new(Code::NotRequestable, why.clone()).hint(found.hint.unwrap_or_default())),
    }
}

pub(super) fn fields(found: &Explanation) -> Vec<(&'static str, String)> {
    let outcome = match found.outcome.as_str() {
        "automatic" => "approved automatically",
        "review" => "waits for a decision",
        "emergency" => "opens at once, alerts, and owes a review",
        "denied" => "denied by a rule",
        _ => "refused",
    };
    let mut fields = vec![("outcome", outcome.to_owned()), ("resource", found.resource.clone()), ("role", found.role.clone())];
    if let (Some(duration), Some(max)) = (&found.duration, &found.max) {
        fields.push(("for", format!("{duration}, {max} at the most")));
    }
    for stage in &found.stages {
        let able = if stage.able.is_empty() { "nobody".into() } else { stage.able.join(", ") };
        let enough = if stage.can_be_fulfilled { "" } else { ": not enough, so that it escalates or is denied at once" };
        fields.push(("stage", format!("{}; now {able}{enough}", stage_line(&stage.stage))));
        if !stage.online.is_empty() {
            fields.push(("online", stage.online.join(", ")));
        }
    }
    fields.extend(found.label.iter().map(|label| ("must say", label.clone())));
    if found.low_risk {
        fields.push(("risk", "low".into()));
    }
    if !found.alerted.is_empty() {
        fields.push(("alerted", found.alerted.join(", ")));
    }
    fields.extend(found.less.iter().map(|less| ("less", less.words.clone())));
    fields.extend(found.rules.iter().map(|rule| ("rule", rule_line(rule))));
    fields.extend(found.values.as_object().into_iter().flatten().map(|(name, value)| ("seen", format!("{name} is {value}"))));
    fields
}

fn stage_line(stage: &Stage) -> String {
    let otherwise = stage.otherwise.join(", then ");
    format!("{} of {} within {}, otherwise {otherwise}", stage.needed, stage.from.join(" or "), stage.within)
}

fn rule_line(rule: &RulePart) -> String {
    let name = &rule.rule;
    if let Some(why) = &rule.passed_over {
        return format!("{name} says nothing of it: {why}");
    }
    let does = match (rule.effect.as_str(), rule.stages.as_slice()) {
        ("deny", _) => "denies it".to_owned(),
        ("break_glass", _) => "lets it open at once".to_owned(),
        (_, []) => "approves it automatically".to_owned(),
        (_, stages) => format!("asks for {}", stages.iter().map(stage_line).collect::<Vec<_>>().join("; then ")),
    };
    let max = rule.max.as_deref().map(|max| format!(", for {max} at the most")).unwrap_or_default();
    let lacks = rule.lacks.as_deref().map(|lacks| format!("; but {lacks}")).unwrap_or_default();
    format!("{name} {does}{max}{lacks}")
}
