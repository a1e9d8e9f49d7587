//! What clients are told: refusals, notices, the cut. Each says what, why, and the next command (I20).
//!
//! Texts are made inert by the codec when they are written (I19).

use std::time::Duration;

use ajar_core::permit::Claims;
use ajar_core::port::{CutReason, Refusal, RefusalKind};
use ajar_wire::pg::messages::{Report, Severity};

use super::dial::DialError;

/// How long a client may take to hear our last words.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// `invalid_authorization_specification`
pub(crate) const NOT_ALLOWED: &str = "28000";
/// `protocol_violation`
pub(crate) const VIOLATION: &str = "08P01";
/// `admin_shutdown`
const SHUTDOWN: &str = "57P01";
/// `cannot_connect_now`
pub(crate) const NOT_NOW: &str = "57P03";
/// `io_error`
pub(crate) const IO_ERROR: &str = "58030";

/// A FATAL ErrorResponse.
pub(crate) fn fatal(sqlstate: &str, message: &str, detail: Option<&str>, hint: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    Report { severity: Severity::Fatal, sqlstate, message, detail, hint }.put_error(&mut out);
    out
}

/// A NoticeResponse.
pub(crate) fn notice(message: &str, hint: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    Report { severity: Severity::Notice, sqlstate: "00000", message, detail: None, hint }.put_notice(&mut out);
    out
}

/// A refusal.
pub(crate) fn refused(refusal: &Refusal) -> Vec<u8> {
    let sqlstate = match refusal.kind {
        RefusalKind::BadCredential => "28P01",
        RefusalKind::NotRequestable
        | RefusalKind::Lacking
        | RefusalKind::Denied
        | RefusalKind::StepUpNeeded
        | RefusalKind::Expired
        | RefusalKind::BadInput => NOT_ALLOWED,
        RefusalKind::Unavailable => NOT_NOW,
    };
    fatal(sqlstate, &refusal.message, refusal.detail.as_deref(), refusal.hint.as_deref())
}

/// A start-up in the clear.
pub(crate) fn tls_only() -> Vec<u8> {
    fatal(
        NOT_ALLOWED,
        "this door takes TLS connections only",
        Some("A token or anything else that was sent so far went over the network in the clear."),
        Some("connect with sslmode=verify-full and sslrootcert set to Ajar's authority; `ajar setup pg` writes both"),
    )
}

/// The command that asks for the same again.
fn again(claims: &Claims) -> String {
    let span = claims.asked_again();
    format!("ajar request {} --role {} --for {span} --reason '…'", claims.resource, claims.role)
}

/// The cut.
pub(crate) fn cut(claims: &Claims, reason: CutReason) -> Vec<u8> {
    let Claims { grant, role, resource, ends_at, .. } = claims;
    let (what, why) = match reason {
        CutReason::Expired => ("has ended", format!("It allowed role {role} on {resource} until {ends_at}.")),
        CutReason::Returned => ("was returned", format!("It allowed role {role} on {resource}; you gave it back.")),
        CutReason::Revoked => ("was revoked", format!("It allowed role {role} on {resource}; `ajar status` says who revoked it.")),
        CutReason::Locked => ("is over", format!("{resource}, or your account, is locked; `ajar locks` says why.")),
        CutReason::PrincipalDisabled => ("is over", "Your account is disabled.".to_owned()),
        CutReason::ResourceRemoved => ("is over", format!("The resource {resource} was removed.")),
        CutReason::Killed => {
            ("goes on, but this session was ended by somebody who may", "`ajar sessions` says by whom, and why.".to_owned())
        }
        CutReason::ServerStopping => ("goes on, but Ajar is stopping", format!("It allows role {role} on {resource} until {ends_at}.")),
    };
    let hint = match reason {
        CutReason::Expired | CutReason::Returned | CutReason::Revoked => Some(format!("to go on, ask again: {}", again(claims))),
        CutReason::Killed => Some(format!("you can connect again until {ends_at}; ask whoever ended it first")),
        CutReason::ServerStopping => Some("connect again in a moment".to_owned()),
        CutReason::Locked | CutReason::PrincipalDisabled | CutReason::ResourceRemoved => None,
    };
    fatal(SHUTDOWN, &format!("this session is cut: {grant} {what}"), Some(&why), hint.as_deref())
}

/// The warning before the end.
pub(crate) fn warning(claims: &Claims, seconds: u64) -> Vec<u8> {
    let Claims { grant, ends_at, .. } = claims;
    notice(
        &format!("{grant} ends in {seconds} s, at {ends_at}: this session will be cut then"),
        Some(&format!("finish, or ask for more time: ajar extend {grant} --for {} --reason '…'", claims.asked_again())),
    )
}

/// It goes on.
pub(crate) fn extended(claims: &Claims) -> Vec<u8> {
    let Claims { grant, ends_at, .. } = claims;
    notice(&format!("this session goes on until {ends_at}, under {grant}"), None)
}

/// The target could not be reached or signed in to.
pub(crate) fn unreachable(claims: &Claims, error: &DialError) -> Vec<u8> {
    let resource = &claims.resource;
    let hint = format!("the grant stays open: try again, or have somebody who operates Ajar run `ajar doctor {resource}`");
    match error.target() {
        Some(said) => fatal(&said.sqlstate, &format!("{resource} refused the connection: {}", said.message), None, Some(&hint)),
        None => fatal("08001", &format!("{resource} could not be reached: {error}"), None, Some(&hint)),
    }
}

/// Somebody broke the protocol.
pub(crate) fn violation(who: &str, why: &dyn std::fmt::Display) -> Vec<u8> {
    fatal(VIOLATION, &format!("{who} broke the protocol: {why}"), None, Some("this session is closed; connect again"))
}

/// The recording can't go on.
pub(crate) fn unrecorded() -> Vec<u8> {
    let hint = "your grant stays open; tell those who operate Ajar: its recordings' disk may be full";
    fatal(IO_ERROR, "this session cannot be recorded any more, so it is closed", None, Some(hint))
}

/// Ajar stops while a client waits.
pub(crate) fn stopping() -> Vec<u8> {
    fatal(SHUTDOWN, "Ajar is stopping", Some("Your request stays as it is."), Some("connect again in a moment"))
}
