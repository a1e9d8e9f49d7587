//! Who may hear that something changed. Worked out once for each event, however many listen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use ajar_core::event::{Envelope, Event, Stream};
use ajar_core::grant::Grant;
use ajar_core::id::PrincipalId;
use ajar_core::name::ResourceName;
use ajar_core::plan::Stage;
use ajar_core::request::Request;
use ajar_core::session::Session;
use tokio::sync::OnceCell;

use crate::engine::Engine;
use crate::people::Caller;
use crate::records::parse;

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
pub(crate) struct Audiences(Mutex<BTreeMap<u64, Arc<OnceCell<Audience>>>>);

impl Audiences {
    fn of(&self, seq: u64) -> Arc<OnceCell<Audience>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = Arc::clone(known.entry(seq).or_default());
        while known.len() > REMEMBERED {
            known.pop_first();
        }
        found
    }
}

impl Engine {
    /// Whether the caller may know that an event of a request, grant, session or lock happened (W3); of anything else nobody is told.
    pub async fn hears(&self, caller: &Caller, envelope: &Envelope) -> bool {
        let stream = envelope.stream;
        let told = match (&envelope.event, stream) {
            (Event::Lock(_), Stream::Lock(id)) => return self.lock_is_seen(caller, id).await,
            (Event::Request(_), Stream::Request(_)) | (Event::Grant(_), Stream::Grant(_)) | (Event::Session(_), Stream::Session(_)) => true,
            (
                Event::Request(_)
                | Event::Grant(_)
                | Event::Session(_)
                | Event::Lease(_)
                | Event::Lock(_)
                | Event::Delegation(_)
                | Event::Preapproval(_)
                | Event::Debt(_)
                | Event::Principal(_)
                | Event::Token(_)
                | Event::Policy(_),
                _,
            ) => false,
        };
        if !told || self.sees_all(caller) {
            return told;
        }
        let cell = self.audiences.of(envelope.seq);
        let audience = cell.get_or_init(|| self.audience(stream)).await;
        audience.people.contains(&caller.principal) || {
            let rules = self.rules();
            audience.resources.iter().any(|resource| rules.owns(caller.principal, resource))
        }
    }

    /// Nobody, when it can't be read.
    async fn audience(&self, of: Stream) -> Audience {
        let Some(row) = self.store.row(of).await.ok().flatten() else { return Audience::default() };
        match of {
            Stream::Request(_) => match parse::<Request>(&row) {
                Some(request) => self.audience_of(request).await,
                None => Audience::default(),
            },
            Stream::Grant(_) => parse::<Grant>(&row).map_or_else(Audience::default, |grant| {
                let (holder, resource, _) = grant.parties();
                Audience { people: [holder].into(), resources: vec![resource.clone()] }
            }),
            Stream::Session(_) => parse::<Session>(&row).map_or_else(Audience::default, |session| {
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
            | Stream::Policy => Audience::default(),
        }
    }

    /// The same as [`Engine::may_see_request`] says to each.
    async fn audience_of(&self, request: Request) -> Audience {
        let filed = request.filed();
        let resources = filed.resources();
        let mut people: BTreeSet<_> = [filed.requester, filed.beneficiary].into();
        people.extend(request.reviews().iter().map(|review| review.reviewer));
        let asked = self.sequencer.look(move |desk| {
            let (plan, _) = request.terms();
            let (requester, resources) = (request.filed().requester, request.filed().resources());
            let named: Vec<_> = plan.stages.iter().flat_map(Stage::everyone).cloned().collect();
            let of = |facts: &dyn ajar_core::plan::Facts| facts.candidates(&named, requester, &resources);
            // Whoever is away still sees what their delegate is asked.
            of(&desk.at).into_iter().chain(of(&desk.present())).collect::<Vec<_>>()
        });
        people.extend(asked.await.unwrap_or_default());
        Audience { people, resources }
    }
}
