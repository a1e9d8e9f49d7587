//! SSH certificates. What hosts fetch needs no token: it is public, and hosts have none.

use std::net::{IpAddr, SocketAddr};

use ajar_core::resource::Kind;
use ajar_core::ssh::HostKey;
use ajar_engine::{Certified, NewDirect};
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::span;
use crate::Api;
use crate::caller::{Anyone, Writer};
use crate::model::{NewSshCertificate, NewSshDirect, NewSshHost, Problem, SshAuthorities, SshCertificate, SshDirect};
use crate::problem::Refused;

fn shown(made: Certified) -> Json<SshCertificate> {
    Json(SshCertificate { certificate: made.certificate, expires_at: made.expires_at.to_string() })
}

/// Certifies a key for the gateway, on the strength of the token that is shown: it is good for 12 hours, or as long as the token.
#[utoipa::path(post, path = "/api/v1/ssh/certificates", security(("token" = [])), request_body = NewSshCertificate, responses((status = 200, body = SshCertificate), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn certificate(
    State(api): State<Api>,
    Anyone(caller): Anyone,
    Json(body): Json<NewSshCertificate>,
) -> Result<Json<SshCertificate>, Refused> {
    let NewSshCertificate { public_key, resource, role } = body;
    Ok(shown(api.engine.ssh_certificate(&caller, &public_key, resource.as_deref(), role.as_deref()).await?))
}

/// Certifies a key for a host itself, past the gateway, until the end of an open grant whose role allows that. It is not recorded.
#[utoipa::path(post, path = "/api/v1/ssh/direct", security(("token" = [])), request_body = NewSshDirect, responses((status = 200, body = SshDirect), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn direct(
    State(api): State<Api>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    Writer(caller): Writer,
    Json(body): Json<NewSshDirect>,
) -> Result<Json<SshDirect>, Refused> {
    let NewSshDirect { resource, role, login, public_key, source_address } = body;
    let bad = |_| Refused::new(StatusCode::BAD_REQUEST, "bad_input", "'source_address' is not an address such as 10.1.2.3");
    let source: IpAddr = source_address.map_or(Ok(client.ip()), |text| text.parse()).map_err(bad)?;
    let made = api.engine.ssh_direct(&caller, NewDirect { resource, role, login, public_key, source }).await?;
    let (host, port) = made.resource.address();
    let known_hosts = match &made.resource.kind {
        Kind::Ssh(target) => {
            let hosts = api.engine.ssh_authorities()?.hosts;
            target.host_keys.iter().map(|key| known_host(key, &hosts)).collect()
        }
        Kind::Postgres(_) | Kind::Http(_) => Vec::new(),
    };
    Ok(Json(SshDirect {
        certificate: made.certified.certificate,
        expires_at: made.certified.expires_at.to_string(),
        grant: made.grant.to_string(),
        lease: made.lease.to_string(),
        role: made.role.to_string(),
        login: made.login,
        host: host.to_owned(),
        port,
        known_hosts,
    }))
}

/// A line of a file that is for this host alone.
fn known_host(key: &HostKey, hosts: &str) -> String {
    match key {
        HostKey::Ajar => format!("@cert-authority * {hosts}"),
        HostKey::Authority(authority) => format!("@cert-authority * {authority}"),
        HostKey::Key(key) => format!("* {key}"),
    }
}

/// Certifies a host's key for its names: for operators.
#[utoipa::path(post, path = "/api/v1/ssh/hosts", security(("token" = [])), request_body = NewSshHost, responses((status = 200, body = SshCertificate), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn host(
    State(api): State<Api>,
    Writer(caller): Writer,
    Json(body): Json<NewSshHost>,
) -> Result<Json<SshCertificate>, Refused> {
    let NewSshHost { public_key, names, life } = body;
    let life = life.map(|life| span("life", &life)).transpose()?;
    Ok(shown(api.engine.ssh_host_certificate(&caller, &public_key, names, life).await?))
}

/// The public keys of the SSH authorities.
#[utoipa::path(get, path = "/api/v1/ssh/authorities", security(("token" = [])), responses((status = 200, body = SshAuthorities), (status = 401, body = Problem)))]
pub(super) async fn authorities(State(api): State<Api>, _caller: Anyone) -> Result<Json<SshAuthorities>, Refused> {
    let keys = api.engine.ssh_authorities()?;
    Ok(Json(SshAuthorities { visitors: keys.visitors, users: keys.users, hosts: keys.hosts }))
}

/// The certificates that hosts must not take any more, for their `RevokedKeys`: in OpenSSH's format. Needs no token.
#[utoipa::path(get, path = "/ssh/revocations", responses((status = 200, body = [u8], content_type = "application/octet-stream"), (status = 304, description = "The same are revoked as when the ETag was given")))]
pub(super) async fn revocations(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Refused> {
    let list = api.engine.ssh_revocations()?;
    // Weak: the list says when it was made, too.
    let tag = format!("W/\"{}\"", list.tag);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let same = known.map(str::trim).any(|known| known == tag);
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, "application/octet-stream")], list.krl).into_response()
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The authority for unix users, for hosts' `TrustedUserCAKeys`. Needs no token.
#[utoipa::path(get, path = "/ssh/users.pub", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn users(State(api): State<Api>) -> Result<String, Refused> {
    Ok(format!("{}\n", api.engine.ssh_authorities()?.users))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_what_the_files_say() {
        assert_eq!(known_host(&HostKey::Ajar, "ssh-ed25519 A"), "@cert-authority * ssh-ed25519 A");
        assert_eq!(known_host(&HostKey::Authority("ssh-ed25519 B".into()), "ssh-ed25519 A"), "@cert-authority * ssh-ed25519 B");
        assert_eq!(known_host(&HostKey::Key("ssh-ed25519 C".into()), "ssh-ed25519 A"), "* ssh-ed25519 C");
    }
}
