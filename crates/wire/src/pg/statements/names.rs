//! What the names of prepared statements and portals stand for, within limits.

use std::collections::BTreeMap;

use super::Limits;
use super::record::{Kind, Outcome, Statement, StatementText};

/// A name as the server compares it.
pub(super) type Name = Box<[u8]>;

/// The server keeps `NAMEDATALEN - 1` bytes of a name.
const MAX_NAME: usize = 63;

/// A name as the server compares it.
pub(super) fn key(name: &[u8]) -> Name {
    name.get(..MAX_NAME).unwrap_or(name).into()
}

/// A name for people.
pub(super) fn shown(name: &Name) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// What a name stands for.
#[derive(Debug)]
pub(super) struct Tracked {
    /// None: not known.
    pub(super) text: Option<StatementText>,
    /// The prepared statement's name.
    pub(super) statement: Name,
    /// A prepared statement was bound, a portal was run.
    pub(super) used: bool,
    /// When it came about.
    pub(super) at: u64,
}

impl Tracked {
    fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, |text| text.head().len())
    }

    pub(super) fn statement(self, outcome: Outcome, now: u64) -> Statement {
        Statement { name: shown(&self.statement), ..Statement::new(Kind::Extended, self.text, self.at, now, outcome) }
    }
}

/// Whether a name could be remembered.
#[derive(Debug)]
#[must_use]
pub(super) enum Taken {
    Yes,
    Full(Tracked),
}

/// Both kinds of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    statements: BTreeMap<Name, Tracked>,
    portals: BTreeMap<Name, Tracked>,
    bytes: usize,
    overflowed: bool,
}

impl Names {
    /// Whether something couldn't be remembered.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    pub(super) fn define(&mut self, name: Name, tracked: Tracked, limits: &Limits) -> Taken {
        if self.statements.len() >= limits.names || self.bytes.saturating_add(tracked.bytes()) > limits.name_bytes {
            self.overflowed = true;
            return Taken::Full(tracked);
        }
        self.bytes += tracked.bytes();
        self.statements.insert(name, tracked);
        Taken::Yes
    }

    pub(super) fn bind(&mut self, portal: Name, tracked: Tracked, limits: &Limits) -> Taken {
        if self.portals.len() >= limits.names || self.bytes.saturating_add(tracked.bytes()) > limits.name_bytes {
            self.overflowed = true;
            return Taken::Full(tracked);
        }
        self.bytes += tracked.bytes();
        self.portals.insert(portal, tracked);
        Taken::Yes
    }

    /// What a statement's name stands for.
    pub(super) fn text(&self, statement: &Name) -> Option<StatementText> {
        self.statements.get(statement)?.text.clone()
    }

    /// The same, to bind it.
    pub(super) fn use_statement(&mut self, statement: &Name) -> Option<StatementText> {
        let tracked = self.statements.get_mut(statement)?;
        tracked.used = true;
        tracked.text.clone()
    }

    pub(super) fn portal(&self, portal: &Name) -> Option<&Tracked> {
        self.portals.get(portal)
    }

    /// The same, to run it.
    pub(super) fn run_portal(&mut self, portal: &Name) -> Option<&Tracked> {
        let tracked = self.portals.get_mut(portal)?;
        tracked.used = true;
        Some(tracked)
    }

    pub(super) fn close_statement(&mut self, name: &Name) -> Option<Tracked> {
        let tracked = self.statements.remove(name)?;
        self.bytes = self.bytes.saturating_sub(tracked.bytes());
        Some(tracked)
    }

    pub(super) fn close_portal(&mut self, name: &Name) -> Option<Tracked> {
        let tracked = self.portals.remove(name)?;
        self.bytes = self.bytes.saturating_sub(tracked.bytes());
        Some(tracked)
    }

    /// All that have a name.
    pub(super) fn close_named_statements(&mut self) -> Vec<Tracked> {
        let unnamed = self.statements.remove(&Name::default());
        let gone: Vec<Tracked> = std::mem::take(&mut self.statements).into_values().collect();
        self.statements.extend(unnamed.map(|tracked| (Name::default(), tracked)));
        self.bytes = self.bytes.saturating_sub(gone.iter().map(Tracked::bytes).sum());
        gone
    }

    pub(super) fn close_portals(&mut self) -> Vec<Tracked> {
        let gone: Vec<Tracked> = std::mem::take(&mut self.portals).into_values().collect();
        self.bytes = self.bytes.saturating_sub(gone.iter().map(Tracked::bytes).sum());
        gone
    }

    /// Everything; portals first.
    pub(super) fn close_all(&mut self) -> Vec<Tracked> {
        let mut gone = self.close_portals();
        gone.extend(std::mem::take(&mut self.statements).into_values());
        self.bytes = 0;
        gone
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
