//! The routes. One list, from which the router and the OpenAPI document are made.

mod about;
mod access;
mod accesses;
mod browser;
mod catalogue;
mod cli_logins;
mod entries;
mod insight;
mod ledger;
mod live;
mod locks;
mod notices;
mod operate;
mod passkeys;
mod policy;
mod rehearse;
mod requests;
mod search;
mod sign_in;
mod ssh;
mod watch;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use ajar_core::event::Stream;
use ajar_core::port::Refusal;
use ajar_core::time::{Span, Timestamp};
use ajar_engine::ListQuery;

use crate::problem::Refused;
use crate::{Api, web};

/// The largest body: O2. Policy files have a larger limit of their own.
const BODY_MAX: usize = 64 * 1024;
/// The longest word of the framework about what it could not read: it may quote some of it.
const SAID_MAX: usize = 16 * 1024;

#[derive(OpenApi)]
#[openapi(info(title = "Ajar", description = "Just-in-time access: ask, decide, get in, prove it."), modifiers(&Bearer))]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A token from /api/v1/sign-in")).build();
        openapi.components.get_or_insert_with(Default::default).add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

fn documented() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(browser::sign_in))
        .routes(routes!(browser::sign_out))
        .routes(routes!(passkeys::sign_in))
        .routes(routes!(passkeys::sign_in_finish))
        .routes(routes!(passkeys::passkey_list, passkeys::passkey_enrol))
        .routes(routes!(passkeys::passkey_register))
        .routes(routes!(passkeys::passkey_remove))
        .routes(routes!(passkeys::step_up))
        .routes(routes!(passkeys::step_up_finish))
        .routes(routes!(cli_logins::begin))
        .routes(routes!(cli_logins::waiting))
        .routes(routes!(cli_logins::approve))
        .routes(routes!(cli_logins::refuse))
        .routes(routes!(cli_logins::token))
        .routes(routes!(sign_in::me))
        .routes(routes!(sign_in::doors))
        .routes(routes!(sign_in::password))
        .routes(routes!(sign_in::token_list, sign_in::token_issue))
        .routes(routes!(sign_in::token_revoke))
        .routes(routes!(entries::http_enter))
        .routes(routes!(requests::resources))
        .routes(routes!(requests::explain))
        .routes(routes!(catalogue::catalogue))
        .routes(routes!(catalogue::people))
        .routes(routes!(catalogue::groups))
        .routes(routes!(requests::request_list, requests::request_file))
        .routes(routes!(requests::inbox))
        .routes(routes!(notices::notice_list))
        .routes(routes!(requests::request_show))
        .routes(routes!(about::request_timeline))
        .routes(routes!(about::request_context))
        .routes(routes!(requests::request_review))
        .routes(routes!(requests::request_take_back))
        .routes(routes!(requests::request_comment))
        .routes(routes!(requests::request_see))
        .routes(routes!(requests::request_withdraw))
        .routes(routes!(accesses::accesses))
        .routes(routes!(search::search))
        .routes(routes!(insight::insight))
        .routes(routes!(access::grant_list))
        .routes(routes!(access::grant_show))
        .routes(routes!(access::grant_leases))
        .routes(routes!(access::grant_extend))
        .routes(routes!(access::grant_return))
        .routes(routes!(access::grant_revoke))
        .routes(routes!(access::session_list))
        .routes(routes!(access::session_show))
        .routes(routes!(access::session_recording))
        .routes(routes!(live::session_watch))
        .routes(routes!(live::session_kill))
        .routes(routes!(requests::debt_list))
        .routes(routes!(requests::debt_review))
        .routes(routes!(locks::lock_list, locks::lock_place))
        .routes(routes!(locks::lock_lift))
        .routes(routes!(locks::delegation_list, locks::delegation_make))
        .routes(routes!(locks::delegation_end))
        .routes(routes!(locks::preapproval_list, locks::preapproval_give))
        .routes(routes!(locks::preapproval_end))
        .routes(routes!(operate::ledger_search))
        .routes(routes!(operate::ledger_export))
        .routes(routes!(operate::ledger_checkpoint))
        .routes(routes!(operate::ledger_key))
        .routes(routes!(ledger::ledger_status))
        .routes(routes!(ledger::ledger_verify))
        .routes(routes!(ledger::ledger_proof))
        .routes(routes!(policy::policy_log))
        .routes(routes!(policy::policy_schema))
        .routes(routes!(rehearse::policy_suggestions))
        .routes(routes!(ssh::certificate))
        .routes(routes!(ssh::direct))
        .routes(routes!(ssh::host))
        .routes(routes!(ssh::authorities))
        .routes(routes!(ssh::revocations))
        .routes(routes!(ssh::users))
        .routes(routes!(operate::doctor))
        .routes(routes!(operate::status))
        .routes(routes!(watch::events))
}

fn with_policy() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(policy::policy_show, policy::policy_apply))
        .routes(routes!(policy::policy_plan))
        .routes(routes!(rehearse::policy_replay))
        .layer(DefaultBodyLimit::max(24 * 1024 * 1024))
}

pub(crate) fn openapi() -> String {
    let (_, document) = documented().layer(DefaultBodyLimit::max(BODY_MAX)).merge(with_policy()).split_for_parts();
    document.to_pretty_json().unwrap_or_default()
}

pub(crate) fn router(api: Api) -> Router {
    let (routes, _) = documented().layer(DefaultBodyLimit::max(BODY_MAX)).merge(with_policy()).split_for_parts();
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let unless_said = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    routes
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(watch::ready))
        .route("/metrics", get(watch::metrics))
        .route("/api/v1/openapi.json", get(|| async { ([("content-type", "application/json")], openapi()) }))
        .route("/requests/{id}", get(request_page))
        .fallback(page_or_nothing)
        .route_layer(axum::middleware::map_response(worded))
        .route_layer(axum::middleware::from_fn(traced))
        .with_state(api)
        .layer(unless_said("cache-control", "no-store"))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(unless_said("content-security-policy", "default-src 'none'; frame-ancestors 'none'"))
        .layer(header("referrer-policy", "no-referrer"))
        .layer(CatchPanicLayer::new())
}

/// A body or a query that can't be read is refused before a handler sees it, in plain text: that is a problem like any other.
async fn worded(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    if !status.is_client_error() || kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"text/plain")) {
        return response;
    }
    let said = axum::body::to_bytes(response.into_body(), SAID_MAX).await.unwrap_or_default();
    let (code, hint) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "say less at once"),
        _ => ("bad_input", "/api/v1/openapi.json describes what is understood"),
    };
    Refused::new(status, code, &String::from_utf8_lossy(&said)).with_hint(hint).into_response()
}

/// A span for each call that somebody makes, by route: paths hold ids that anybody may have made up.
async fn traced(route: MatchedPath, request: Request, next: Next) -> Response {
    let span =
        tracing::info_span!("call", http.method = %request.method(), http.route = route.as_str(), http.status = tracing::field::Empty);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.status", response.status().as_u16());
    response
}

/// What lies outside the API: the pages, or nothing.
async fn page_or_nothing(State(api): State<Api>, request: Request) -> Result<Response, Refused> {
    let nothing = || Refused::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing here");
    web::answer(&web::base(&api.public_url), &request).ok_or_else(nothing)
}

/// What is behind a request's link: its page, and for what isn't a browser nothing but what to do. The link carries no authority.
async fn request_page(
    State(api): State<Api>,
    axum::extract::Path(id): axum::extract::Path<String>,
    request: Request,
) -> Result<Response, Refused> {
    if let Some(page) = web::answer(&web::base(&api.public_url), &request) {
        return Ok(page);
    }
    let id = id.parse::<ajar_core::id::RequestId>();
    let id = id.map_err(|_| Refused::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing here"))?;
    Ok(format!("ajar requests {id}\najar approve {id} --note '…'\najar deny {id} --note '…'\n").into_response())
}

/// What lists take.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Listing {
    /// States, with commas between.
    #[serde(default)]
    state: Option<String>,
    /// Only one's own: theirs, or asked for by them.
    #[serde(default)]
    mine: bool,
    /// On this resource.
    #[serde(default)]
    resource: Option<String>,
    /// Belonging to this: a request's grants, a grant's sessions.
    #[serde(default)]
    of: Option<String>,
    /// The cursor: `next` of the page before.
    #[serde(default)]
    before: Option<String>,
    /// At most so many (50 unless said, 500 at the most).
    #[serde(default)]
    limit: Option<u32>,
}

impl Listing {
    fn query(self) -> Result<ListQuery, Refused> {
        let bad = |what: &str| Refused::new(StatusCode::BAD_REQUEST, "bad_input", what);
        Ok(ListQuery {
            states: self.state.iter().flat_map(|s| s.split(',')).map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
            mine: self.mine,
            resource: self.resource.map(|r| r.parse()).transpose().map_err(|_| bad("'resource' is not a resource's name"))?,
            of: self.of.map(|of| of.parse()).transpose().map_err(|_| bad("'of' is not the id of a request or grant"))?,
            before: self.before.map(|b| b.parse()).transpose().map_err(|_| bad("'before' is not a cursor"))?,
            limit: self.limit,
        })
    }
}

/// An instant that somebody said, with its zone.
fn instant(what: &'static str, text: Option<String>) -> Result<Option<Timestamp>, Refused> {
    let message = format!("'{what}' is not an instant such as 2026-01-31T17:00:00Z");
    text.map(|at| at.parse()).transpose().map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", &message).about(what))
}

/// A length of time that somebody said.
fn span(what: &str, text: &str) -> Result<Span, Refused> {
    text.parse()
        .map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", &format!("'{what}' is not a duration such as 30m")).about(what))
}

macro_rules! ids {
    ($($name:ident: $word:literal => $variant:ident($id:ty);)*) => {
        impl Api {
            $(async fn $name(&self, text: &str) -> Result<$id, Refusal> {
                match self.engine.resolve($word, text).await? {
                    Stream::$variant(id) => Ok(id),
                    other => Err(Refusal {
                        kind: ajar_core::port::RefusalKind::BadInput,
                        message: format!("{other} is not a {}", $word),
                        detail: None,
                        hint: None,
                        field: None,
                    }),
                }
            })*
        }
    };
}

ids! {
    request_id: "request" => Request(ajar_core::id::RequestId);
    grant_id: "grant" => Grant(ajar_core::id::GrantId);
    lock_id: "lock" => Lock(ajar_core::id::LockId);
    preapproval_id: "preapproval" => Preapproval(ajar_core::id::PreapprovalId);
    delegation_id: "delegation" => Delegation(ajar_core::id::DelegationId);
    debt_id: "debt" => Debt(ajar_core::id::DebtId);
    session_id: "session" => Session(ajar_core::id::SessionId);
}
