//! What there is to ask for, asking, deciding.

use std::collections::BTreeMap;

use ajar_core::grant::Grant as CoreGrant;
use ajar_core::id::RequestId;
use ajar_core::name::RoleName;
use ajar_core::plan::{Limits, Verdict as CoreVerdict};
use ajar_core::request::Ask as CoreAsk;
use ajar_core::resource::Kind;
use ajar_engine::{Caller, ListQuery, RequestView};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use super::{Listing, instant, span};
use crate::Api;
use crate::caller::{Reader, Writer};
use crate::model::{Ask, Debt, Explanation, NewComment, NewDebtReview, NewRequest, NewReview, Page, Problem, Request, Resource, Verdict};
use crate::problem::Refused;

impl Api {
    async fn request_page(&self, caller: &Caller, views: Vec<RequestView>) -> Result<Page<Request>, Refused> {
        let mut items = Vec::with_capacity(views.len());
        for view in views {
            let grants = match view.request.state() {
                "approved" => self.engine.grants_of_request(caller, view.request.filed().id).await?,
                _ => Vec::new(),
            };
            items.push(self.request(caller, view, &grants));
        }
        let next = items.last().map(|r| r.id.clone());
        Ok(Page { items, next })
    }

    pub(super) async fn one_request(&self, caller: &Caller, id: RequestId) -> Result<Json<Request>, Refused> {
        let view = self.engine.request(caller, id).await?;
        let grants = self.engine.grants_of_request(caller, id).await?;
        Ok(Json(self.request(caller, view, &grants)))
    }
}

/// Resources that the caller may ask for.
#[utoipa::path(get, path = "/api/v1/resources", security(("token" = [])), responses((status = 200, body = Page<Resource>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn resources(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Resource>>, Refused> {
    let query = ListQuery { states: vec!["open".into()], mine: true, limit: Some(500), ..ListQuery::default() };
    let open: Vec<CoreGrant> = api.engine.grants(&caller, query).await?;
    let items = api.engine.rules().visible(caller.principal).into_iter().map(|offered| Resource {
        name: offered.resource.name.to_string(),
        kind: offered.resource.kind.word().to_owned(),
        description: offered.resource.description.clone(),
        labels: offered.resource.labels.clone(),
        roles: offered.roles.iter().map(ToString::to_string).collect(),
        default_role: offered.resource.default_role.as_ref().map(ToString::to_string),
        logins: logins(&offered.resource, &offered.roles),
        open: open.iter().filter(|g| *g.parties().1 == offered.resource.name).map(|g| api.grant(&caller, g)).collect(),
    });
    Ok(Json(Page { items: items.collect(), next: None }))
}

/// The unix users of these roles.
fn logins(resource: &ajar_core::resource::Resource, roles: &[RoleName]) -> BTreeMap<String, Vec<String>> {
    match &resource.kind {
        Kind::Ssh(target) => roles.iter().filter_map(|role| Some((role.to_string(), target.roles.get(role)?.logins.clone()))).collect(),
        Kind::Postgres(_) | Kind::Http(_) => BTreeMap::new(),
    }
}

/// What somebody wants to know of the rules.
#[derive(Debug, Default, serde::Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asking {
    /// The role; the resource's default unless said.
    role: Option<String>,
    /// For how long: the rules' default unless said.
    #[serde(rename = "for")]
    duration: Option<String>,
    /// Why.
    reason: Option<String>,
    /// The ticket.
    ticket: Option<String>,
    /// What exactly it would be used for.
    scope: Option<String>,
    /// Whether it can't wait.
    #[serde(default)]
    emergency: bool,
    /// When it would begin, with a zone; now unless said.
    at: Option<String>,
    /// For whom, if not for who asks.
    on_behalf_of: Option<String>,
    /// Who would ask: for auditors and operators.
    user: Option<String>,
}

/// What would come of a request now, and why: which rules match, what they ask for, who could decide. Nothing is filed.
#[utoipa::path(get, path = "/api/v1/resources/{name}/explain", security(("token" = [])), params(("name" = String, Path), Asking), responses((status = 200, body = Explanation), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn explain(
    State(api): State<Api>,
    Reader(caller): Reader,
    Path(resource): Path<String>,
    Query(asking): Query<Asking>,
) -> Result<Json<Explanation>, Refused> {
    let Asking { role, duration, reason, ticket, scope, emergency, at, on_behalf_of, user } = asking;
    let (reason, starts_at) = (reason.unwrap_or_default(), instant("at", at)?);
    let new =
        ajar_engine::NewRequest { resource, role, duration, reason, ticket, scope, starts_at, emergency, also: Vec::new(), on_behalf_of };
    Ok(Json(api.explanation(api.engine.explain(&caller, new, user).await?)))
}

/// Requests, newest first: one's own, those that one asked for or reviewed, and those for what one owns; all of them for auditors and operators.
#[utoipa::path(get, path = "/api/v1/requests", security(("token" = [])), params(Listing), responses((status = 200, body = Page<Request>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn request_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(listing): Query<Listing>,
) -> Result<Json<Page<Request>>, Refused> {
    let views = api.engine.requests(&caller, listing.query()?).await?;
    Ok(Json(api.request_page(&caller, views).await?))
}

/// Files a request; the same one again finds the one that is pending.
#[utoipa::path(post, path = "/api/v1/requests", security(("token" = [])), request_body = NewRequest, responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_file(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<NewRequest>,
) -> Result<Json<Request>, Refused> {
    let NewRequest { resource, role, duration, reason, ticket, scope, starts_at, emergency, also, on_behalf_of } = body;
    let starts_at = instant("starts_at", starts_at)?;
    let also = also.into_iter().map(|ask| (ask.resource, ask.role)).collect();
    let new = ajar_engine::NewRequest { resource, role, duration, reason, ticket, scope, starts_at, emergency, also, on_behalf_of };
    let submitted = api.engine.request_file(&caller, new).await?;
    let Json(filed) = api.one_request(&caller, submitted.request).await?;
    Ok(Json(Request { apart: submitted.apart.iter().map(ToString::to_string).collect(), ..filed }))
}

/// Requests that wait for the caller's decision.
#[utoipa::path(get, path = "/api/v1/inbox", security(("token" = [])), responses((status = 200, body = Page<Request>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn inbox(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Request>>, Refused> {
    let views = api.engine.inbox(&caller).await?;
    let page = api.request_page(&caller, views).await?;
    Ok(Json(Page { next: None, ..page }))
}

/// One request.
#[utoipa::path(get, path = "/api/v1/requests/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_show(State(api): State<Api>, Reader(caller): Reader, Path(id): Path<String>) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    api.one_request(&caller, id).await
}

/// Approves or denies. Only a POST with a token decides: a link opened by a scanner does nothing (A6).
#[utoipa::path(post, path = "/api/v1/requests/{id}/reviews", security(("token" = [])), params(("id" = String, Path)), request_body = NewReview, responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn request_review(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    Json(body): Json<NewReview>,
) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    let verdict = core_verdict(body.verdict);
    let bad = |what: &str| Refused::new(StatusCode::BAD_REQUEST, "bad_input", what);
    let limits = Limits {
        duration: body.duration.as_deref().map(|text| span("for", text)).transpose()?,
        asks: body
            .only
            .map(|only| only.iter().map(asked).collect::<Option<_>>().ok_or_else(|| bad("'only' names no role on a resource")))
            .transpose()?,
    };
    api.engine.request_review(&caller, id, ajar_engine::NewReview { verdict, note: body.note, limits }).await?;
    api.one_request(&caller, id).await
}

fn core_verdict(verdict: Verdict) -> CoreVerdict {
    match verdict {
        Verdict::Approve => CoreVerdict::Approve,
        Verdict::Deny => CoreVerdict::Deny,
    }
}

/// The reviews that are owed for emergencies, and that the caller may know of.
#[utoipa::path(get, path = "/api/v1/debts", security(("token" = [])), responses((status = 200, body = Page<Debt>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn debt_list(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Debt>>, Refused> {
    let items = api.engine.debts(&caller).await?.into_iter().map(|d| api.debt(d)).collect();
    Ok(Json(Page { items, next: None }))
}

/// Reviews an emergency: whether it was right. An objection closes what is still open of it.
#[utoipa::path(post, path = "/api/v1/debts/{id}/reviews", security(("token" = [])), params(("id" = String, Path)), request_body = NewDebtReview, responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn debt_review(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    Json(body): Json<NewDebtReview>,
) -> Result<StatusCode, Refused> {
    let id = api.debt_id(&id).await?;
    api.engine.debt_review(&caller, id, core_verdict(body.verdict), body.note).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn asked(ask: &Ask) -> Option<CoreAsk> {
    Some(CoreAsk { resource: ask.resource.parse().ok()?, role: ask.role.parse().ok()? })
}

/// Takes the caller's approves back, while the request is pending.
#[utoipa::path(post, path = "/api/v1/requests/{id}/take-back", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn request_take_back(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    api.engine.request_take_back(&caller, id).await?;
    api.one_request(&caller, id).await
}

/// Says or asks something without deciding.
#[utoipa::path(post, path = "/api/v1/requests/{id}/comments", security(("token" = [])), params(("id" = String, Path)), request_body = NewComment, responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_comment(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
    Json(body): Json<NewComment>,
) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    api.engine.request_comment(&caller, id, body.text).await?;
    api.one_request(&caller, id).await
}

/// Writes down that the caller has looked at a request that asks them, so that the others see it. Reading it does not: a GET changes nothing.
#[utoipa::path(post, path = "/api/v1/requests/{id}/seen", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_see(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    api.engine.request_see(&caller, id).await?;
    api.one_request(&caller, id).await
}

/// Takes a request back.
#[utoipa::path(post, path = "/api/v1/requests/{id}/withdraw", security(("token" = [])), params(("id" = String, Path)), responses((status = 200, body = Request), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn request_withdraw(
    State(api): State<Api>,
    Writer(caller): Writer,
    Path(id): Path<String>,
) -> Result<Json<Request>, Refused> {
    let id = api.request_id(&id).await?;
    api.engine.request_withdraw(&caller, id).await?;
    api.one_request(&caller, id).await
}
