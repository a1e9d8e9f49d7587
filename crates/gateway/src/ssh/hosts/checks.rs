//! Whether a host is set up as its resource says, and what to do where it isn't (R6).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ajar_core::port::{Finding, Severity, SshForwarding};
use ajar_core::resource::Resource;
use ajar_core::ssh::{CANARY, SshCredential, SshTarget};
use ajar_core::time::Span;

use super::super::identity::Proven;
use super::super::reach::{DialError, SHOWN, Shown, private_key};
use super::{ASKING, Question, SshHosts, Visit};

/// So long it is waited in all for a host that is not to be asked too often.
const PATIENCE: Duration = Duration::from_secs(20);
/// Hosts' certificates that end so soon are told of.
const ENDS_SOON: Span = Span::from_secs(14 * 24 * 3_600);
const SET_UP: &str = "docs/ssh.md, \"Setting up a host\"";

fn finding(severity: Severity, check: impl Into<String>, result: impl Into<String>) -> Finding {
    Finding { severity, check: check.into(), result: result.into() }
}

/// As whom to sign in, and what else to look at on the way.
struct Entrance<'a> {
    resource: &'a Resource,
    target: &'a SshTarget,
    login: &'a str,
    /// Whether certificates are given with which clients go there past the gateway.
    direct: bool,
    /// Whether the host has been looked at already.
    known: bool,
}

impl SshHosts {
    pub(super) async fn checks(&self, resource: &Resource, target: &SshTarget) -> Vec<Finding> {
        let mut found = Vec::new();
        let mut first: BTreeMap<&str, bool> = BTreeMap::new();
        for role in target.roles.values() {
            if let Some(login) = role.logins.first() {
                *first.entry(login).or_default() |= role.direct && role.commands.is_none();
            }
        }
        let all = target.roles.values().flat_map(|role| role.logins.iter().map(String::as_str));
        let more: BTreeSet<&str> = all.filter(|login| !first.contains_key(login)).collect();
        for (login, direct) in first {
            let (known, check) = (!found.is_empty(), format!("sign in as {login}"));
            let entrance = Entrance { resource, target, login, direct, known };
            let signed_in = self.sign_in(&entrance, &mut found);
            let signed_in = tokio::time::timeout(ASKING, signed_in).await.unwrap_or(Err(DialError::Slow));
            match signed_in {
                Ok(()) => found.push(finding(Severity::Good, check, "the host lets the gateway in")),
                Err(why) => {
                    // Without a sign-in, the host holds the connection against us.
                    _ = self.take_turn(target);
                    let stop = !known && found.is_empty();
                    let check = if stop { "reach the host".to_owned() } else { check };
                    found.push(finding(Severity::Bad, check, advice(target, &why)));
                    if stop {
                        return found;
                    }
                }
            }
        }
        let begun = self.setup.clock.mono();
        for login in more {
            let check = format!("offer to sign in as {login}");
            let waited = || Duration::from_nanos(self.setup.clock.mono().0.saturating_sub(begun.0));
            let turn = loop {
                match self.take_turn(target) {
                    Err(wait) if waited() + wait < PATIENCE => tokio::time::sleep(wait).await,
                    turn => break turn.is_ok(),
                }
            };
            if !turn {
                let result = "not checked: the host would turn the gateway away if it were asked so often: check again in a minute";
                found.push(finding(Severity::Warning, check, result));
                continue;
            }
            let offered = tokio::time::timeout(ASKING, self.offer_own(resource, target, login)).await.unwrap_or(Err(DialError::Slow));
            found.push(match offered {
                Ok(()) => finding(Severity::Good, check, "the host would let the gateway in"),
                Err(why) => finding(Severity::Warning, check, advice(target, &why)),
            });
        }
        found
    }

    /// Signs in and leaves; opens nothing. On the way, what is to be seen of the host, unless that is known, and what certificates past the
    /// gateway need.
    async fn sign_in(&self, entrance: &Entrance<'_>, found: &mut Vec<Finding>) -> Result<(), DialError> {
        let Entrance { resource, target, login, direct, known } = *entrance;
        let mut visit = self.visit(resource, target).await?;
        if !known {
            let reached = format!("{}:{} answers, with strict key exchange", target.host, target.port);
            found.push(finding(Severity::Good, "reach the host", reached));
            found.extend(visit.proven.get().map(|proven| self.identity(proven)));
        }
        if direct {
            found.push(self.past_the_gateway(&mut visit, login).await?);
        }
        self.towards.sign_in(&mut visit.host, &target.credential, &self.shown(login), &self.setup.secrets).await?;
        visit.leave().await;
        Ok(())
    }

    fn shown<'a>(&self, login: &'a str) -> Shown<'a> {
        let now = self.setup.clock.now();
        let (key_id, serial) = ("ajar doctor".to_owned(), self.fresh());
        Shown { login, forwarding: SshForwarding::default(), key_id, serial, now, until: now.after(SHOWN) }
    }

    /// Shows what the gateway would sign in with, and goes away.
    async fn offer_own(&self, resource: &Resource, target: &SshTarget, login: &str) -> Result<(), DialError> {
        let mut visit = self.visit(resource, target).await.inspect_err(|_| self.give_turn_back(target))?;
        let shown = self.shown(login);
        let would = match &target.credential {
            SshCredential::Certificate => visit.would_take(login, &self.towards.own_certificate(&shown)?).await?,
            SshCredential::Key(source) => {
                let key = private_key(source, &self.setup.secrets)?;
                visit.would_take_key(login, key.public_key().clone()).await?
            }
            // A password can't be shown without being tried.
            SshCredential::Password(_) => {
                self.towards.sign_in(&mut visit.host, &target.credential, &shown, &self.setup.secrets).await?;
                true
            }
        };
        visit.leave().await;
        if would { Ok(()) } else { Err(DialError::Refused(login.to_owned())) }
    }

    fn identity(&self, proven: &Proven) -> Finding {
        let check = "host key";
        match proven {
            Proven::Key(fingerprint) => finding(Severity::Good, check, format!("known by its key {fingerprint}, which is in the files")),
            Proven::Certificate { ours, authority, until } => {
                let by = if *ours { "Ajar's authority for hosts".to_owned() } else { format!("the authority {authority}") };
                let result = format!("known by a certificate of {by}, good until {until}");
                if *until < self.setup.clock.now().after(ENDS_SOON) {
                    finding(Severity::Warning, check, format!("{result}: have another one made ({SET_UP})"))
                } else {
                    finding(Severity::Good, check, result)
                }
            }
        }
    }

    /// Whether certificates with which clients go to the host themselves are taken there, and refused when they are revoked.
    async fn past_the_gateway(&self, visit: &mut Visit, login: &str) -> Result<Finding, DialError> {
        let check = format!("past the gateway as {login}");
        let now = self.setup.clock.now();
        let with = |serial| self.to_be_shown(&Question { login, serial, from: now.before(SHOWN), until: now.after(SHOWN) });
        let (control, canary) = (with(self.fresh())?, with(CANARY)?);
        if !visit.would_take(login, &control).await? {
            let result = format!(
                "the host takes no certificate of Ajar's authority for users: TrustedUserCAKeys with what /ssh/users.pub shows, its clock, and \
                 the unix user ({SET_UP})"
            );
            return Ok(finding(Severity::Warning, check, result));
        }
        if visit.would_take(login, &canary).await? {
            let result = format!(
                "the host has no list of revoked certificates of ours: one that is taken back before its end stays good on it. Set RevokedKeys, \
                 and fetch the list every minute ({SET_UP} and \"What is revoked\")"
            );
            return Ok(finding(Severity::Warning, check, result));
        }
        let result = "the host takes certificates and has a list of revoked ones of ours; how old that is can't be seen from here: see on the \
                      host that it is fetched every minute";
        Ok(finding(Severity::Good, check, result))
    }
}

/// What went wrong, and what to do about it.
fn advice(target: &SshTarget, why: &DialError) -> String {
    let what = match why {
        DialError::Unreachable(_) | DialError::Slow => {
            format!("is {}:{} right, and does a way lead there from here?", target.host, target.port)
        }
        DialError::NotStrict => {
            "bring its SSH server up to date: OpenSSH has it from 9.6 on, and distributions' older ones have it too".into()
        }
        DialError::NotTheHost(_) => format!(
            "compare host_keys in the files with /etc/ssh/ssh_host_*_key.pub on the host itself; a certificate has to be for {} and in force ({SET_UP})",
            target.host
        ),
        DialError::Refused(login) => match &target.credential {
            SshCredential::Certificate => format!(
                "see that the unix user {login} is there and may sign in, and that TrustedUserCAKeys has what /ssh/users.pub shows ({SET_UP})"
            ),
            SshCredential::Key(_) => format!("see that its authorized_keys of {login} have the public half of the key that the files name"),
            SshCredential::Password(_) => format!("see that the password that the files name is {login}'s, and that passwords are taken"),
        },
        DialError::Misconfigured(_) => "mend it in the files".into(),
        DialError::Protocol(_) => "what the host's SSH server has logged says more".into(),
    };
    format!("{why}: {what}")
}
