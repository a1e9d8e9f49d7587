//! The engine: the shell around the core. Load → decide → commit → perform.
//!
//! | module | owns |
//! | --- | --- |
//! | [`engine`] | the façade that the API and the binary use, start and stop |
//! | [`sequencer`] | the one task that decides and commits, in batches |
//! | [`people`] | names, passwords and tokens |
//! | [`tokens`] | one's own tokens: which there are, and giving one up |
//! | [`cli_logins`] | command lines signed in through a browser |
//! | [`passkeys`] | passkeys: enrolled, used, removed |
//! | [`freshness`] | who has just proven themselves with one, which approving takes |
//! | [`filing`] | from what somebody said to requests |
//! | [`mod@explain`] | what would come of a request |
//! | [`less`] | what of the same resource would need less |
//! | [`desk`] | reviews, grants: what people do |
//! | [`extend`] | going on with a grant |
//! | [`door`] | what gateways ask: identify, knock, hold, go live |
//! | [`sessions`] | one session: ended by somebody, watched by somebody |
//! | [`leases`] | minting, and revoking until the target confirms |
//! | [`ssh`] | certificates: for visitors, hosts, and as leases past the gateway; which are revoked |
//! | [`presence`] | who is there to decide |
//! | [`health`] | how targets are, by what connectors last said |
//! | [`ledger`] | the ledger verified in place, and the proof of one event |
//! | [`notices`] | what each person is told, and a flood as one |
//! | [`log`] | the whole log, read from the beginning |
//! | [`spans`] | how much time each open grant has left by the monotonic clock |
//! | [`clockwork`] | the timer, the outbox worker, the reconciler, the checkpointer |
//! | [`policies`] | applying a directory of files |
//! | [`plan`] | what would come of applying it |
//! | [`applied`] | what is in force, who put it there, and how a folder differs from it |
//! | [`mod@rebuild`] | the projections, made anew from the log |
//! | [`rehearse`] | a draft run over the past, and what that suggests |
//! | [`accesses`] | every access of a time, for auditors |
//! | [`catalogue`], [`members`] | what there is to ask for and how it is used; who there is |
//! | [`insight`] | how access goes, in numbers |
//! | [`search`] | what was asked, done and recorded, found again |
//! | [`timeline`], [`context`] | what happened to a request; what helps to decide it |
//! | [`words`], [`role_words`] | events and roles in words |
//! | [`records`] | listings, the ledger, recordings: what people may see |

mod accesses;
mod actions;
mod applied;
mod audience;
mod brake;
mod catalogue;
mod cli_logins;
mod clockwork;
mod context;
mod debts;
mod desk;
mod door;
mod engine;
mod entries;
mod explain;
mod export;
mod extend;
mod filing;
mod freshness;
mod health;
mod insight;
mod leases;
mod ledger;
mod less;
mod locks;
mod log;
mod members;
mod notices;
mod orders;
mod passkeys;
mod people;
mod plan;
mod policies;
mod preapprovals;
mod presence;
mod rebuild;
mod records;
mod refusal;
mod rehearse;
mod role_words;
mod search;
mod sequencer;
mod sessions;
mod spans;
mod ssh;
mod timeline;
mod tokens;
mod turns;
mod words;

pub use accesses::{Access, AccessQuery, Accesses, Reviewer};
pub use actions::GrantAction;
pub use applied::{AppliedView, Drift};
pub use catalogue::{CatalogueEntry, CatalogueRole, RecentGrant};
pub use cli_logins::{CliLogin, CliLoginView};
pub use context::{Alike, Context, Earlier, Opens, Used};
pub use debts::DebtView;
pub use desk::NewReview;
pub use engine::{Config, Engine, Keys, Parts, StartError};
pub use explain::{ExplainView, Outcome, StageView};
pub use extend::NewExtension;
pub use filing::{NewRequest, Submitted};
pub use health::{Health, HealthState, Integration};
pub use insight::{Cuts, Decisions, Insight, InsightQuery, NotConfirmed, OpenByKind, Took, Unused};
pub use ledger::{LastCheckpoint, LedgerStatus, Verified};
pub use less::Less;
pub use locks::{LockView, NewDelegation, ToLock};
pub use members::{Away, GroupView, PersonView};
pub use notices::NoticeView;
pub use passkeys::{Ceremony, PasskeyView};
pub use people::{Caller, IssuedToken};
pub use plan::{GrantEnd, PolicyPlan, RequestTurn, Turn};
pub use policies::{Applied, ApplyError, NOTHING};
pub use preapprovals::{NewPreapproval, PreapprovalView};
pub use presence::Attending;
pub use rebuild::rebuild;
pub use records::{Feed, ListQuery, RequestView, SessionView, StatusView};
pub use search::{Answer, Facet, Facets, Found, SearchQuery, Within};
pub use sequencer::Unavailable;
pub use ssh::{Certified, Direct, NewDirect, Revocations};
pub use timeline::{Happened, Timeline};
pub use tokens::Standing;
