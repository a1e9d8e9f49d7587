//! What clients are told: refusals, what a held session waits for, the warning, the cut. Each says what, why, and the next command (I20).

use ajar_core::permit::Claims;
use ajar_core::port::{CutReason, Refusal};

/// INVARIANT I19: text from elsewhere as one line without control characters.
pub(super) fn inert(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() || is_odd(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Characters that turn or hide others.
fn is_odd(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// One line of ours.
pub(super) fn line(text: &str) -> String {
    format!("ajar: {}\n", inert(text))
}

/// Several parts, a line each.
fn lines<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(line).collect()
}

pub(super) fn refused(refusal: &Refusal) -> String {
    lines([Some(refusal.message.as_str()), refusal.detail.as_deref(), refusal.hint.as_deref()].into_iter().flatten())
}

/// The command that asks for the same again.
fn again(claims: &Claims) -> String {
    let span = claims.asked_again();
    format!("ajar request {} --role {} --for {span} --reason '...'", claims.resource, claims.role)
}

/// The cut, in one line: it is also what a client shows who is disconnected.
pub(super) fn cut(claims: &Claims, reason: CutReason) -> String {
    let Claims { grant, role, resource, ends_at, .. } = claims;
    let what = match reason {
        CutReason::Expired => format!("{grant} has ended: it allowed role {role} on {resource} until {ends_at}"),
        CutReason::Returned => format!("{grant} was returned: you gave it back"),
        CutReason::Revoked => format!("{grant} was revoked; 'ajar status' says by whom"),
        CutReason::Locked => format!("{resource}, or your account, is locked; 'ajar locks' says why"),
        CutReason::PrincipalDisabled => "your account is disabled".to_owned(),
        CutReason::ResourceRemoved => format!("the resource {resource} was removed"),
        CutReason::Killed => {
            format!("it was ended by somebody who may, 'ajar sessions' says by whom and why; {grant} goes on until {ends_at}")
        }
        CutReason::ServerStopping => format!("Ajar is stopping; {grant} goes on until {ends_at}: connect again in a moment"),
    };
    let next = match reason {
        CutReason::Expired | CutReason::Returned | CutReason::Revoked => format!(". To go on, ask again: {}", again(claims)),
        CutReason::Locked | CutReason::PrincipalDisabled | CutReason::ResourceRemoved | CutReason::Killed | CutReason::ServerStopping => {
            String::new()
        }
    };
    format!("this session is cut: {what}{next}")
}

pub(super) fn warning(claims: &Claims, seconds: u64) -> String {
    let Claims { grant, ends_at, .. } = claims;
    let span = claims.asked_again();
    lines([
        format!("{grant} ends in {seconds} s, at {ends_at}: this session will be cut then").as_str(),
        &format!("finish, or ask for more time: ajar extend {grant} --for {span} --reason '...'"),
    ])
}

pub(super) fn extended(claims: &Claims) -> String {
    line(&format!("this session goes on until {}, under {}", claims.ends_at, claims.grant))
}

pub(super) fn unreachable(claims: &Claims, why: &str) -> String {
    let resource = &claims.resource;
    lines([
        format!("{resource} could not be reached: {why}").as_str(),
        &format!("the grant stays open: try again, or have somebody who operates Ajar run 'ajar doctor {resource}'"),
    ])
}

/// What a role doesn't allow.
pub(super) fn not_in_role(claims: &Claims, what: &str) -> String {
    line(&format!("role {} on {} does not allow {what}; 'ajar ls {}' shows its roles", claims.role, claims.resource, claims.resource))
}

pub(super) fn unrecorded() -> String {
    lines(["this session cannot be recorded any more, so it is closed", "your grant stays open; tell those who operate Ajar"])
}

pub(super) const STOPPING: &str = "Ajar is stopping: your request stays as it is; connect again in a moment";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i19_what_others_wrote_is_one_inert_line() {
        assert_eq!(line("a\u{1b}]52;c;eA==\u{7}b\nc\u{202e}"), "ajar: a\\u{1b}]52;c;eA==\\u{7}b\\u{a}c\\u{202e}\n");
    }
}
