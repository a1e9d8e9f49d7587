//! Reports for a pull request. INVARIANT I19: whatever comes from files or from the ledger stands there as plain text: no markup, no link,
//! no mention.

use std::fmt::Write;

use ajar_api::model::{PolicyReplay, PolicySuggestions, Waits};

use crate::output::inert;

pub(super) fn replay(report: &PolicyReplay) -> String {
    let mut out = format!("**{}**\n", text(&report.headline));
    if report.changed > 0 {
        out.push_str("\n| change | requests |\n| --- | ---: |\n");
        for change in &report.changes {
            let words = change.text.split_once(' ').map_or(change.text.as_str(), |(_, words)| words);
            push(&mut out, &[text(words), change.count.to_string()]);
        }
    }
    out.push_str("\n| wait | then | with these rules |\n| --- | ---: | ---: |\n");
    for (name, of) in [("median", (|w| &w.median) as fn(&Waits) -> &Option<String>), ("nine of ten within", |w| &w.p90)] {
        let shown = |waits: &Waits| of(waits).as_deref().map_or_else(|| "–".to_owned(), text);
        push(&mut out, &[name.to_owned(), shown(&report.before), shown(&report.after)]);
    }
    push(&mut out, &["let in".into(), report.before.count.to_string(), report.after.count.to_string()]);
    if !report.rows.is_empty() {
        let _infallible = write!(out, "\n<details>\n<summary>The {} requests</summary>\n\n", report.rows.len());
        out.push_str(
            "| request | at | who | what | then | became | now | rule | why |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for row in &report.rows {
            let who = row.by.as_ref().map_or_else(|| code(&row.who), |by| format!("{} (asked by {})", code(&row.who), code(by)));
            let at = row.at.get(..16).unwrap_or(&row.at);
            let why = row.why.as_deref().map(code).unwrap_or_default();
            let cells = [code(&row.id), text(at), who, code(&row.what), text(&row.before), text(&row.became), text(&row.after)];
            let cells: Vec<String> =
                cells.into_iter().chain([row.rules.iter().map(|r| code(r)).collect::<Vec<_>>().join(" "), why]).collect();
            push(&mut out, &cells);
        }
        if report.left_off > 0 {
            let _infallible = write!(out, "\nAnd {} more.\n", report.left_off);
        }
        out.push_str("\n</details>\n");
    }
    notes(&mut out, &report.notes);
    out
}

pub(super) fn suggestions(found: &PolicySuggestions) -> String {
    let mut out = match found.items.len() {
        0 => format!("**{} requests suggest nothing.**\n", found.requests),
        1 => format!("**{} requests suggest one change.**\n", found.requests),
        many => format!("**{} requests suggest {many} changes.**\n", found.requests),
    };
    for item in &found.items {
        let place = item.place.as_deref().map(|place| format!(" ({})", code(place))).unwrap_or_default();
        let _infallible = write!(out, "\n- **{}**{place}: {}", text(&item.message), text(&item.evidence));
        if !item.examples.is_empty() {
            let examples: Vec<String> = item.examples.iter().map(|id| code(id)).collect();
            let _infallible = write!(out, "; for example {}", examples.join(", "));
        }
        let lines: Vec<String> = item.change.lines().map(code).collect();
        let _infallible = writeln!(out, "<br>{}", lines.join("<br>"));
    }
    notes(&mut out, &found.notes);
    out
}

fn notes(out: &mut String, notes: &[String]) {
    for note in notes {
        let _infallible = write!(out, "\n_Note: {}._\n", text(note));
    }
}

fn push(out: &mut String, cells: &[String]) {
    let _infallible = writeln!(out, "| {} |", cells.join(" | "));
}

/// In a fixed width, where nothing is taken for a link or a mention.
fn code(shown: &str) -> String {
    if shown.is_empty() { String::new() } else { format!("<code>{}</code>", text(shown)) }
}

/// Every character that could be markup, as a character reference.
fn text(shown: &str) -> String {
    inert(shown).chars().fold(String::new(), |mut out, c| {
        let plain =
            c.is_alphanumeric() || matches!(c, ' ' | ',' | '.' | ';' | '-' | '/' | '→' | '%' | '=' | '–' | '\'' | '"' | '(' | ')' | '+');
        let plain = plain || c == ':' && !out.ends_with("http") && !out.ends_with("https");
        if plain {
            out.push(c);
        } else {
            let _infallible = write!(out, "&#{};", u32::from(c));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use ajar_api::model::ReplayedRequest;

    use super::*;

    #[test]
    fn i19_w02_hostile_text_is_no_markup() {
        let hostile = "<img src=x onerror=1>|`x`](https://x.example) **b** @team #1 \u{202e}\u{1b}[31m\nnew | row &amp; ~~s~~ _i_ \\| <!-- </details>";
        let waits = || Waits { count: 1, median: Some(hostile.into()), p90: None };
        let row = ReplayedRequest {
            id: hostile.into(),
            at: hostile.into(),
            who: hostile.into(),
            by: Some(hostile.into()),
            what: hostile.into(),
            change: hostile.into(),
            before: hostile.into(),
            became: hostile.into(),
            after: hostile.into(),
            rules: vec![hostile.into()],
            why: Some(hostile.into()),
        };
        let report = PolicyReplay {
            headline: hostile.into(),
            since: None,
            requests: 1,
            changed: 1,
            changes: vec![ajar_api::model::ReplayedChange { change: hostile.into(), count: 1, text: format!("1 {hostile}") }],
            before: waits(),
            after: waits(),
            estimated: 0,
            rows: vec![row],
            left_off: 0,
            notes: vec![hostile.into()],
        };
        let shown = replay(&report);
        for part in ["<img", "`", "](", "https:", "@team", " #1", "\u{202e}", "\u{1b}", "**b", "~~", "_i_", "&amp;", "<!--", "\\|"] {
            assert!(!shown.contains(part), "{part:?} in:\n{shown}");
        }
        // Every row has the columns of its head.
        let columns = |line: &str| line.matches('|').count();
        let rows: Vec<&str> = shown.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.iter().map(|row| columns(row)).collect::<Vec<_>>(), [3, 3, 3, 4, 4, 4, 4, 4, 10, 10, 10]);
        assert_eq!((shown.matches("<details>").count(), shown.matches("</details>").count()), (1, 1));
        let found = PolicySuggestions {
            since: None,
            requests: 1,
            items: vec![ajar_api::model::Suggestion {
                kind: hostile.into(),
                rule: hostile.into(),
                place: Some(hostile.into()),
                message: hostile.into(),
                evidence: hostile.into(),
                examples: vec![hostile.into()],
                change: hostile.into(),
            }],
            notes: vec![hostile.into()],
        };
        let shown = suggestions(&found);
        for part in ["<img", "`", "](", "https:", "@team", " #1", "\u{202e}", "\u{1b}", "**b", "~~", "_i_", "&amp;", "<!--", "|"] {
            assert!(!shown.contains(part), "{part:?} in:\n{shown}");
        }
    }
}
