//! A search over what was asked, what was done and what happened. Everything is found newest first, in answers of bounded time: one that
//! stops before the end says how far it came, and its cursor goes on from there.
//!
//! INVARIANT: what is found is what its caller may see (W3): their own, what they asked for or reviewed, what is on resources that they own;
//! everything for auditors and operators. The ledger's events are for those only.

mod events;
mod facets;
mod line;
mod rows;
mod statements;

use ajar_core::event::Stream;
use ajar_core::id::{GrantId, PrincipalId, RequestId, SessionId};
use ajar_core::name::{PrincipalName, ResourceName, RoleName};
use ajar_core::port::{Clock, Mono, Refusal, RowQuery, SeenBy};
use ajar_core::time::Timestamp;

pub use facets::{Facet, Facets};

use crate::engine::Engine;
use crate::people::Caller;
use crate::refusal::bad_input;

/// How long one answer may look, in nanoseconds.
const LOOKS: u64 = 300_000_000;
/// At most so many in one answer.
const PAGE_MAX: usize = 500;
/// Characters of a text that is looked for.
const TEXT_MAX: usize = 200;
/// Characters that are shown of what was found.
const SHOWN_MAX: usize = 1_000;

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Requests.
    Requests,
    /// Sessions.
    Sessions,
    /// What was recorded in sessions: statements, requests, commands, files, output.
    Statements,
    /// The ledger's events.
    Events,
}

/// What to look for, as somebody said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// Where.
    pub within: Within,
    /// A text; capitals don't matter.
    pub text: Option<String>,
    /// Whose; of an event, who acted.
    pub person: Option<String>,
    /// On what.
    pub resource: Option<String>,
    /// As what.
    pub role: Option<String>,
    /// In which state.
    pub state: Option<String>,
    /// `postgres`, `http` or `ssh`; of an event, what its kind begins with.
    pub kind: Option<String>,
    /// At this instant or later.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    /// The cursor.
    pub before: Option<String>,
    /// At most so many: 50 unless said.
    pub limit: Option<u32>,
    /// Whether to count, too: only without a cursor.
    pub counts: bool,
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What it is of: `request`, `session`, `statement` or `event`.
    pub what: &'static str,
    /// Its id: of a statement, its session's id and its place in the recording; of an event, the stream's.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// Whose it is; of an event, who acted, and nobody when it was Ajar itself.
    pub who: Option<PrincipalId>,
    /// On what.
    pub resource: Option<ResourceName>,
    /// As what.
    pub role: Option<RoleName>,
    /// In which state.
    pub state: Option<String>,
    /// `postgres`, `http` or `ssh`; the kind of an event.
    pub kind: Option<String>,
    /// The reason, the statement, the event in words: as it was written, cut off when it is long.
    pub text: String,
    /// The request that it belongs to.
    pub request: Option<RequestId>,
    /// The grant that it belongs to.
    pub grant: Option<GrantId>,
    /// The session that it belongs to.
    pub session: Option<SessionId>,
    /// Of a statement: seconds since the session's start.
    pub at_in_session: Option<f64>,
    /// Of an event: its number.
    pub seq: Option<u64>,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// What was found, newest first; in one session, in the order in which it happened.
    pub found: Vec<Found>,
    /// Where to go on; nothing when everything was looked at.
    pub next: Option<String>,
    /// How many there are, by what they could be narrowed by.
    pub facets: Facets,
    /// How far back it came, when time was up before everything was looked at.
    pub searched_to: Option<Timestamp>,
}

/// What to look for, checked.
#[derive(Debug, Clone)]
struct Wanted {
    text: Option<String>,
    person: Option<PrincipalId>,
    resource: Option<ResourceName>,
    role: Option<RoleName>,
    state: Option<String>,
    kind: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    limit: usize,
    counts: bool,
    seen_by: Option<SeenBy>,
}

/// Until when an answer may look.
#[derive(Debug, Clone, Copy)]
struct Deadline(Mono);

impl Deadline {
    fn from(clock: &dyn Clock) -> Self {
        Self(Mono(clock.mono().0.saturating_add(LOOKS)))
    }

    fn is_over(self, clock: &dyn Clock) -> bool {
        clock.mono() >= self.0
    }
}

impl Wanted {
    /// Whether any of these holds the text that is looked for.
    fn holds<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        self.text.as_ref().is_none_or(|wanted| texts.into_iter().any(|text| text.to_lowercase().contains(wanted)))
    }

    /// What rows of a kind have to fit, as far as the store can say.
    fn rows(&self, word: &'static str) -> RowQuery {
        RowQuery {
            word,
            states: self.state.iter().cloned().collect(),
            principal: self.person,
            resource: self.resource.clone(),
            role: self.role.clone(),
            seen_by: self.seen_by.clone(),
            ..RowQuery::default()
        }
    }
}

/// A text, cut off when it is long.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

fn bad_cursor() -> Refusal {
    bad_input("'before' is not a cursor", "give 'next' of the page before, of the same search")
}

impl Engine {
    /// Looks for something.
    ///
    /// # Errors
    /// When the caller may not look there, what was said is unusable, or the store can't be read.
    pub async fn search(&self, caller: &Caller, query: SearchQuery) -> Result<Answer, Refusal> {
        let (within, before) = (query.within, query.before.clone());
        if within == Within::Events {
            self.auditor(caller)?;
        }
        let Some(wanted) = self.wanted(caller, query)? else { return Ok(Answer::default()) };
        // What is looked through, and not only listed, keeps a core busy.
        let looks_through = wanted.text.is_some() || wanted.kind.is_some() || matches!(within, Within::Statements | Within::Events);
        let _turn = if looks_through { Some(self.looking.take(caller.principal).await?) } else { None };
        match within {
            Within::Requests => self.requests_found(&wanted, cursor(before, "request")?).await,
            Within::Sessions => self.sessions_found(&wanted, cursor(before, "session")?).await,
            Within::Statements => self.statements_found(&wanted, before).await,
            Within::Events => self.events_found(&wanted, before).await,
        }
    }

    /// What is looked for; nothing when it is of something that can't be the name of anything.
    fn wanted(&self, caller: &Caller, query: SearchQuery) -> Result<Option<Wanted>, Refusal> {
        let text = query.text.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
        if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_MAX) {
            return Err(bad_input(format!("the text is longer than {TEXT_MAX} characters"), "look for less of it"));
        }
        if query.from.zip(query.to).is_some_and(|(from, to)| from >= to) {
            return Err(bad_input("the range ends before it begins", "give 'from' before 'to', each with a zone"));
        }
        // Whoever there isn't is looked for like whoever isn't theirs to see: the answers are the same.
        let nobody = PrincipalId::new(uuid::Uuid::nil());
        let known = |name: &str| name.parse::<PrincipalName>().ok().and_then(|name| self.people.id(&name)).unwrap_or(nobody);
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let person = said(&query.person).as_deref().map(known);
        let resource = said(&query.resource).map(|name| name.parse::<ResourceName>().ok());
        let role = said(&query.role).map(|name| name.parse::<RoleName>().ok());
        if resource == Some(None) || role == Some(None) {
            return Ok(None);
        }
        Ok(Some(Wanted {
            text,
            person,
            resource: resource.flatten(),
            role: role.flatten(),
            state: query.state.filter(|state| !state.is_empty()),
            kind: query.kind.filter(|kind| !kind.is_empty()),
            from: query.from,
            to: query.to,
            limit: usize::try_from(query.limit.unwrap_or(50)).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX),
            counts: query.counts && query.before.is_none(),
            seen_by: self.seen_by(caller),
        }))
    }

    /// What kind of thing a resource is, if the files have it.
    #[must_use]
    pub fn kind_of(&self, resource: &ResourceName) -> Option<&'static str> {
        self.rules().resource(resource).map(|found| found.kind.word())
    }
}

fn cursor(before: Option<String>, word: &str) -> Result<Option<Stream>, Refusal> {
    let read = |text: String| text.parse::<Stream>().ok().filter(|stream| stream.word() == word).ok_or_else(bad_cursor);
    before.map(read).transpose()
}
