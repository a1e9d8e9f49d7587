//! Who may see a request, and who may hear that something changed: worked out once for each event, however many listen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ajar_core::event::{Envelope, Stream};
use ajar_core::grant::Grant;
use ajar_core::id::PrincipalId;
use ajar_core::name::ResourceName;
use ajar_core::plan::{Facts, Stage};
use ajar_core::port::Refusal;
use ajar_core::request::Request;
use ajar_core::session::Session;
use tokio::sync::OnceCell;

use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;
use crate::sequencer::Desk;

/// Events whose audiences are remembered: those that come while slow listeners still hear of the ones before.
const REMEMBERED: usize = 256;

/// Whom something concerns, and on what it is.
#[derive(Debug, Default)]
struct Audience {
    people: BTreeSet<PrincipalId>,
    /// Their owners hear of it, too.
    resources: Vec<ResourceName>,
}

/// Audiences of the last events, by the events' numbers.
#[derive(Debug, Default)]
pub(crate) struct Audiences(Mutex<BTreeMap<u64, Arc<OnceCell<Option<Audience>>>>>);

impl Audiences {
    fn of(&self, seq: u64) -> Arc<OnceCell<Option<Audience>>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Arc::clone(known.entry(seq).or_default());
        while known.len() > REMEMBERED {
            known.pop_first();
        }
        found
    }
}

/// Whose a request is, and who has reviewed it.
fn parties(request: &Request) -> BTreeSet<PrincipalId> {
    let filed = request.filed();
    request.reviews().iter().map(|review| review.reviewer).chain([filed.requester, filed.beneficiary]).collect()
}

/// Who may be asked about a request. Whoever is away still sees what their delegate is asked.
fn asked(desk: &Desk<'_>, request: &Request) -> BTreeSet<PrincipalId> {
    let (plan, _) = request.terms();
    let named: Vec<_> = plan.stages.iter().flat_map(Stage::everyone).cloned().collect();
    let of = |facts: &dyn Facts| facts.candidates(&named, request.filed().requester, &request.filed().resources());
    of(&desk.at).into_iter().chain(of(&desk.present())).collect()
}

impl Engine {
    /// Of these requests those that the caller may see: it is theirs, they are asked or have reviewed it, they own what it is for, or they see all.
    pub(crate) async fn those_seen(&self, caller: &Caller, requests: Vec<Request>) -> Result<Vec<Request>, Refusal> {
        let me = caller.principal;
        let all = self.sees_all(caller);
        let theirs = move |request: &Request| all || parties(request).contains(&me);
        if requests.iter().all(theirs) {
            return Ok(requests);
        }
        let seen = self.sequencer.look(move |desk| {
            let owner = |request: &Request| request.filed().resources().iter().any(|r| desk.rules.owns(me, r));
            let sees = |request: &Request| theirs(request) || owner(request) || asked(desk, request).contains(&me);
            requests.into_iter().filter(|request| sees(request)).collect::<Vec<_>>()
        });
        Ok(seen.await?)
    }

    /// Whether the caller may know that an event of a request, grant, session or lock happened (W3); of anything else nobody is told.
    pub async fn hears(&self, caller: &Caller, envelope: &Envelope) -> bool {
        if let Stream::Lock(id) = envelope.stream {
            return self.lock_is_seen(caller, id).await;
        }
        let cell = self.audiences.of(envelope.seq);
        let Some(audience) = cell.get_or_init(|| self.audience(envelope.stream)).await else { return false };
        let rules = self.rules();
        self.sees_all(caller)
            || audience.people.contains(&caller.principal)
            || audience.resources.iter().any(|resource| rules.owns(caller.principal, resource))
    }

    /// Whom a change concerns; nobody when it can't be read, and nothing of what nobody is told.
    async fn audience(&self, of: Stream) -> Option<Audience> {
        let row = async || self.store.row(of).await.ok().flatten();
        Some(match of {
            Stream::Request(_) => match row().await.as_ref().and_then(parse::<Request>) {
                Some(request) => self.audience_of(request).await,
                None => Audience::default(),
            },
            Stream::Grant(_) => row().await.as_ref().and_then(parse::<Grant>).map_or_else(Audience::default, |grant| {
                let (holder, resource, _) = grant.parties();
                Audience { people: [holder].into(), resources: vec![resource.clone()] }
            }),
            Stream::Session(_) => row().await.as_ref().and_then(parse::<Session>).map_or_else(Audience::default, |session| {
                let arrived = session.arrived();
                Audience { people: [arrived.principal].into(), resources: vec![arrived.resource.clone()] }
            }),
            Stream::Lease(_)
            | Stream::Lock(_)
            | Stream::Delegation(_)
            | Stream::Preapproval(_)
            | Stream::Debt(_)
            | Stream::Principal(_)
            | Stream::Token(_)
            | Stream::Policy => return None,
        })
    }

    /// All whom [`Engine::those_seen`] lets see it, owners and those who see all apart.
    async fn audience_of(&self, request: Request) -> Audience {
        let (mut people, resources) = (parties(&request), request.filed().resources());
        people.extend(self.sequencer.look(move |desk| asked(desk, &request)).await.unwrap_or_default());
        Audience { people, resources }
    }
}
