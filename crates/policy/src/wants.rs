//! What a request must say of itself, by all the rules that let it be asked for: for whoever is about to write it.

use std::collections::BTreeSet;

use crate::rules::{Carries, Pattern};

/// What a request must carry. Patterns are regular expressions as the files have them, each once, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// So many characters of reason at least.
    pub reason_min: usize,
    /// The reason fits all of these.
    pub reason: Vec<String>,
    /// It names a ticket.
    pub ticket: bool,
    /// The ticket fits all of these.
    pub tickets: Vec<String>,
    /// It names a scope: what exactly it is to be used for.
    pub scope: bool,
    /// The scope fits all of these.
    pub scopes: Vec<String>,
}

impl Wants {
    /// The strictest of what several rules ask for.
    pub(crate) fn of<'a>(carries: impl Iterator<Item = &'a Carries>) -> Self {
        let (mut wants, mut reasons, mut tickets, mut scopes) = (Self::default(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let text = |pattern: &Option<Pattern>| pattern.as_ref().map(|p| p.as_str().to_owned());
        for Carries { reason_min, reason, ticket, ticket_pattern, scope, scope_pattern } in carries {
            wants.reason_min = wants.reason_min.max(*reason_min);
            wants.ticket |= ticket;
            wants.scope |= scope;
            reasons.extend(text(reason));
            tickets.extend(text(ticket_pattern));
            scopes.extend(text(scope_pattern));
        }
        let listed = |set: BTreeSet<String>| set.into_iter().collect();
        Self { reason: listed(reasons), tickets: listed(tickets), scopes: listed(scopes), ..wants }
    }

    /// In words: `a reason of 10 characters or more; a ticket that fits ^INC-[0-9]+$`; `None` when it wants nothing.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let fits = |patterns: &[String]| if patterns.is_empty() { String::new() } else { format!(" that fits {}", patterns.join(" and ")) };
        let reason = match (self.reason_min, self.reason.as_slice()) {
            (0, []) => None,
            (0, patterns) => Some(format!("a reason{}", fits(patterns))),
            (min, patterns) => Some(format!("a reason of {min} characters or more{}", fits(patterns))),
        };
        let ticket = self.ticket.then(|| format!("a ticket{}", fits(&self.tickets)));
        let scope = self.scope.then(|| format!("a scope{}", fits(&self.scopes)));
        let all: Vec<String> = [reason, ticket, scope].into_iter().flatten().collect();
        (!all.is_empty()).then(|| all.join("; "))
    }
}
