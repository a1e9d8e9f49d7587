//! Rule and resource files: parse, validate, decide. Pure: files come in as texts, times and ids as arguments.
//!
//! | module | owns |
//! | --- | --- |
//! | [`raw`] | the files' shape, with the place of every reference |
//! | [`problem`] | what is wrong with a file, where, and how to mend it |
//! | [`check`] | from the shape to a [`RuleSet`]: names, references, limits |
//! | [`grants`] | `GRANT` lines of a PostgreSQL role |
//! | [`rules`] | a checked set of files |
//! | [`calendar`] | hours of the week, and who is on call, in time zones |
//! | [`condition`] | Cedar expressions: checked, evaluated |
//! | [`bound`] | the set bound to principals: who is who |
//! | [`decide`] | what may be asked for, and what it takes |
//! | [`mod@diff`] | what differs between two sets |
//! | [`explain`] | why the rules answer as they do |
//! | [`schema`] | the JSON Schema of the files |

mod bound;
mod calendar;
mod check;
mod condition;
mod decide;
mod diff;
mod explain;
mod grants;
mod problem;
mod raw;
mod rules;
mod schema;

pub use bound::{At, Bound, Offered};
pub use check::{FILE_MAX, FILES_MAX, Files, TOTAL_MAX, content_hash, parse};
pub use decide::{Allowed, Decision, Denied, Question, Values, Why};
pub use diff::{Change, Differs, How, KeyChange, Thing, diff};
pub use explain::{Explanation, RulePart};
pub use problem::Problem;
pub use rules::{PrincipalEntry, RuleSet};
pub use schema::schema;
