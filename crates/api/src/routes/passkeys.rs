//! Passkeys: enrolling, signing in with one, proving oneself again, removing.

use std::net::SocketAddr;

use ajar_core::id::PasskeyId;
use ajar_core::secret::Secret;
use ajar_engine::PasskeyView;
use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::response::Response;

use crate::Api;
use crate::caller::{OurPage, Reader, Writer};
use crate::model::{Ceremony, CeremonyAnswer, EnrolledPasskey, Me, NewPasskey, Page, Passkey, Problem, SteppedUp};
use crate::problem::Refused;

fn begun(ceremony: ajar_engine::Ceremony) -> Json<Ceremony> {
    Json(Ceremony { ceremony: ceremony.name, options: ceremony.options })
}

fn shown(view: PasskeyView) -> Passkey {
    Passkey {
        id: view.id.to_string(),
        label: view.label,
        created_at: view.enrolled_at.to_string(),
        last_used_at: view.used_at.map(|at| at.to_string()),
    }
}

/// The caller's passkeys.
#[utoipa::path(get, path = "/api/v1/passkeys", security(("token" = [])), responses((status = 200, body = Page<Passkey>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn passkey_list(State(api): State<Api>, Reader(caller): Reader) -> Result<Json<Page<Passkey>>, Refused> {
    Ok(Json(Page { items: api.engine.passkeys(&caller)?.into_iter().map(shown).collect(), next: None }))
}

/// Begins to enrol a passkey. The first takes the password, if there is one; every other a fresh step-up.
#[utoipa::path(post, path = "/api/v1/passkeys/register", security(("token" = [])), request_body = NewPasskey, responses((status = 200, body = Ceremony), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn passkey_register(
    State(api): State<Api>,
    Writer(caller): Writer,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Json(body): Json<NewPasskey>,
) -> Result<Json<Ceremony>, Refused> {
    Ok(begun(api.engine.passkey_enrol(&caller, body.current.map(Secret::new), client.ip()).await?))
}

/// Enrols the passkey with which the browser answered.
#[utoipa::path(post, path = "/api/v1/passkeys", security(("token" = [])), request_body = EnrolledPasskey, responses((status = 200, body = Passkey), (status = 401, body = Problem), (status = 403, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn passkey_enrol(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<EnrolledPasskey>,
) -> Result<Json<Passkey>, Refused> {
    let EnrolledPasskey { ceremony, label, credential } = body;
    Ok(Json(shown(api.engine.passkey_enrolled(&caller, &ceremony, &label, credential).await?)))
}

/// Removes a passkey of the caller's; takes a fresh step-up.
#[utoipa::path(delete, path = "/api/v1/passkeys/{id}", security(("token" = [])), params(("id" = String, Path)), responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn passkey_remove(State(api): State<Api>, Writer(caller): Writer, Path(id): Path<String>) -> Result<StatusCode, Refused> {
    let id: PasskeyId = id.parse().map_err(|_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", "that is not a passkey's id"))?;
    api.engine.passkey_remove(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Begins a step-up: the caller proves themselves again, with a passkey.
#[utoipa::path(post, path = "/api/v1/passkeys/step-up", security(("token" = [])), responses((status = 200, body = Ceremony), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn step_up(State(api): State<Api>, Writer(caller): Writer) -> Result<Json<Ceremony>, Refused> {
    Ok(begun(api.engine.step_up(&caller)?))
}

/// Ends a step-up. It holds for five minutes, for the token that asked, until the server is restarted.
#[utoipa::path(post, path = "/api/v1/passkeys/step-up/finish", security(("token" = [])), request_body = CeremonyAnswer, responses((status = 200, body = SteppedUp), (status = 401, body = Problem), (status = 403, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn step_up_finish(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<CeremonyAnswer>,
) -> Result<Json<SteppedUp>, Refused> {
    let until = api.engine.stepped_up(&caller, &body.ceremony, body.credential).await?;
    Ok(Json(SteppedUp { fresh_until: until.to_string() }))
}

/// Begins to sign a browser in with a passkey, whoever it is. Needs the header `ajar-web: 1`.
#[utoipa::path(post, path = "/api/v1/browser/passkey", operation_id = "browser_passkey", responses((status = 200, body = Ceremony), (status = 403, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    _page: OurPage,
) -> Result<Json<Ceremony>, Refused> {
    Ok(begun(api.engine.passkey_sign_in(client.ip())?))
}

/// Signs the browser in, as `/browser/sign-in` does; it counts as a step-up. Needs the header `ajar-web: 1`.
#[utoipa::path(post, path = "/api/v1/browser/passkey/finish", operation_id = "browser_passkey_finish", request_body = CeremonyAnswer, responses((status = 200, body = Me, headers(("set-cookie" = String))), (status = 401, body = Problem), (status = 403, body = Problem), (status = 410, body = Problem)))]
pub(super) async fn sign_in_finish(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    OurPage(before): OurPage,
    Json(body): Json<CeremonyAnswer>,
) -> Result<Response, Refused> {
    let issued = api.engine.passkey_signed_in(&body.ceremony, body.credential, client.ip()).await?;
    api.signed_in(before, &issued).await
}
