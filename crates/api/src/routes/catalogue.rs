//! What there is to ask for, and who there is.

use ajar_core::directory::PrincipalKind;
use axum::Json;
use axum::extract::State;

use crate::Api;
use crate::caller::Reader;
use crate::model::{CatalogueEntry, CatalogueRole, Group, Health, Page, Person, PersonAway, Problem, RecentGrant};
use crate::problem::Refused;

fn health(health: ajar_engine::Health) -> Health {
    Health { state: health.state.word().to_owned(), checked_at: health.checked_at.map(|at| at.to_string()), words: health.words }
}

/// Resources that the caller may ask for or owns, how they are and how they are used; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/catalogue", security(("token" = [])), responses((status = 200, body = Page<CatalogueEntry>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn catalogue(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<CatalogueEntry>>, Refused> {
    let entries = api.engine.catalogue(&caller).await?;
    let role = |role: ajar_engine::CatalogueRole| CatalogueRole {
        name: role.name.to_string(),
        words: role.words,
        last_used: role.last_used.map(|at| at.to_string()),
        grants_90d: role.grants,
        yours: role.yours,
    };
    let items = entries.into_iter().map(|entry| CatalogueEntry {
        name: entry.resource.name.to_string(),
        kind: entry.resource.kind.word().to_owned(),
        description: entry.resource.description.clone(),
        labels: entry.resource.labels.clone(),
        owners: ajar_policy::Bound::owner_words(&entry.resource),
        default_role: entry.resource.default_role.as_ref().map(ToString::to_string),
        roles: entry.roles.into_iter().map(role).collect(),
        health: health(entry.health),
        open: entry.open,
        recent: entry
            .recent
            .into_iter()
            .map(|recent| RecentGrant {
                who: api.engine.name(recent.who),
                role: recent.role.to_string(),
                at: recent.at.to_string(),
                grant: recent.grant.to_string(),
            })
            .collect(),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// Everybody, for auditors and operators; for others, themselves and who shares a group with them.
#[utoipa::path(get, path = "/api/v1/people", security(("token" = [])), responses((status = 200, body = Page<Person>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn people(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Person>>, Refused> {
    let name = |id| api.engine.name(id);
    let items = api.engine.members(&caller).await?.into_iter().map(|person| Person {
        name: name(person.id),
        kind: match person.kind {
            PrincipalKind::User => "user".to_owned(),
            PrincipalKind::Workload => "workload".to_owned(),
        },
        groups: person.groups.iter().map(ToString::to_string).collect(),
        manager: person.manager.map(name),
        enabled: person.enabled,
        locked: person.locked,
        away: person.away.map(|away| PersonAway { until: away.until.to_string(), delegate: away.delegate.map(name) }),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// Every group, for auditors and operators; for others, those that they are in.
#[utoipa::path(get, path = "/api/v1/groups", security(("token" = [])), responses((status = 200, body = Page<Group>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn groups(State(api): State<Api>, Reader(caller): Reader) -> Json<Page<Group>> {
    let items = api.engine.groups(&caller).into_iter().map(|group| Group { name: group.name.to_string(), members: group.members });
    Json(Page { items: items.collect(), next: None })
}
