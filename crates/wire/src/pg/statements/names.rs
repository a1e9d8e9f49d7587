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

/// One kind of names. The unnamed one stands apart: most clients use no other.
#[derive(Debug, Default)]
struct Table {
    unnamed: Option<Tracked>,
    named: BTreeMap<Name, Tracked>,
}

impl Table {
    fn len(&self) -> usize {
        self.named.len() + usize::from(self.unnamed.is_some())
    }

    fn find(&self, name: &Name) -> Option<&Tracked> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.named.get(name) }
    }

    fn find_mut(&mut self, name: &Name) -> Option<&mut Tracked> {
        if name.is_empty() { self.unnamed.as_mut() } else { self.named.get_mut(name) }
    }

    fn put(&mut self, name: Name, tracked: Tracked) {
        if name.is_empty() {
            self.unnamed = Some(tracked);
        } else {
            self.named.insert(name, tracked);
        }
    }

    fn remove(&mut self, name: &Name) -> Option<Tracked> {
        if name.is_empty() { self.unnamed.take() } else { self.named.remove(name) }
    }
}

/// Both kinds of names.
#[derive(Debug, Default)]
pub(super) struct Names {
    statements: Table,
    portals: Table,
    bytes: usize,
    overflowed: bool,
}

impl Names {
    /// Whether something couldn't be remembered.
    pub(super) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// A name that is free stands for this from now on.
    pub(super) fn define(&mut self, name: Name, tracked: Tracked, limits: &Limits) -> Taken {
        if self.is_full(&self.statements, &tracked, limits) {
            self.overflowed = true;
            return Taken::Full(tracked);
        }
        self.bytes += tracked.bytes();
        self.statements.put(name, tracked);
        Taken::Yes
    }

    /// A portal that is free runs this from now on.
    pub(super) fn bind(&mut self, portal: Name, tracked: Tracked, limits: &Limits) -> Taken {
        if self.is_full(&self.portals, &tracked, limits) {
            self.overflowed = true;
            return Taken::Full(tracked);
        }
        self.bytes += tracked.bytes();
        self.portals.put(portal, tracked);
        Taken::Yes
    }

    fn is_full(&self, table: &Table, tracked: &Tracked, limits: &Limits) -> bool {
        table.len() >= limits.names || self.bytes.saturating_add(tracked.bytes()) > limits.name_bytes
    }

    /// What a statement's name stands for.
    pub(super) fn text(&self, statement: &Name) -> Option<StatementText> {
        self.statements.find(statement)?.text.clone()
    }

    /// The same, to bind it.
    pub(super) fn use_statement(&mut self, statement: &Name) -> Option<StatementText> {
        let tracked = self.statements.find_mut(statement)?;
        tracked.used = true;
        tracked.text.clone()
    }

    pub(super) fn portal(&self, portal: &Name) -> Option<&Tracked> {
        self.portals.find(portal)
    }

    /// The same, to run it.
    pub(super) fn run_portal(&mut self, portal: &Name) -> Option<&Tracked> {
        let tracked = self.portals.find_mut(portal)?;
        tracked.used = true;
        Some(tracked)
    }

    pub(super) fn close_statement(&mut self, name: &Name) -> Option<Tracked> {
        let gone = self.statements.remove(name);
        self.forget(gone)
    }

    pub(super) fn close_portal(&mut self, name: &Name) -> Option<Tracked> {
        let gone = self.portals.remove(name);
        self.forget(gone)
    }

    /// All statements that have a name.
    pub(super) fn close_named_statements(&mut self) -> impl Iterator<Item = Tracked> + use<> {
        let unnamed = self.statements.unnamed.take();
        let gone = std::mem::replace(&mut self.statements, Table { unnamed, ..Table::default() });
        self.forget_all(gone)
    }

    pub(super) fn close_portals(&mut self) -> impl Iterator<Item = Tracked> + use<> {
        let gone = std::mem::take(&mut self.portals);
        self.forget_all(gone)
    }

    /// Everything; portals first.
    pub(super) fn close_all(&mut self) -> impl Iterator<Item = Tracked> + use<> {
        let statements = std::mem::take(&mut self.statements);
        self.close_portals().chain(self.forget_all(statements))
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget(&mut self, gone: Option<Tracked>) -> Option<Tracked> {
        self.bytes = self.bytes.saturating_sub(gone.as_ref().map_or(0, Tracked::bytes));
        gone
    }

    fn forget_all(&mut self, gone: Table) -> impl Iterator<Item = Tracked> + use<> {
        let bytes: usize = gone.unnamed.iter().chain(gone.named.values()).map(Tracked::bytes).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        gone.unnamed.into_iter().chain(gone.named.into_values())
    }
}
