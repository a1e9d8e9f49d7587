//! The rules: files of a directory.

use std::collections::BTreeMap;

use super::rehearse;
use crate::cli::{Diff, Policy};
use crate::client::Client;
use crate::exit::{Code, Failure};
use crate::folder::read_dir;
use crate::output::{Output, say};

pub(super) async fn run(client: impl Fn() -> Result<Client, Failure>, out: Output, args: Policy) -> Result<(), Failure> {
    match args {
        Policy::Explain(args) => super::explain::explain(&client()?, out, args).await,
        Policy::Test(args) => rehearse::test(out, &args),
        Policy::Lint(args) => rehearse::lint(out, &args),
        Policy::Simulate(args) => rehearse::simulate(out, args),
        Policy::Replay(args) => rehearse::replay(client, out, args).await,
        Policy::Suggest(args) => rehearse::suggest(client, out, args).await,
        Policy::Schema => out.data(&ajar_policy::schema()),
        Policy::Check { dir } => {
            let files = read_dir(&dir)?;
            let rules = check(&files)?;
            say(&format!("{} files are right; their hash is {}", files.len(), rules.hash()));
            Ok(())
        }
        Policy::Apply(args) if args.dry_run => super::apply::diff(&client()?, out, &Diff { dir: args.dir, exit_code: false }).await,
        Policy::Apply(args) => super::apply::apply(&client()?, out, args).await,
        Policy::Diff(args) => super::apply::diff(&client()?, out, &args).await,
        Policy::Log { limit } => super::apply::log(&client()?, out, limit).await,
    }
}

pub(super) fn check(files: &BTreeMap<String, String>) -> Result<ajar_policy::RuleSet, Failure> {
    ajar_policy::parse(files).map_err(|problems| {
        let mut failure = Failure::new(Code::Error, "the files are wrong; nothing was changed");
        failure.more = problems.iter().map(ToString::to_string).collect();
        failure
    })
}
