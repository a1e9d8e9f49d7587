//! Rule and resource files: parse, validate, decide. Pure: files come in as texts, times and ids as arguments.
//!
//! | module | owns |
//! | --- | --- |
//! | [`raw`] | the files' shape, with the place of every reference |
//! | [`problem`] | what is wrong with a file, where, and how to mend it |
//! | [`check`] | from the shape to a [`RuleSet`]: names, references, limits |
//! | [`grants`] | `GRANT` lines of a PostgreSQL role |
//! | [`url`] | where an HTTP API and its token endpoint are |
//! | [`public_key`] | what SSH hosts and their authorities are known by |
//! | [`rules`] | a checked set of files |
//! | [`calendar`] | hours of the week, and who is on call, in time zones |
//! | [`condition`] | Cedar expressions: checked, evaluated |
//! | [`bound`] | the set bound to principals: who is who |
//! | [`decide`] | what may be asked for, and what it takes |
//! | [`mod@diff`] | what differs between two sets |
//! | [`explain`] | why the rules answer as they do |
//! | [`wants`] | what a request must say of itself |
//! | [`look`] | who is who, and a rule in words, for people who look |
//! | [`suite`] | the tests in the files, and what they cover |
//! | [`lint`] | rules that can't be meant so |
//! | [`past`] | what was asked for and what became of it, from the ledger |
//! | [`replay`] | a draft run over the past |
//! | [`suggest`] | what the past says about the rules |
//! | [`schema`] | the JSON Schema of the files |

mod bound;
mod calendar;
mod check;
mod condition;
mod decide;
mod diff;
mod explain;
mod grants;
mod lint;
mod look;
mod past;
mod problem;
mod public_key;
mod raw;
mod replay;
mod rules;
mod schema;
mod suggest;
mod suite;
mod url;
mod wants;

pub use bound::{At, Bound, Offered};
pub use calendar::instant;
pub use check::{FILE_MAX, FILES_MAX, Files, TOTAL_MAX, content_hash, parse};
pub use decide::{Allowed, Decision, Denied, Question, Values, Why};
pub use diff::{Change, Differs, How, KeyChange, Thing, diff};
pub use explain::{Able, Explanation, RulePart, Stricter};
pub use lint::{Finding, Lint, Severity};
pub use look::Member;
pub use past::{Became, Disclosed, PastRequest};
pub use problem::Problem;
pub use replay::{ChangeKind, Replay, Report, Row, Waits};
pub use rules::{PrincipalEntry, RuleSet, Spot};
pub use schema::schema;
pub use suggest::{Suggest, Suggestion, Suggestions};
pub use suite::{ConditionSeen, Coverage, Suite, TestResult};
pub use wants::Wants;
