//! How many of what was found there are, by what a search could be narrowed by.

use std::collections::BTreeMap;

use ajar_core::port::Tally;

use super::{Found, Wanted};
use crate::engine::Engine;

/// Values of one facet that are told, those with the most first.
const VALUES_MAX: usize = 50;

/// Counts by what a search could be narrowed by. Without a text they are exact, and those of each facet leave its own narrowing aside; with one
/// they are of what the answer has looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// By name of whose it is.
    pub person: Vec<Facet>,
    /// By resource.
    pub resource: Vec<Facet>,
    /// By role.
    pub role: Vec<Facet>,
    /// By state.
    pub state: Vec<Facet>,
    /// By kind.
    pub kind: Vec<Facet>,
}

/// One value, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// The value, as a search takes it.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// Counts in the making.
#[derive(Debug, Default)]
pub(super) struct Counts {
    person: BTreeMap<String, u64>,
    resource: BTreeMap<String, u64>,
    role: BTreeMap<String, u64>,
    state: BTreeMap<String, u64>,
    kind: BTreeMap<String, u64>,
}

impl Counts {
    /// Counts one that was found.
    pub(super) fn add(&mut self, engine: &Engine, found: &Found) {
        let one = |counts: &mut BTreeMap<String, u64>, value: Option<String>| {
            if let Some(value) = value {
                *counts.entry(value).or_default() += 1;
            }
        };
        one(&mut self.person, found.who.map(|who| engine.name(who)));
        one(&mut self.resource, found.resource.as_ref().map(ToString::to_string));
        one(&mut self.role, found.role.as_ref().map(ToString::to_string));
        one(&mut self.state, found.state.clone());
        one(&mut self.kind, found.kind.clone());
    }

    /// Counts rows that were counted without regard to what the search is narrowed by.
    pub(super) fn of(engine: &Engine, wanted: &Wanted, tallies: &[Tally]) -> Self {
        let mut counts = Self::default();
        for tally in tallies {
            let kind = tally.resource.as_ref().and_then(|resource| engine.kind_of(resource));
            let fits = [
                wanted.person.is_none() || tally.principal == wanted.person,
                wanted.resource.is_none() || tally.resource == wanted.resource,
                wanted.role.is_none() || tally.role == wanted.role,
                wanted.state.as_ref().is_none_or(|state| *state == tally.state),
                wanted.kind.is_none() || kind == wanted.kind.as_deref(),
            ];
            // What fits in every respect but, perhaps, the facet's own.
            let but = |own: usize| fits.iter().enumerate().all(|(index, fits)| *fits || index == own);
            let values = [
                tally.principal.map(|who| engine.name(who)),
                tally.resource.as_ref().map(ToString::to_string),
                tally.role.as_ref().map(ToString::to_string),
                Some(tally.state.clone()),
                kind.map(str::to_owned),
            ];
            let all = [&mut counts.person, &mut counts.resource, &mut counts.role, &mut counts.state, &mut counts.kind];
            for (own, (into, value)) in all.into_iter().zip(values).enumerate() {
                if let Some(value) = value.filter(|_| but(own)) {
                    *into.entry(value).or_default() += tally.count;
                }
            }
        }
        counts
    }

    pub(super) fn facets(self) -> Facets {
        let facet = |counts: BTreeMap<String, u64>| {
            let mut facet: Vec<Facet> = counts.into_iter().map(|(value, count)| Facet { value, count }).collect();
            facet.sort_by_key(|facet| std::cmp::Reverse(facet.count));
            facet.truncate(VALUES_MAX);
            facet
        };
        Facets {
            person: facet(self.person),
            resource: facet(self.resource),
            role: facet(self.role),
            state: facet(self.state),
            kind: facet(self.kind),
        }
    }
}
