//! Rule and resource files: parse, validate, decide. Pure: files come in as texts, times and ids as arguments.
//!
//! | module | owns |
//! | --- | --- |
//! | [`raw`] | the files' shape, with the place of every reference |
//! | [`problem`] | what is wrong with a file, where, and how to mend it |
//! | [`check`] | from the shape to a [`RuleSet`]: names, references, limits |
//! | [`grants`] | `GRANT` lines of a PostgreSQL role |
//! | [`rules`] | a checked set of files |
//! | [`bound`] | the set bound to principals: facts and decisions |
//! | [`explain`] | why the rules answer as they do |
//! | [`schema`] | the JSON Schema of the files |

mod bound;
mod check;
mod explain;
mod grants;
mod problem;
mod raw;
mod rules;
mod schema;

pub use bound::{Allowed, Bound, Decision, Offered, Question, Why};
pub use check::{FILE_MAX, FILES_MAX, Files, TOTAL_MAX, parse};
pub use explain::{Explanation, RulePart};
pub use problem::Problem;
pub use rules::{PrincipalEntry, RuleSet};
pub use schema::schema;
