//! Refusals in words: what, why, and what to do next (I20); the same for what may not be known and what doesn't exist.

use ajar_core::id::RequestId;
use ajar_core::port::{Refusal, RefusalKind};
use ajar_core::request::RequestError;
use ajar_core::world::WorldError;

use crate::sequencer::{Failed, Unavailable};

pub(crate) fn refusal(kind: RefusalKind, message: impl Into<String>, detail: Option<String>, hint: Option<String>) -> Refusal {
    Refusal { kind, message: message.into(), detail, hint, field: None }
}

pub(crate) fn bad_input(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    refusal(RefusalKind::BadInput, message, None, Some(hint.into()))
}

/// What is not there, or not to be known of: one answer for both.
pub(crate) fn no_such(what: &str) -> Refusal {
    refusal(RefusalKind::NotRequestable, format!("there is no {what}, or it is not yours to see"), None, Some(where_they_are(what).into()))
}

/// Where to look for those that there are.
fn where_they_are(what: &str) -> &'static str {
    match what {
        "request" => "'ajar requests' shows those that you may see",
        "grant" => "'ajar grants' shows those that you may see",
        "session" => "'ajar sessions' shows those that you may see",
        "lock" => "'ajar locks' shows those that you may see",
        "debt" => "'ajar debts' shows those that you may see",
        "delegation" | "pre-approval" | "principal" | "user" | "passkey" | "token" | "sign-in" => "look at your list again: it may be over",
        "event" => "'ajar ledger search' shows what there is",
        _ => "'ajar ls' shows what you can ask for",
    }
}

pub(crate) fn unavailable(why: &Unavailable) -> Refusal {
    refusal(
        RefusalKind::Unavailable,
        "Ajar can't open anything now",
        Some(why.to_string()),
        Some("tell whoever operates Ajar to run 'ajar doctor'; what is open still closes on time".into()),
    )
}

pub(crate) fn denied(id: RequestId, why: String) -> Refusal {
    refusal(RefusalKind::Denied, format!("request {id} was denied"), Some(why), Some(format!("'ajar requests {id}' shows who decided")))
}

pub(crate) fn world_refusal(error: &WorldError) -> Refusal {
    match error {
        WorldError::NoSuch(stream) => no_such(stream.word()),
        WorldError::Request(RequestError::TooLate { id, .. }) => {
            refusal(RefusalKind::Expired, error.to_string(), None, Some(format!("file it again: ajar request --again {id}")))
        }
        WorldError::Locked(lock) => refusal(
            RefusalKind::Denied,
            "it is locked: nothing opens until that is lifted",
            Some(lock.to_string()),
            Some("'ajar locks' shows what is locked and why; an operator lifts it".into()),
        ),
        WorldError::InDebt(debt) => refusal(
            RefusalKind::Denied,
            "you owe a review for an emergency: nothing is approved automatically until it is given",
            Some(debt.to_string()),
            Some("'ajar debts' shows who can give it".into()),
        ),
        WorldError::Debt(_) | WorldError::Request(_) | WorldError::Grant(_) | WorldError::Delegation(_) | WorldError::Preapproval(_) => {
            refusal(RefusalKind::Denied, error.to_string(), None, None)
        }
        WorldError::NotExtendable { .. } => {
            refusal(RefusalKind::Denied, error.to_string(), None, Some("when it is over, ask again: ajar request --help".into()))
        }
        WorldError::NotOpen { .. } => refusal(RefusalKind::Expired, error.to_string(), None, Some("ask again: ajar request --help".into())),
    }
}

/// A refusal from whatever a command failed with.
pub(crate) fn of<E: IntoRefusal>(failed: Failed<E>) -> Refusal {
    match failed {
        Failed::Refused(error) => error.into_refusal(),
        Failed::Unavailable(why) => unavailable(&why),
    }
}

/// What a command may be refused with.
pub(crate) trait IntoRefusal {
    /// In words.
    fn into_refusal(self) -> Refusal;
}

impl IntoRefusal for Refusal {
    fn into_refusal(self) -> Refusal {
        self
    }
}

impl IntoRefusal for WorldError {
    fn into_refusal(self) -> Refusal {
        world_refusal(&self)
    }
}

impl From<Unavailable> for Refusal {
    fn from(why: Unavailable) -> Self {
        unavailable(&why)
    }
}
