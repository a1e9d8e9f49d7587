//! What there is to ask for, how it is and how it is used. INVARIANT: of resources that its caller may not know of, nothing (I20).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ajar_core::grant::Grant;
use ajar_core::id::{GrantId, PrincipalId};
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::{Refusal, RowQuery, Tally};
use ajar_core::resource::Resource;
use ajar_core::time::{Span, Timestamp};
use futures::{StreamExt, TryStreamExt};

use crate::engine::Engine;
use crate::health::Health;
use crate::people::Caller;
use crate::records::parse;
use crate::role_words::role_words;
use crate::sequencer::unavailable;

/// How far back use is looked at.
const LOOKED_AT: Span = Span::from_secs(90 * 24 * 3600);
/// Resources that are looked up at once.
const AT_ONCE: usize = 4;
/// Grants of a resource that are told of one by one.
const RECENT: u32 = 5;

/// A resource, as its caller may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The resource.
    pub resource: Arc<Resource>,
    /// Its roles: those that the caller may ask for; all of them for owners, auditors and operators.
    pub roles: Vec<CatalogueRole>,
    /// How its target is. What is wrong is for owners, auditors and operators.
    pub health: Health,
    /// Grants that are open now.
    pub open: usize,
    /// The last grants that opened: for owners, auditors and operators.
    pub recent: Vec<RecentGrant>,
}

/// A role, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueRole {
    /// Its name.
    pub name: RoleName,
    /// What it is.
    pub words: String,
    /// When a session as it began last, within 90 days.
    pub last_used: Option<Timestamp>,
    /// Grants of it that opened within 90 days.
    pub grants: u64,
    /// Whether the caller may ask for it.
    pub yours: bool,
}

/// A grant that opened lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentGrant {
    /// Which.
    pub grant: GrantId,
    /// Who got in.
    pub who: PrincipalId,
    /// As what.
    pub role: RoleName,
    /// When.
    pub at: Timestamp,
}

type Used<'a> = BTreeMap<(&'a ResourceName, &'a RoleName), &'a Tally>;

impl Engine {
    /// Resources that the caller may ask for or owns; all of them for auditors and operators.
    ///
    /// # Errors
    /// When the store can't be read, or the engine has stopped.
    pub async fn catalogue(&self, caller: &Caller) -> Result<Vec<CatalogueEntry>, Refusal> {
        let (me, all, rules) = (caller.principal, self.sees_all(caller), self.rules());
        let offered: BTreeMap<ResourceName, Vec<RoleName>> =
            rules.visible(me).into_iter().map(|offered| (offered.resource.name.clone(), offered.roles)).collect();
        let owned: BTreeSet<ResourceName> = rules.owned(me).into_iter().collect();
        let seen: Vec<_> = rules.resources().filter(|r| all || offered.contains_key(&r.name) || owned.contains(&r.name)).cloned().collect();
        let (grants, sessions) = futures::try_join!(self.used("grant"), self.used("session"))?;
        let (grants, sessions) = (by_role(&grants), by_role(&sessions));
        let open = self.sequencer.look(|desk| {
            let mut open: BTreeMap<ResourceName, usize> = BTreeMap::new();
            for grant in desk.world.grants().filter(|g| matches!(g, Grant::Open(_))) {
                *open.entry(grant.parties().1.clone()).or_default() += 1;
            }
            open
        });
        let open = open.await?;
        let told = futures::stream::iter(seen).map(|resource| async {
            let resource = resource;
            let name = &resource.name;
            let insider = all || owned.contains(name);
            let mine = offered.get(name).map(Vec::as_slice).unwrap_or_default();
            let role = |role: &RoleName| CatalogueRole {
                words: role_words(&resource, role),
                last_used: sessions.get(&(name, role)).and_then(|tally| tally.latest),
                grants: grants.get(&(name, role)).map_or(0, |tally| tally.count),
                yours: mine.contains(role),
                name: role.clone(),
            };
            let roles = resource.roles().into_iter().filter(|name| insider || mine.contains(name)).map(role).collect();
            let health = self.health(name);
            Ok::<_, Refusal>(CatalogueEntry {
                roles,
                health: Health { words: health.words.filter(|_| insider), ..health },
                open: open.get(name).copied().unwrap_or(0),
                recent: if insider { self.recent(name).await? } else { Vec::new() },
                resource,
            })
        });
        told.buffered(AT_ONCE).try_collect().await
    }

    /// How often what was used lately, and when last: of all states together.
    async fn used(&self, word: &'static str) -> Result<Vec<Tally>, Refusal> {
        let query = RowQuery { word, since: Some(self.now().before(LOOKED_AT)), ..RowQuery::default() };
        let counts = self.store.tally(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let mut together: BTreeMap<(Option<ResourceName>, Option<RoleName>), Tally> = BTreeMap::new();
        for tally in counts {
            let sum = together.entry((tally.resource.clone(), tally.role.clone())).or_insert_with(|| Tally { count: 0, ..tally.clone() });
            (sum.count, sum.latest) = (sum.count + tally.count, sum.latest.max(tally.latest));
        }
        Ok(together.into_values().collect())
    }

    async fn recent(&self, resource: &ResourceName) -> Result<Vec<RecentGrant>, Refusal> {
        let query = RowQuery {
            word: "grant",
            resource: Some(resource.clone()),
            since: Some(Timestamp::EPOCH),
            limit: RECENT,
            ..RowQuery::default()
        };
        let rows = self.store.rows(&query).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let told = rows.iter().filter_map(parse::<Grant>).filter_map(|grant| {
            let claims = &grant.signed()?.claims;
            Some(RecentGrant { grant: claims.grant, who: claims.principal, role: claims.role.clone(), at: claims.starts_at })
        });
        Ok(told.collect())
    }
}

fn by_role(counts: &[Tally]) -> Used<'_> {
    counts.iter().filter_map(|tally| Some(((tally.resource.as_ref()?, tally.role.as_ref()?), tally))).collect()
}
