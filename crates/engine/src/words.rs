//! Events in words, one sentence each, for who looks back. Untrusted text in them stays as it is: whoever shows it makes it inert.

use ajar_core::debt::DebtEvent;
use ajar_core::delegation::DelegationEvent;
use ajar_core::directory::{PolicyEvent, PrincipalEvent, TokenEvent};
use ajar_core::event::{Envelope, Event};
use ajar_core::grant::GrantEvent;
use ajar_core::id::PrincipalId;
use ajar_core::lease::LeaseEvent;
use ajar_core::lock::{LockEvent, Locked};
use ajar_core::plan::{Review, Verdict};
use ajar_core::preapproval::PreapprovalEvent;
use ajar_core::request::RequestEvent;
use ajar_core::sealed::Commitment;
use ajar_core::session::{EndReason, SessionEvent};

use crate::door::because;
use crate::engine::Engine;
use crate::notices::{asked_for, listed};

/// What stands behind commitments, as far as the reader may know it.
pub(crate) type Says<'a> = &'a dyn Fn(Commitment) -> Option<String>;

/// The commitments whose values an event's words have room for.
pub(crate) fn texts(event: &Event) -> Vec<Commitment> {
    match event {
        Event::Request(RequestEvent::Filed(filed)) => vec![filed.reason],
        Event::Request(RequestEvent::Reviewed(review)) | Event::Debt(DebtEvent::Reviewed(review)) => review.note.into_iter().collect(),
        Event::Request(RequestEvent::Commented(comment)) => vec![comment.text],
        Event::Session(SessionEvent::Killed(killed)) => vec![killed.reason],
        Event::Lock(LockEvent::Placed(placed)) => vec![placed.reason],
        Event::Request(_)
        | Event::Grant(_)
        | Event::Lease(_)
        | Event::Session(_)
        | Event::Lock(_)
        | Event::Delegation(_)
        | Event::Preapproval(_)
        | Event::Debt(_)
        | Event::Principal(_)
        | Event::Token(_)
        | Event::Policy(_) => Vec::new(),
    }
}

fn behind(text: Option<String>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
    }
}

/// Why a session ended.
pub(crate) fn ended_because(reason: EndReason) -> &'static str {
    match reason {
        EndReason::ClientLeft => "the client left",
        EndReason::TargetLeft => "the target closed it",
        EndReason::Cut => "it was cut",
        EndReason::Killed => "somebody ended it",
        EndReason::Refused => "it was not let in",
        EndReason::FailedToOpen => "it could not be opened on the target",
        EndReason::Violation => "it broke the protocol",
        EndReason::RecordingFailed => "its recording could not continue",
        EndReason::ServerStopped => "the server stopped",
    }
}

impl Engine {
    /// What happened, in one sentence. `all`: with what only operators and auditors are told of targets.
    pub(crate) fn event_words(&self, envelope: &Envelope, says: Says<'_>, all: bool) -> String {
        match &envelope.event {
            Event::Request(event) => self.of_request(envelope, event, says),
            Event::Grant(event) => self.of_grant(event),
            Event::Lease(event) => of_lease(event, all),
            Event::Session(event) => self.of_session(event, says),
            Event::Lock(LockEvent::Placed(placed)) => {
                let on = match &placed.on {
                    Locked::Principal(id) => self.name(*id),
                    Locked::Resource(name) => name.to_string(),
                };
                format!("{} locked {on}{}", self.name(placed.by), behind(says(placed.reason)))
            }
            Event::Lock(LockEvent::Lifted(lifted)) => format!("{} lifted the lock", self.name(lifted.by)),
            Event::Delegation(DelegationEvent::Made(made)) => {
                let (from, to) = (self.name(made.from), self.name(made.to));
                format!("{to} is asked instead of {from} from {} until {}", made.starts_at, made.until)
            }
            Event::Delegation(DelegationEvent::Ended(_)) => "the delegation ended".to_owned(),
            Event::Preapproval(PreapprovalEvent::Given(given)) => {
                let role = given.role.as_ref().map(|role| format!("{role} on ")).unwrap_or_default();
                format!("{} approved {role}{} for {} beforehand", self.name(given.by), given.resource, self.name(given.principal))
            }
            Event::Preapproval(PreapprovalEvent::Ended(_)) => "the approve that was given beforehand ended".to_owned(),
            Event::Debt(event) => self.of_debt(event, says),
            Event::Principal(PrincipalEvent::Added(added)) => format!("{} is known since now", self.name(added.id)),
            Event::Principal(PrincipalEvent::Disabled(_)) => "somebody was disabled".to_owned(),
            Event::Principal(PrincipalEvent::Enabled(_)) => "somebody was enabled again".to_owned(),
            Event::Principal(PrincipalEvent::PasswordSet(_)) => "a password was set".to_owned(),
            Event::Principal(PrincipalEvent::PasskeyEnrolled(_)) => "a passkey was enrolled".to_owned(),
            Event::Principal(PrincipalEvent::PasskeyUsed(_)) => "a passkey was used".to_owned(),
            Event::Principal(PrincipalEvent::PasskeyRemoved(_)) => "a passkey was removed".to_owned(),
            Event::Token(TokenEvent::Issued(issued)) => {
                format!("{} got a token until {}: {}", self.name(issued.principal), issued.expires_at, issued.label)
            }
            Event::Token(TokenEvent::Revoked(_)) => "a token was taken back".to_owned(),
            Event::Policy(PolicyEvent::Applied(applied)) => format!("rules were put in force: {}", applied.hash),
        }
    }

    fn names(&self, ids: &[PrincipalId]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(*id)).collect();
        if names.is_empty() { "nobody".to_owned() } else { listed(&names) }
    }

    fn reviewed(&self, review: &Review, what: &str, says: Says<'_>) -> String {
        let beforehand = if review.beforehand.is_some() { ", beforehand" } else { "" };
        let most = review.limits.duration.map(|most| format!(", for {most} at most")).unwrap_or_default();
        format!("{} {what}{most}{beforehand}{}", self.name(review.reviewer), behind(review.note.and_then(says)))
    }

    fn of_request(&self, envelope: &Envelope, event: &RequestEvent, says: Says<'_>) -> String {
        match event {
            RequestEvent::Filed(filed) => {
                let whom = filed.beneficiary != filed.requester;
                let whom = if whom { format!(" for {}", self.name(filed.beneficiary)) } else { String::new() };
                let how = match (&filed.emergency, &filed.extends) {
                    (Some(_), _) => ", in an emergency".to_owned(),
                    (None, Some(extends)) => format!(", to go on with {}", extends.grant),
                    (None, None) => String::new(),
                };
                let (who, what) = (self.name(filed.requester), asked_for(&filed.asks));
                format!("{who} asked for {what}{whom}, for {}{how}{}", filed.duration, behind(says(filed.reason)))
            }
            RequestEvent::StageEntered(stage) => {
                format!("stage {} asks {}, until {}", stage.stage + 1, self.names(&stage.asked), stage.until)
            }
            RequestEvent::Reminded(_) => "those who are asked were reminded".to_owned(),
            RequestEvent::StageEscalated(stage) => format!("stage {} was not decided: more people are asked", stage.stage + 1),
            RequestEvent::StageSkipped(stage) => format!("stage {} was not decided: the next one decides", stage.stage + 1),
            RequestEvent::AutoReviewed(auto) => {
                let rules: Vec<String> = auto.rules.iter().map(ToString::to_string).collect();
                format!("the rules {} it by themselves: {}", verdict(auto.verdict), listed(&rules))
            }
            RequestEvent::Reviewed(review) => self.reviewed(review, &format!("{} it", verdict(review.verdict)), says),
            RequestEvent::TakenBack(_) => format!("{} took an approve back", self.actor_name(&envelope.actor)),
            RequestEvent::Seen(seen) => format!("{} looked at it", self.name(seen.by)),
            RequestEvent::Commented(comment) => format!("{} commented{}", self.name(comment.by), behind(says(comment.text))),
            RequestEvent::PlanTightened(tightened) => format!("stricter rules apply to it: for {} at most", tightened.duration),
            RequestEvent::Approved(_) => "it is approved".to_owned(),
            RequestEvent::Denied(denied) => format!("it is denied: {}", because(&denied.because)),
            RequestEvent::Withdrawn(_) => format!("{} took it back", self.actor_name(&envelope.actor)),
            RequestEvent::Expired(_) => "nobody decided it in time".to_owned(),
        }
    }

    fn of_grant(&self, event: &GrantEvent) -> String {
        match event {
            GrantEvent::Scheduled(s) => {
                let (who, by) =
                    (self.name(s.principal), s.redeem_by.map(|by| format!(", at the first use until {by}")).unwrap_or_default());
                format!("{} on {} is to open for {who} at {}, for {}{by}", s.role, s.resource, s.opens_at, s.duration)
            }
            GrantEvent::Opened(opened) => {
                let claims = &opened.signed.claims;
                format!("{} on {} opened for {} until {}", claims.role, claims.resource, self.name(claims.principal), claims.ends_at)
            }
            GrantEvent::Used(_) => "its one session came in".to_owned(),
            GrantEvent::Closing(closing) => format!("access ended: {}", self.closed_because(&closing.reason)),
            GrantEvent::Closed(_) => "everything of it is proven gone, or goes on with what extends it".to_owned(),
            GrantEvent::Failed(failed) => format!("it did not open: {}", failed.why),
        }
    }

    fn of_session(&self, event: &SessionEvent, says: Says<'_>) -> String {
        match event {
            SessionEvent::Held(held) => {
                let arrived = &held.arrived;
                format!("{} came to {} by {} and waits", self.name(arrived.principal), arrived.resource, protocol_word(&arrived.protocol))
            }
            SessionEvent::Live(live) => {
                let arrived = &live.arrived;
                format!(
                    "{} came into {} as {}, by {}",
                    self.name(arrived.principal),
                    arrived.resource,
                    live.role,
                    protocol_word(&arrived.protocol)
                )
            }
            SessionEvent::Moved(moved) => format!("the session goes on under {}", moved.grant),
            SessionEvent::Killed(killed) => format!("{} ended the session{}", self.name(killed.by), behind(says(killed.reason))),
            SessionEvent::Ended(ended) => {
                let things = |n: u64| format!(", {n} {} recorded", if n == 1 { "thing" } else { "things" });
                let entries = ended.recording.as_ref().map(|r| things(r.entries)).unwrap_or_default();
                let late = ended.late_ms.map(|late| format!(", {late} ms after its deadline")).unwrap_or_default();
                format!("the session is over: {}{late}{entries}", ended_because(ended.reason))
            }
        }
    }

    fn of_debt(&self, event: &DebtEvent, says: Says<'_>) -> String {
        match event {
            DebtEvent::Incurred(incurred) => {
                format!("{} owes a review of the emergency until {}", self.name(incurred.debtor), incurred.due)
            }
            DebtEvent::Reviewed(review) => {
                let what = match review.verdict {
                    Verdict::Approve => "reviewed the emergency: it was right",
                    Verdict::Deny => "reviewed the emergency: it was not right",
                };
                self.reviewed(review, what, says)
            }
            DebtEvent::Overdue(_) => "the review of the emergency is overdue".to_owned(),
            DebtEvent::Paid(_) => "the emergency is reviewed".to_owned(),
        }
    }
}

fn of_lease(event: &LeaseEvent, all: bool) -> String {
    match event {
        LeaseEvent::Intended(intended) => format!("the login {} is to be made on {}", intended.login, intended.resource),
        LeaseEvent::Minted(_) => "the login is on the target".to_owned(),
        LeaseEvent::Moved(moved) => format!("the login goes on under {}", moved.grant),
        LeaseEvent::Revoking(_) => "the login is being removed".to_owned(),
        LeaseEvent::RevokeUnconfirmed(unconfirmed) if all => {
            format!("the target has not confirmed that the login is gone: {}", unconfirmed.why)
        }
        LeaseEvent::RevokeUnconfirmed(_) => "the target has not confirmed that the login is gone".to_owned(),
        LeaseEvent::Revoked(revoked) => format!("the login is proven gone: {}", revoked.proof.answer),
    }
}

/// A protocol, for people.
pub(crate) fn protocol_word(protocol: &str) -> &str {
    match protocol {
        "postgres" => "PostgreSQL",
        "ssh" => "SSH",
        "http" => "HTTP",
        other => other,
    }
}
