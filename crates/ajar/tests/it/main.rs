//! The whole product: the real binary, a real PostgreSQL, stock clients.

#![expect(clippy::disallowed_methods, reason = "what real clients see is measured by the real clock")]

#[cfg(test)]
mod api;
#[cfg(test)]
mod asking;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod authenticator;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cookbook;
#[cfg(test)]
mod deadline;
#[cfg(test)]
mod deciding;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod docs;
#[cfg(test)]
mod entering;
#[cfg(test)]
mod events;
#[cfg(test)]
mod extending;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod from_git;
#[cfg(test)]
mod http;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod lookback;
#[cfg(test)]
#[path = "../../../policy/tests/it/made.rs"]
mod made;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod passkeys;
#[cfg(test)]
mod pipelines;
#[cfg(test)]
mod play;
#[cfg(test)]
mod rehearse;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod ssh_story;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod story;
#[cfg(test)]
mod watching;
#[cfg(test)]
mod wire;
