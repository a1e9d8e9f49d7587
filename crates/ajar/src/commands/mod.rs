//! What each command does, through the API.

mod access;
mod accesses;
mod apply;
mod browser;
mod explain;
mod ledger;
mod locks;
mod marks;
mod native;
mod notices;
mod people;
mod policy;
mod rehearse;
mod replay;
mod requests;
mod run;
mod sessions;
mod ssh;

use clap::CommandFactory;

pub(crate) use self::native::{block, pass_line};
pub(crate) use self::people::secret;
pub(crate) use self::ssh::ssh_config;

use ajar_api::model::Verdict;

use crate::cli::{Cli, Command, Helper, Internal, OneSession};
use crate::client::Client;
use crate::exit::Failure;
use crate::output::{self, Output};
use crate::{demo, server};

/// Does what was asked.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let out = Output { format: cli.output };
    let client = || Client::new(cli.url.as_deref());
    match cli.command {
        Command::Login(args) => people::login(&client()?, &args).await,
        Command::Logout => people::logout(&client()?).await,
        Command::Whoami => people::whoami(&client()?, out).await,
        Command::Passwd(args) => people::passwd(&client()?, &args).await,
        Command::Token(args) => people::token(&client()?, out, &args).await,
        Command::Status => access::status(&client()?, out).await,
        Command::Ls => access::ls(&client()?, out).await,
        Command::Request(args) => requests::file(&client()?, out, args).await,
        Command::Requests(args) => requests::list(&client()?, out, &args).await,
        Command::Inbox => requests::inbox(&client()?, out).await,
        Command::Notices(args) => notices::notices(&client()?, out, &args).await,
        Command::Approve(args) => requests::approve(&client()?, out, args).await,
        Command::Deny(args) => requests::deny(&client()?, out, args).await,
        Command::TakeBack(args) => requests::take_back(&client()?, out, &args.id).await,
        Command::Comment(args) => requests::comment(&client()?, out, args).await,
        Command::Withdraw(args) => requests::withdraw(&client()?, out, &args.id).await,
        Command::Debts => requests::debts(&client()?, out).await,
        Command::Acknowledge(args) => requests::debt_review(&client()?, args, Verdict::Approve).await,
        Command::Object(args) => requests::debt_review(&client()?, args, Verdict::Deny).await,
        Command::Lock(args) => locks::lock(&client()?, out, args).await,
        Command::Unlock(args) => locks::unlock(&client()?, &args.id).await,
        Command::Locks => locks::locks(&client()?, out).await,
        Command::Delegate(args) => locks::delegate(&client()?, out, args).await,
        Command::Undelegate(args) => locks::undelegate(&client()?, &args.id).await,
        Command::Delegations => locks::delegations(&client()?, out).await,
        Command::Preapprove(args) => locks::preapprove(&client()?, out, args).await,
        Command::Unpreapprove(args) => locks::unpreapprove(&client()?, &args.id).await,
        Command::Preapprovals => locks::preapprovals(&client()?, out).await,
        Command::Grants(args) => access::grants(&client()?, out, &args).await,
        Command::Accesses(args) => accesses::accesses(&client()?, out, args).await,
        Command::Extend(args) => requests::extend(&client()?, out, args).await,
        Command::Return(args) => access::end(&client()?, out, &args.id, "return").await,
        Command::Revoke(args) => access::end(&client()?, out, &args.id, "revoke").await,
        Command::Sessions(args) => match args.one {
            None => sessions::list(&client()?, out, &args.list).await,
            Some(OneSession::Watch(args)) => sessions::watch(&client()?, out, &args).await,
            Some(OneSession::Kill(args)) => sessions::kill(&client()?, out, args).await,
        },
        Command::Replay(args) => replay::replay(&client()?, out, &args).await,
        Command::Psql(args) => native::psql(&client()?, &args).await,
        Command::Ssh(args) => ssh::ssh(&client()?, args).await,
        Command::Helper(Helper::Ssh { name }) => ssh::helper(cli.url.as_deref(), &name).await,
        Command::Run(args) => run::run(&client()?, &args).await,
        Command::Proxy(args) => run::proxy(&client()?, &args).await,
        Command::Setup(args) => native::setup(&client()?, &args).await,
        Command::Ledger(args) => ledger::run(client, out, args).await,
        Command::Policy(args) => policy::run(client, out, args).await,
        Command::Doctor(args) => access::doctor(&client()?, out, &args).await,
        Command::Server(args) => server::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ajar", &mut script);
            output::raw(&script)
        }
        Command::Internal(Internal::Schema) => out.data(&ajar_policy::schema()),
        Command::Internal(Internal::Openapi) => output::data(&(ajar_api::openapi() + "\n")),
    }
}
