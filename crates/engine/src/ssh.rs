//! SSH certificates: for visitors of the gateway, for hosts, and those with which clients go to a host themselves. The last are leases:
//! intent, certificate, and a number on the list of revoked ones when they end before their time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajar_core::directory::Scope;
use ajar_core::event::{Envelope, Event, Stream};
use ajar_core::grant::Grant;
use ajar_core::id::{GrantId, LeaseId};
use ajar_core::lease::{Intended, LeaseEvent};
use ajar_core::name::{ResourceName, RoleName};
use ajar_core::port::{Refusal, RefusalKind, SshAuthority, SshAuthorityError, SshAuthorityKeys, SshCertify, SshForwarding, SshSubject};
use ajar_core::resource::{Kind, Resource};
use ajar_core::ssh::{CANARY, SshRole, SshTarget, serial};
use ajar_core::time::{Span, Timestamp};
use ajar_core::world::WorldError;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use tracing::{Instrument, instrument};

use crate::door::{open_grant, other_door};
use crate::engine::Engine;
use crate::people::{Caller, bad_credential};
use crate::refusal::{bad_input, no_such, of, refusal};
use crate::sequencer::Draft;

/// How long a visitor's certificate is good for, if its token is.
const VISITOR_LIFE: Span = Span::from_secs(12 * 3600);
/// How long a host's certificate is good for, unless less is asked for.
const HOST_LIFE_MAX: Span = Span::from_secs(365 * 24 * 3600);
/// Certificates stay on the list of revoked ones for so long after their end: a host's clock may be behind.
const LISTED_LONGER: Span = Span::from_secs(3_600);
/// Certificates of one grant at the most: each is looked after until its end.
const DIRECT_MAX: usize = 256;
/// Names in a host's certificate at the most.
const NAMES_MAX: usize = 64;

/// A certificate, and how long it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// As a line in OpenSSH's format.
    pub certificate: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Asks for a certificate with which to go to a host past the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDirect {
    /// The resource.
    pub resource: String,
    /// The role, where several grants are open.
    pub role: Option<String>,
    /// The unix user; the role's first unless said.
    pub login: Option<String>,
    /// Whose key, as a line in OpenSSH's format.
    pub public_key: String,
    /// The only address that it may be used from.
    pub source: IpAddr,
}

/// A certificate with which to go to a host past the gateway.
#[derive(Debug, Clone)]
pub struct Direct {
    /// The certificate.
    pub certified: Certified,
    /// The lease that it is.
    pub lease: LeaseId,
    /// Under which grant.
    pub grant: GrantId,
    /// As which role.
    pub role: RoleName,
    /// As which unix user.
    pub login: String,
    /// Where the host is, and what it is known by.
    pub resource: Arc<Resource>,
}

/// A list of revoked certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocations {
    /// The list in OpenSSH's format.
    pub krl: Vec<u8>,
    /// A word that is another one when other certificates are revoked.
    pub tag: String,
}

/// The certificates that are leases, as the log tells: of those that live, what they are; of those that don't, until when to say so.
#[derive(Debug, Default)]
pub(crate) struct Certificates(Mutex<Listed>);

#[derive(Debug, Default)]
struct Listed {
    given: BTreeMap<LeaseId, (u64, Timestamp)>,
    revoked: BTreeMap<u64, Timestamp>,
}

impl Certificates {
    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hear(&self, envelope: &Envelope) {
        let (Stream::Lease(id), Event::Lease(event)) = (envelope.stream, &envelope.event) else { return };
        let mut listed = self.listed();
        match event {
            LeaseEvent::Intended(Intended { serial: Some(serial), valid_until, .. }) => {
                listed.given.insert(id, (*serial, *valid_until));
            }
            // INVARIANT I11: from the first moment, whatever the host says later.
            LeaseEvent::Revoking(_) => {
                if let Some((serial, until)) = listed.given.remove(&id) {
                    listed.revoked.insert(serial, until);
                }
            }
            // Its own end stays where it was.
            LeaseEvent::Moved(_)
            | LeaseEvent::Intended(_)
            | LeaseEvent::Minted(_)
            | LeaseEvent::RevokeUnconfirmed(_)
            | LeaseEvent::Revoked(_) => {}
        }
    }

    /// The numbers of those that a host could take for good at `now`, and the one that shows that it has the list.
    fn revoked(&self, now: Timestamp) -> Vec<u64> {
        let mut listed = self.listed();
        listed.revoked.retain(|_, until| now < until.after(LISTED_LONGER));
        std::iter::once(CANARY).chain(listed.revoked.keys().copied()).collect()
    }
}

impl Engine {
    fn ssh_authority(&self) -> Result<&dyn SshAuthority, Refusal> {
        self.authority.as_deref().ok_or_else(|| refusal(RefusalKind::Unavailable, "this server certifies no SSH keys", None, None))
    }

    /// The public keys of the SSH authorities.
    ///
    /// # Errors
    /// When there are none.
    pub fn ssh_authorities(&self) -> Result<SshAuthorityKeys, Refusal> {
        Ok(self.ssh_authority()?.keys())
    }

    /// Certifies a key of the caller's for the gateway, on the strength of their token: with it ends what the certificate is good for.
    ///
    /// # Errors
    /// When they have come without a token or with one for reading, may not know of the resource, or the key can't be certified.
    pub async fn ssh_certificate(
        &self,
        caller: &Caller,
        public_key: &str,
        resource: Option<&str>,
        role: Option<&str>,
    ) -> Result<Certified, Refusal> {
        let authority = self.ssh_authority()?;
        let Some(token) = caller.token() else {
            return Err(refusal(RefusalKind::Denied, "a key is certified for a token", None, Some("sign in with 'ajar login'".into())));
        };
        if caller.scope == Scope::Read {
            return Err(refusal(RefusalKind::Denied, "this token is only for reading", None, Some("sign in with 'ajar login'".into())));
        }
        let now = self.clock.now();
        let (issued, _) = self.people.token_known(token, now).ok_or_else(bad_credential)?;
        let (resource, role) = match resource {
            Some(resource) => {
                let (resource, role) = self.ssh_known(caller, resource, role).await?;
                (Some(resource), role)
            }
            None if role.is_some() => return Err(bad_input("a role of which resource?", "name the resource too")),
            None => (None, None),
        };
        let valid_until = now.after(VISITOR_LIFE).min(issued.expires_at);
        let ask = SshCertify {
            public_key: public_key.to_owned(),
            subject: SshSubject::Visitor { token, resource, role },
            key_id: token.to_string(),
            serial: self.entropy.number().max(1),
            valid_from: now,
            valid_until,
        };
        certified(authority, &ask)
    }

    /// A resource and a role that the caller may know of: they may ask for it, or have it.
    async fn ssh_known(&self, caller: &Caller, resource: &str, role: Option<&str>) -> Result<(ResourceName, Option<RoleName>), Refusal> {
        let name: ResourceName = resource.parse().map_err(|_| no_such("such resource"))?;
        let role: Option<RoleName> = role.map(str::parse).transpose().map_err(|_| no_such("such role"))?;
        let principal = caller.principal;
        let seen = self.sequencer.look(move |desk| {
            let offered = desk.rules.offered(principal, &name);
            let has = open_grant(desk, principal, name.as_str(), None).is_some();
            if offered.is_none() && !has {
                return Err(no_such("such resource"));
            }
            other_door(desk, principal, name.as_str(), "ssh")?;
            if let Some(role) = &role {
                let offers = offered.is_some_and(|offered| offered.roles.contains(role));
                if !offers && open_grant(desk, principal, name.as_str(), Some(role.as_str())).is_none() {
                    return Err(no_such("such role"));
                }
            }
            Ok((name, role))
        });
        seen.await?
    }

    /// Certifies a key of the caller's for a host itself, past the gateway: where they have an open grant whose role allows that. It ends
    /// with the grant; it is a lease of it.
    ///
    /// # Errors
    /// When there is no such grant, the role doesn't allow it or not as that unix user, the key can't be certified, or nothing can be
    /// recorded.
    #[instrument(name = "ssh direct", skip_all, fields(principal.id = %caller.principal))]
    pub async fn ssh_direct(&self, caller: &Caller, new: NewDirect) -> Result<Direct, Refusal> {
        let stopped = || crate::refusal::unavailable(&crate::Unavailable::Stopped);
        let engine = self.me.upgrade().ok_or_else(stopped)?;
        let (caller, (done, made)) = (caller.clone(), oneshot::channel());
        // Carried through even when nobody waits for it any more: a lease is not to stay half made.
        self.spawn(
            async move {
                if let Err(Ok(direct)) = done.send(engine.certify_directly(&caller, new).await) {
                    engine.lease_give_up(direct.lease).await;
                }
            }
            .in_current_span(),
        );
        made.await.map_err(|_| stopped())?
    }

    async fn certify_directly(&self, caller: &Caller, new: NewDirect) -> Result<Direct, Refusal> {
        // It is not bound to the token, so that one for connecting, which may have leaked, is not enough.
        caller.writes()?;
        let authority = self.ssh_authority()?;
        let (resource, _) = self.ssh_known(caller, &new.resource, new.role.as_deref()).await?;
        authority.check(&new.public_key).map_err(|e| refused(&e))?;
        let (principal, role) = (caller.principal, new.role);
        let name = resource.clone();
        let found = self.sequencer.look(move |desk| {
            let (grant, _) = open_grant(desk, principal, name.as_str(), role.as_deref())?;
            let found = desk.world.grant(grant)?;
            Some((grant, found.parties().2.clone(), is_for_one_session(found), Arc::clone(desk.rules.resource(&name)?)))
        });
        let hint = format!("ajar request {resource}, or ajar ssh {resource} --direct");
        let found = found.await?;
        let (grant, role, single, found) =
            found.ok_or_else(|| refusal(RefusalKind::Denied, format!("you have no open grant for {resource}"), None, Some(hint)))?;
        if single {
            let why = "a certificate could be used again and again";
            return Err(refusal(RefusalKind::Denied, "this grant is for one session", Some(why.into()), Some(through(&resource))));
        }
        let (login, forwarding) = directly(&found, &role, new.login.as_deref())?;
        self.redeem(caller.actor, grant).await?;
        // INVARIANT I10: the intent is durable before anything is signed.
        let intended = self.certificate_intend(caller, grant, login).await?;
        let id = intended.id;
        let made = certified(
            authority,
            &SshCertify {
                public_key: new.public_key,
                subject: SshSubject::Login { login: intended.login.clone(), source: Some(new.source), forwarding },
                key_id: format!("{} {id}", caller.name),
                serial: serial(id),
                valid_from: self.clock.now(),
                valid_until: intended.valid_until,
            },
        );
        let made = match made {
            Ok(made) => made,
            Err(refusal) => {
                self.lease_give_up(id).await;
                return Err(refusal);
            }
        };
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let events = desk.world.lease_minted(id, desk.now)?;
            // It may have been taken away meanwhile: then nobody gets it.
            let state = desk.world.grant(intended.grant).map_or("closed", Grant::state);
            if events.is_empty() || desk.shut(desk.world.standing_grant(intended.grant)) {
                return Err(WorldError::NotOpen { id: intended.grant, state });
            }
            Ok((Draft::from(events), ()))
        });
        if let Err(failed) = done.await {
            self.lease_give_up(id).await;
            return Err(of(failed));
        }
        metrics::counter!("ajar_ssh_certificates_total").increment(1);
        Ok(Direct { certified: made, lease: id, grant: intended.grant, role, login: intended.login, resource: found })
    }

    async fn certificate_intend(&self, caller: &Caller, grant: GrantId, login: String) -> Result<Intended, Refusal> {
        let done = self.sequencer.run(caller.actor, Vec::new(), move |desk| {
            let grant = desk.world.standing_grant(grant);
            let open = match desk.world.grant(grant) {
                Some(Grant::Open(open)) if !desk.shut(grant) => open,
                Some(_) | None => return Err(no_such("grant")),
            };
            let claims = &open.signed.claims;
            if desk.world.leases_of(grant).iter().filter(|lease| lease.intended().serial.is_some()).count() >= DIRECT_MAX {
                let message = format!("{DIRECT_MAX} certificates have been given for this grant");
                return Err(refusal(RefusalKind::Denied, message, None, Some(through(&claims.resource))));
            }
            let id = LeaseId::new(desk.entropy.uuid(desk.now));
            let intended = Intended {
                id,
                grant,
                resource: claims.resource.clone(),
                role: claims.role.clone(),
                login,
                valid_until: claims.ends_at,
                files: Some(desk.rules.hash().to_owned()),
                serial: Some(serial(id)),
                at: desk.now,
            };
            let decision = desk.world.lease_intend(intended.clone()).map_err(|e| crate::refusal::world_refusal(&e))?;
            Ok((Draft::from(decision), intended))
        });
        done.await.map_err(of::<Refusal>)
    }

    /// Certifies a host's key for its names. For operators.
    ///
    /// # Errors
    /// When the caller is no operator, its life is too long, or key or names can't be certified.
    pub async fn ssh_host_certificate(
        &self,
        caller: &Caller,
        public_key: &str,
        names: Vec<String>,
        life: Option<Span>,
    ) -> Result<Certified, Refusal> {
        caller.writes()?;
        if !self.operates(caller).await {
            return Err(refusal(RefusalKind::Denied, "certifying hosts is for operators", None, None));
        }
        let authority = self.ssh_authority()?;
        let life = life.unwrap_or(HOST_LIFE_MAX);
        if life > HOST_LIFE_MAX {
            return Err(bad_input(format!("a host's certificate lives for {HOST_LIFE_MAX} at most"), "give a shorter life"));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || ".:_-".contains(c);
        let is_name = |name: &String| (1..=253).contains(&name.len()) && name.chars().all(fits) && !name.starts_with('-');
        if names.is_empty() || names.len() > NAMES_MAX || !names.iter().all(is_name) {
            let hint = "give its names and addresses as clients use them: web-1.example.org, 10.0.0.7";
            return Err(bad_input(format!("a host has 1 to {NAMES_MAX} names, without patterns"), hint));
        }
        let now = self.clock.now();
        let ask = SshCertify {
            public_key: public_key.to_owned(),
            key_id: names.first().cloned().unwrap_or_default(),
            subject: SshSubject::Host { names },
            serial: self.entropy.number().max(1),
            valid_from: now,
            valid_until: now.after(life),
        };
        let made = certified(authority, &ask)?;
        tracing::info!(host = %ask.key_id, serial = ask.serial, principal.id = %caller.principal, until = %made.expires_at, "an SSH host's key was certified");
        Ok(made)
    }

    /// The certificates for hosts that are not good any more although their time is not over, as hosts read it. Anybody may know.
    ///
    /// # Errors
    /// When there is no SSH authority.
    pub fn ssh_revocations(&self) -> Result<Revocations, Refusal> {
        let authority = self.ssh_authority()?;
        let now = self.clock.now();
        let serials = self.certificates.revoked(now);
        let mut tag = Sha256::new();
        tag.update(authority.keys().users);
        for serial in &serials {
            tag.update(serial.to_be_bytes());
        }
        // The ledger only grows.
        let version = self.frontier().size();
        Ok(Revocations { krl: authority.revocations(&serials, version, now), tag: hex::encode(tag.finalize()) })
    }
}

fn certified(authority: &dyn SshAuthority, ask: &SshCertify) -> Result<Certified, Refusal> {
    let certificate = authority.certify(ask).map_err(|e| refused(&e))?;
    // Certificates end with a whole second.
    let expires_at = Timestamp::from_millis(ask.valid_until.as_millis().div_euclid(1_000) * 1_000);
    Ok(Certified { certificate, expires_at })
}

fn refused(error: &SshAuthorityError) -> Refusal {
    match error {
        SshAuthorityError::Key(_) => bad_input(error.to_string(), "make a key with ssh-keygen -t ed25519"),
        SshAuthorityError::Signing(_) => {
            tracing::error!(error = %error, "an SSH certificate could not be made");
            refusal(RefusalKind::Unavailable, "the key can't be certified now", Some(error.to_string()), None)
        }
    }
}

fn through(resource: &ResourceName) -> String {
    format!("go through the gateway: ajar ssh {resource}")
}

fn is_for_one_session(grant: &Grant) -> bool {
    match grant {
        Grant::Scheduled(scheduled) => scheduled.single_use,
        Grant::Open(open) => open.single_use,
        Grant::Closing(_) | Grant::Closed(_) | Grant::Failed(_) => false,
    }
}

/// As which unix user, and with what forwarded, a role lets somebody go to a host itself.
fn directly(resource: &Resource, role: &RoleName, login: Option<&str>) -> Result<(String, SshForwarding), Refusal> {
    let no = |message: String, why: &str| Err(refusal(RefusalKind::Denied, message, Some(why.to_owned()), Some(through(&resource.name))));
    let Kind::Ssh(SshTarget { roles, .. }) = &resource.kind else { return Err(no_such("such resource")) };
    let Some(SshRole { logins, commands, agent, x11, direct, .. }) = roles.get(role) else { return Err(no_such("such role")) };
    if !direct {
        return no(format!("role {role} on {} goes through the gateway only", resource.name), "its role doesn't say direct = true");
    }
    if commands.is_some() {
        return no(
            format!("role {role} on {} is for some commands only", resource.name),
            "past the gateway, nothing would hold anybody to them",
        );
    }
    let allowed: BTreeSet<&str> = logins.iter().map(String::as_str).collect();
    let login = login.or(logins.first().map(String::as_str)).filter(|login| allowed.contains(login));
    let Some(login) = login else {
        return Err(bad_input(
            format!("role {role} on {} is not for that unix user", resource.name),
            format!("it is for {}", logins.join(", ")),
        ));
    };
    // A certificate can't say to where ports may be forwarded (S6): so none are.
    Ok((login.to_owned(), SshForwarding { agent: *agent, x11: *x11, ports: false }))
}

#[cfg(test)]
mod tests {
    use ajar_core::id::CommandId;
    use ajar_core::lease::{Moved, Revoking};
    use ajar_core::resource::Owners;
    use ajar_core::ssh::{HostKey, SshCredential, SshRecord};

    use super::*;

    fn host(role: SshRole) -> Resource {
        let target = SshTarget {
            host: "web-1.internal".into(),
            port: 22,
            host_keys: vec![HostKey::Ajar],
            credential: SshCredential::Certificate,
            record: SshRecord::default(),
            roles: BTreeMap::from([("deploy".parse().unwrap(), role)]),
        };
        Resource {
            name: "orders-web-1".parse().unwrap(),
            description: String::new(),
            labels: BTreeMap::new(),
            owners: Owners::default(),
            default_role: None,
            role_descriptions: BTreeMap::new(),
            kind: Kind::Ssh(target),
        }
    }

    #[test]
    fn s05_past_the_gateway_goes_only_what_a_certificate_can_hold_to() {
        let role: RoleName = "deploy".parse().unwrap();
        let of = |role: SshRole| SshRole { direct: true, ..role };
        let both = of(SshRole::of(vec!["deploy".into(), "root".into()]));
        assert_eq!(directly(&host(both.clone()), &role, None).unwrap(), ("deploy".into(), SshForwarding::default()));
        assert_eq!(directly(&host(both.clone()), &role, Some("root")).unwrap().0, "root");
        assert_eq!(directly(&host(both.clone()), &role, Some("deploy,root")).unwrap_err().kind, RefusalKind::BadInput);
        assert_eq!(directly(&host(both.clone()), &"admin".parse().unwrap(), None).unwrap_err().kind, RefusalKind::NotRequestable);
        let forwards = SshRole { agent: true, remote_forward: vec![0], ..both.clone() };
        let (_, forwarding) = directly(&host(forwards), &role, None).unwrap();
        assert_eq!(forwarding, SshForwarding { agent: true, x11: false, ports: false });
        for closed in [SshRole { direct: false, ..both.clone() }, SshRole { commands: Some(vec!["uptime".into()]), ..both }] {
            assert_eq!(directly(&host(closed), &role, None).unwrap_err().kind, RefusalKind::Denied);
        }
    }

    #[test]
    fn i11_a_certificate_is_listed_from_the_moment_it_ends_until_no_host_takes_it() {
        let (id, grant): (LeaseId, GrantId) =
            ("lease_01h455vb4pex5vsknk084sn02q".parse().unwrap(), "grant_01h455vb4pex5vsknk084sn02q".parse().unwrap());
        let at = |secs: u64| Timestamp::from_millis(0).after(Span::from_secs(secs));
        let intended = Intended {
            id,
            grant,
            resource: "orders-web-1".parse().unwrap(),
            role: "deploy".parse().unwrap(),
            login: "deploy".into(),
            valid_until: at(600),
            files: None,
            serial: Some(serial(id)),
            at: at(0),
        };
        let certificates = Certificates::default();
        let hear = |event: LeaseEvent| {
            let event = Event::Lease(event);
            certificates.hear(&Envelope { event, ..envelope(id, at(0)) });
        };
        hear(LeaseEvent::Intended(intended));
        hear(LeaseEvent::Moved(Moved { grant, valid_until: at(1_200), at: at(1) }));
        assert_eq!(certificates.revoked(at(2)), [CANARY]);
        hear(LeaseEvent::Revoking(Revoking { at: at(3) }));
        assert_eq!(certificates.revoked(at(3)), [CANARY, serial(id)]);
        assert_eq!(certificates.revoked(at(600 + 3_599)), [CANARY, serial(id)]);
        assert_eq!(certificates.revoked(at(600 + 3_600)), [CANARY]);
    }

    fn envelope(id: LeaseId, at: Timestamp) -> Envelope {
        let event = Event::Lease(LeaseEvent::Revoking(Revoking { at }));
        let cause = CommandId::new(id.uuid());
        Envelope { seq: 0, stream: Stream::Lease(id), version: 1, at, actor: ajar_core::event::Actor::System, cause, event }
    }
}
