//! How commands fail: words for people, a code for programs.

use ajar_api::model::Problem;

use crate::server::WrongFiles;

/// What a command's end means (DESIGN.md: the CLI's exit codes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    /// Something went wrong.
    Error = 1,
    /// It was called wrongly.
    Usage = 2,
    /// Denied.
    Denied = 3,
    /// Sign in first.
    SignIn = 4,
    /// Still pending.
    Pending = 5,
    /// Expired, revoked or withdrawn.
    Over = 6,
    /// No rule allows it.
    NotRequestable = 7,
}

/// Why a command failed, and what to do.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
    /// Why, what to do: a line each.
    pub(crate) more: Vec<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: code as u8, message: message.into(), more: Vec::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.more.push(hint.into());
        self
    }

    /// A child's own exit code, with nothing to say.
    pub(crate) fn child(code: u8) -> Self {
        Self { code, message: String::new(), more: Vec::new() }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let code = match problem.kind.rsplit(':').next().unwrap_or_default() {
            "bad_credential" => Code::SignIn,
            "not_requestable" => Code::NotRequestable,
            "denied" | "step_up_needed" => Code::Denied,
            "expired" => Code::Over,
            "bad_input" => Code::Usage,
            _ => Code::Error,
        };
        let mut failure = Self::new(code, problem.title);
        failure.more = problem.problems.into_iter().chain(problem.detail).chain(problem.hint).collect();
        failure
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let problems = error.downcast_ref::<WrongFiles>().map(|wrong| wrong.problems.clone());
        Self { more: problems.unwrap_or_default(), ..Self::new(Code::Error, format!("{error:#}")) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new(Code::Error, error.to_string())
    }
}
