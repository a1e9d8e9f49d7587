//! The engine's types → the API's. Ids become names; commitments have become values, or are absent.

use std::collections::BTreeSet;

use ajar_core::directory::Scope;
use ajar_core::grant::{CloseReason, Closing, Grant};
use ajar_core::id::PrincipalId;
use ajar_core::lease::Lease;
use ajar_core::lock::Locked;
use ajar_core::plan::{Stage, Verdict};
use ajar_core::port::{Finding, Severity};
use ajar_core::request::{Ask, DeniedBecause, Request};
use ajar_core::session::Session;
use ajar_engine::{Caller, DebtView, ExplainView, GrantAction, LockView, NoticeView, PreapprovalView, RequestView, SessionView};

use crate::{Api, model};

pub(crate) fn scope(scope: Scope) -> model::TokenScope {
    match scope {
        Scope::Full => model::TokenScope::Full,
        Scope::Connect => model::TokenScope::Connect,
        Scope::Read => model::TokenScope::Read,
    }
}

pub(crate) fn scope_in(scope: model::TokenScope) -> Scope {
    match scope {
        model::TokenScope::Full => Scope::Full,
        model::TokenScope::Connect => Scope::Connect,
        model::TokenScope::Read => Scope::Read,
    }
}

pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
    }
}

fn ask(ask: &Ask) -> model::Ask {
    model::Ask { resource: ask.resource.to_string(), role: ask.role.to_string() }
}

fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(_) | Err(_) => String::new(),
    }
}

impl Api {
    pub(crate) fn notice(&self, view: NoticeView) -> model::Notice {
        let link = match view.about.as_slice() {
            [one] if one.word() == "request" => Some(format!("{}/requests/{one}", self.public_url)),
            _ => None,
        };
        model::Notice {
            id: view.seq,
            at: view.at.to_string(),
            kind: view.kind.to_owned(),
            by: view.by.map(|by| self.engine.name(by)),
            about: view.about.iter().map(ToString::to_string).collect(),
            text: view.text,
            link,
        }
    }

    pub(crate) fn request(&self, caller: &Caller, view: RequestView, grants: &[Grant]) -> model::Request {
        let RequestView { request, reason, scope, notes, comments, values, asked, have, yours_to_decide } = view;
        let filed = request.filed();
        let (plan, duration) = request.terms();
        let waiting = match &request {
            Request::Pending(p) => p.stage.as_ref(),
            Request::Approved(_) | Request::Denied(_) | Request::Withdrawn(_) | Request::Expired(_) => None,
        };
        let stage = |(index, stage): (usize, &Stage)| match waiting.filter(|waits| waits.stage == index) {
            None => self.stage(stage, false),
            Some(waits) => model::Stage { have, until: Some(waits.until.to_string()), ..self.stage(stage, true) },
        };
        let review = |(review, note): (&ajar_core::plan::Review, Option<String>)| model::Review {
            id: review.id.to_string(),
            reviewer: self.engine.name(review.reviewer),
            verdict: verdict(review.verdict).into(),
            note,
            duration: review.limits.duration.map(|d| d.to_string()),
            only: review.limits.asks.as_ref().map(|asks| asks.iter().map(ask).collect()),
            beforehand: review.beforehand.map(|pre| pre.to_string()),
            taken_back: request.course().taken_back.contains(&review.id),
            at: review.at.to_string(),
        };
        let denied_because = match &request {
            Request::Denied(s) => Some(denied_because(&s.outcome.because)),
            Request::Pending(_) | Request::Approved(_) | Request::Withdrawn(_) | Request::Expired(_) => None,
        };
        let (resource, role) = filed.asks.first().map(|a| (a.resource.to_string(), a.role.to_string())).unwrap_or_default();
        model::Request {
            id: filed.id.to_string(),
            state: request.state().to_owned(),
            requester: self.engine.name(filed.requester),
            beneficiary: self.engine.name(filed.beneficiary),
            resource,
            role,
            duration: duration.to_string(),
            reason,
            ticket: filed.ticket.clone(),
            scope,
            emergency: filed.emergency.is_some(),
            extends: filed.extends.as_ref().map(|e| e.grant.to_string()),
            starts_at: filed.starts_at.map(|at| at.to_string()),
            on_first_use: plan.opening.on_first_use.map(|within| within.to_string()),
            single_use: plan.opening.single_use,
            low_risk: plan.low_risk,
            filed_at: filed.at.to_string(),
            expires_at: filed.expires_at.to_string(),
            rules: plan.rules.iter().map(ToString::to_string).collect(),
            stages: plan.stages.iter().enumerate().map(stage).collect(),
            asked: asked.iter().map(|id| self.engine.name(*id)).collect::<BTreeSet<_>>().into_iter().collect(),
            yours_to_decide,
            asks: filed.asks.iter().map(ask).collect(),
            automatic: request.automatic().map(|auto| model::AutoReview {
                verdict: verdict(auto.verdict).into(),
                rules: auto.rules.iter().map(ToString::to_string).collect(),
                rules_hash: auto.rules_hash.clone(),
                values: values.and_then(|values| serde_json::from_str(&values).ok()),
                at: auto.at.to_string(),
            }),
            reviews: request.reviews().iter().zip(notes).map(review).collect(),
            seen: request.talk().seen.iter().map(|s| self.engine.name(s.by)).collect(),
            comments: request
                .talk()
                .comments
                .iter()
                .zip(comments)
                .map(|(c, text)| model::Comment { by: self.engine.name(c.by), text, at: c.at.to_string() })
                .collect(),
            denied_because,
            grants: grants.iter().map(|g| self.grant(caller, g)).collect(),
            apart: Vec::new(),
            link: format!("{}/requests/{}", self.public_url, filed.id),
        }
    }

    fn stage(&self, stage: &Stage, waiting: bool) -> model::Stage {
        crate::explained::stage(stage, waiting, &|id| self.engine.name(id))
    }

    pub(crate) fn explanation(&self, view: ExplainView) -> model::Explanation {
        crate::explained::explanation(view, &|id| self.engine.name(id))
    }

    pub(crate) fn lock(&self, view: LockView) -> model::Lock {
        let placed = view.placed;
        let (user, resource) = match &placed.on {
            Locked::Principal(id) => (Some(self.engine.name(*id)), None),
            Locked::Resource(name) => (None, Some(name.to_string())),
        };
        model::Lock {
            id: placed.id.to_string(),
            user,
            resource,
            by: self.engine.name(placed.by),
            reason: view.reason,
            at: placed.at.to_string(),
        }
    }

    pub(crate) fn debt(&self, view: DebtView) -> model::Debt {
        let owed = view.debt.owed();
        let incurred = &owed.incurred;
        let names = |ids: &[PrincipalId]| ids.iter().map(|id| self.engine.name(*id)).collect::<BTreeSet<_>>().into_iter().collect();
        let review = |(review, note): (&ajar_core::plan::Review, Option<String>)| model::DebtReview {
            reviewer: self.engine.name(review.reviewer),
            verdict: verdict(review.verdict).into(),
            note,
            at: review.at.to_string(),
        };
        model::Debt {
            id: incurred.id.to_string(),
            request: incurred.request.to_string(),
            debtor: self.engine.name(incurred.debtor),
            resources: incurred.resources.iter().map(ToString::to_string).collect(),
            alerted: names(&incurred.alerted),
            asked: names(&view.asked),
            yours_to_review: view.yours_to_review,
            reviews: owed.reviews.iter().zip(view.notes).map(review).collect(),
            due: incurred.due.to_string(),
            overdue: owed.overdue.is_some(),
            at: incurred.at.to_string(),
        }
    }

    pub(crate) fn preapproval(&self, view: &PreapprovalView) -> model::Preapproval {
        let PreapprovalView { given, note } = view;
        model::Preapproval {
            id: given.id.to_string(),
            by: self.engine.name(given.by),
            user: self.engine.name(given.principal),
            resource: given.resource.to_string(),
            role: given.role.as_ref().map(ToString::to_string),
            most: given.most.map(|most| most.to_string()),
            starts_at: given.starts_at.to_string(),
            until: given.until.to_string(),
            note: note.clone(),
        }
    }

    pub(crate) fn delegation(&self, made: &ajar_core::delegation::Made) -> model::Delegation {
        model::Delegation {
            id: made.id.to_string(),
            from: self.engine.name(made.from),
            to: self.engine.name(made.to),
            starts_at: made.starts_at.to_string(),
            until: made.until.to_string(),
        }
    }

    pub(crate) fn grant(&self, caller: &Caller, grant: &Grant) -> model::Grant {
        let (principal, resource, role) = grant.parties();
        let claims = grant.signed().map(|s| &s.claims);
        let closing: Option<&Closing> = match grant {
            Grant::Closing(e) => Some(&e.closing),
            Grant::Closed(o) => Some(&o.closing),
            Grant::Scheduled(_) | Grant::Open(_) | Grant::Failed(_) => None,
        };
        let extended_by = closing.and_then(|c| if let CloseReason::Extended { by } = &c.reason { Some(by.to_string()) } else { None });
        let gone = match grant {
            Grant::Closed(o) => Some(o.closed.at).filter(|_| extended_by.is_none()),
            Grant::Scheduled(_) | Grant::Open(_) | Grant::Closing(_) | Grant::Failed(_) => None,
        };
        let (scheduled, failed) = match grant {
            Grant::Scheduled(s) => (Some(s), None),
            Grant::Failed(f) => (Some(&f.scheduled), Some(&f.failed)),
            Grant::Open(_) | Grant::Closing(_) | Grant::Closed(_) => (None, None),
        };
        model::Grant {
            opens_at: scheduled.map(|s| s.opens_at.to_string()),
            redeem_by: scheduled.and_then(|s| s.redeem_by).map(|by| by.to_string()),
            single_use: scheduled.is_some_and(|s| s.single_use) || matches!(grant, Grant::Open(open) if open.single_use),
            extends: grant.after().last().map(ToString::to_string),
            extended_by,
            failed_because: failed.map(|f| f.why.clone()),
            id: grant.id().to_string(),
            state: grant.state().to_owned(),
            request: grant.request().to_string(),
            principal: self.engine.name(principal),
            resource: resource.to_string(),
            role: role.to_string(),
            kind: self.engine.kind_of(resource).map(str::to_owned),
            may: self.engine.grant_actions(caller, grant).into_iter().map(grant_action).collect(),
            starts_at: claims.map(|c| c.starts_at.to_string()),
            ends_at: claims.map(|c| c.ends_at.to_string()),
            closed_because: closing.map(|c| c.reason.word().to_owned()),
            ended_at: closing.map(|c| c.at.to_string()),
            proven_gone_at: gone.map(|at| at.to_string()),
        }
    }

    pub(crate) fn session(&self, caller: &Caller, view: SessionView) -> model::Session {
        let SessionView { session, client, killed_because } = view;
        let arrived = session.arrived();
        let (role, live_at, ended) = match &session {
            Session::Held(_) => (None, None, None),
            Session::Live(l) => (Some(&l.live.role), Some(l.live.at), None),
            Session::Ended(f) => (f.role.as_ref(), f.live_at, Some(&f.ended)),
        };
        let recording = ended.and_then(|e| e.recording.as_ref());
        model::Session {
            yours_to_end: self.engine.may_end(caller, &session),
            id: arrived.id.to_string(),
            state: session.state().to_owned(),
            principal: self.engine.name(arrived.principal),
            resource: arrived.resource.to_string(),
            role: role.map(ToString::to_string),
            grant: session.grant().map(|g| g.to_string()),
            protocol: arrived.protocol.clone(),
            client,
            arrived_at: arrived.at.to_string(),
            live_at: live_at.map(|t| t.to_string()),
            ended_at: ended.map(|e| e.at.to_string()),
            ended_because: ended.map(|e| word(&e.reason)),
            killed_by: session.killed().map(|k| self.engine.name(k.by)),
            killed_because,
            entries: recording.map(|r| r.entries),
            recording_sha256: recording.map(|r| r.sha256.clone()),
        }
    }
}

fn grant_action(action: GrantAction) -> model::GrantAction {
    match action {
        GrantAction::Extend => model::GrantAction::Extend,
        GrantAction::Return => model::GrantAction::Return,
        GrantAction::Revoke => model::GrantAction::Revoke,
    }
}

pub(crate) fn lease(lease: &Lease) -> model::Lease {
    let intended = lease.intended();
    let proof = match lease {
        Lease::Revoked(held) => Some(&held.now.proof),
        Lease::Intended(_) | Lease::Minted(_) | Lease::Revoking(_) | Lease::RevokeUnconfirmed(_) => None,
    };
    model::Lease {
        id: intended.id.to_string(),
        state: lease.state().to_owned(),
        login: intended.login.clone(),
        valid_until: intended.valid_until.to_string(),
        proof: proof.map(|p| format!("{} → {}", p.asked, p.answer)),
        findings: proof.map(|p| p.findings.clone()).unwrap_or_default(),
    }
}

pub(crate) fn denied_because(because: &DeniedBecause) -> String {
    match because {
        DeniedBecause::Review(_) => "review".to_owned(),
        DeniedBecause::Automatic(_) => "automatic".to_owned(),
        DeniedBecause::Rules => "rules".to_owned(),
        DeniedBecause::RequesterDisabled => "requester_disabled".to_owned(),
        DeniedBecause::NobodyCanDecide(_) => "nobody_can_decide".to_owned(),
        DeniedBecause::StageTimedOut(_) => "stage_timed_out".to_owned(),
        DeniedBecause::GrantOver => "grant_over".to_owned(),
    }
}

pub(crate) fn integration(integration: ajar_engine::Integration) -> model::Integration {
    use ajar_engine::HealthState;
    let state = match integration.state {
        // It works; what is to be looked at is in its words.
        HealthState::Good | HealthState::Warning => "good",
        HealthState::Bad => "bad",
        HealthState::Unknown => "unknown",
    };
    model::Integration { name: integration.name, kind: integration.kind.to_owned(), state: state.to_owned(), words: integration.words }
}

pub(crate) fn finding(resource: &str, finding: Finding) -> model::Finding {
    model::Finding {
        resource: resource.to_owned(),
        severity: match finding.severity {
            Severity::Good => "good".into(),
            Severity::Warning => "warning".into(),
            Severity::Bad => "bad".into(),
        },
        check: finding.check,
        result: finding.result,
    }
}
