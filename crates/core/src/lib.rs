//! Ajar's core: what a request, a grant, a lease and a session are, and how they may change.
//!
//! Everything here is a pure function of (state, command, facts, now). No socket, file, clock,
//! environment or randomness: those come in as arguments or through the ports in [`port`].
//!
//! | module | owns |
//! | --- | --- |
//! | [`id`], [`name`], [`time`], [`secret`], [`sealed`] | the words everything else is written in |
//! | [`plan`] | stages, and whether distinct humans have met them |
//! | [`request`], [`grant`], [`lease`], [`session`], [`lock`], [`delegation`], [`preapproval`], [`debt`], [`directory`] | one lifecycle each: commands → events, events → state |
//! | [`history`] | what lately became of requests |
//! | [`event`] | the envelope that becomes a leaf of the ledger |
//! | [`world`] | the fold of all events, with its indexes and timers |
//! | [`permit`] | the signed proof that a grant is open |
//! | [`resource`], [`http`], [`ssh`] | what people get into, and what a role on an HTTP API or an SSH host allows |
//! | [`port`] | the traits that the outside implements |

pub mod debt;
pub mod delegation;
pub mod directory;
pub mod event;
pub mod grant;
pub mod history;
pub mod http;
pub mod id;
pub mod lease;
pub mod lock;
pub mod name;
pub mod passkey;
pub mod permit;
pub mod plan;
pub mod port;
pub mod preapproval;
pub mod request;
pub mod resource;
pub mod sealed;
pub mod secret;
pub mod session;
pub mod ssh;
pub mod time;
pub mod world;
