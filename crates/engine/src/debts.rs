//! Reviews that are owed for emergencies.

use ajar_core::debt::{Debt, DebtReview};
use ajar_core::event::Stream;
use ajar_core::id::{DebtId, PrincipalId, ReviewId};
use ajar_core::plan::Verdict;
use ajar_core::port::Refusal;
use ajar_core::world::WorldError;
use tracing::instrument;

use crate::desk::text_ok;
use crate::engine::Engine;
use crate::freshness::approves;
use crate::people::{Caller, seal};
use crate::records::parse;
use crate::refusal::{no_such, of};
use crate::sequencer::{Desk, Draft, unavailable};

/// A debt, with its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebtView {
    /// The state.
    pub debt: Debt,
    /// Notes of its reviews, in order.
    pub notes: Vec<Option<String>>,
    /// Who may review it now.
    pub asked: Vec<PrincipalId>,
    /// Whether the caller may review it now.
    pub yours_to_review: bool,
}

fn asked(desk: &Desk<'_>, debt: &Debt) -> Vec<PrincipalId> {
    match debt {
        Debt::Owed(owed) => owed.asked(&desk.present()),
        Debt::Paid(_) => Vec::new(),
    }
}

/// Who may know of it: who owes it or got in, who was alerted, who is asked, owners; auditors and operators.
fn sees(desk: &Desk<'_>, me: PrincipalId, debt: &Debt) -> bool {
    let incurred = &debt.owed().incurred;
    let theirs = [incurred.debtor, incurred.beneficiary].contains(&me) || incurred.alerted.contains(&me);
    let owner = || incurred.resources.iter().any(|r| desk.rules.owns(me, r));
    theirs || owner() || desk.rules.may_audit(me) || desk.rules.may_operate(me) || asked(desk, debt).contains(&me)
}

impl Engine {
    /// The reviews that are owed and that the caller may know of.
    ///
    /// # Errors
    /// When the engine has stopped.
    pub async fn debts(&self, caller: &Caller) -> Result<Vec<DebtView>, Refusal> {
        let me = caller.principal;
        let found = self.sequencer.look(move |desk| {
            let owed = desk.world.debts().filter(|d| matches!(d, Debt::Owed(_)) && sees(desk, me, d));
            owed.map(|debt| (debt.clone(), asked(desk, debt))).collect::<Vec<_>>()
        });
        let found = found.await?;
        let wanted: Vec<_> = found.iter().flat_map(|(debt, _)| debt.owed().reviews.iter().filter_map(|r| r.note)).collect();
        let values = self.values(&wanted).await;
        let view = |(debt, asked): (Debt, Vec<PrincipalId>)| DebtView {
            notes: debt.owed().reviews.iter().map(|r| r.note.and_then(|note| values.get(&note).cloned())).collect(),
            yours_to_review: asked.contains(&me),
            asked,
            debt,
        };
        Ok(found.into_iter().map(view).collect())
    }

    /// The debt, paid or not, if the caller may know of it.
    pub(crate) async fn may_see_debt(&self, caller: &Caller, id: DebtId) -> Result<Debt, Refusal> {
        let row = self.store.row(Stream::Debt(id)).await.map_err(|e| Refusal::from(unavailable(&e)))?;
        let debt: Debt = row.as_ref().and_then(parse).ok_or_else(|| no_such("debt"))?;
        let me = caller.principal;
        let seen = self.sequencer.look(move |desk| sees(desk, me, &debt).then_some(debt));
        seen.await?.ok_or_else(|| no_such("debt"))
    }

    /// Records the caller's review of an emergency: an approve says that it was right; a deny that it was not, and closes what is open of it.
    ///
    /// # Errors
    /// When they may not know of it or review it, it is reviewed already, or nothing can be recorded.
    #[instrument(name = "review an emergency", skip_all, fields(principal.id = %caller.principal))]
    pub async fn debt_review(&self, caller: &Caller, id: DebtId, verdict: Verdict, note: Option<String>) -> Result<(), Refusal> {
        caller.writes()?;
        text_ok("note", note.as_deref().unwrap_or_default())?;
        let reviewer = caller.principal;
        let mut needs = vec![Stream::Debt(id)];
        let emergency =
            self.sequencer.look(move |desk| desk.world.debts().find(|d| d.owed().incurred.id == id).map(|d| d.owed().incurred.request));
        let emergency = emergency.await?;
        let (actor, page) = (self.freshly(caller), emergency.map_or_else(|| "inbox".to_owned(), |request| format!("requests/{request}")));
        let link = format!("{}/{page}", self.config.public_url);
        if let Some(request) = emergency {
            needs.extend(self.grants_of(request).await.into_iter().map(Stream::Grant));
        }
        let done = self.sequencer.run(actor, needs, move |desk| {
            let debt = desk.world.debts().find(|d| d.owed().incurred.id == id).filter(|d| sees(desk, reviewer, d));
            debt.ok_or_else(|| no_such("debt"))?;
            let note = note.filter(|n| !n.trim().is_empty()).map(|n| seal(desk.entropy, n.trim().to_owned()));
            let review = ReviewId::new(desk.entropy.uuid(desk.now));
            let review = DebtReview { id: review, reviewer, verdict, note: note.as_ref().map(|n| n.commitment) };
            let decided: Result<_, WorldError> = desk.world.debt_review(id, review, &desk.present());
            let decision = decided.map_err(|e| crate::refusal::world_refusal(&e))?;
            if verdict == Verdict::Approve {
                approves(desk, actor, &link)?;
            }
            Ok((Draft { disclosures: note.into_iter().collect(), ..Draft::from(decision) }, ()))
        });
        done.await.map_err(of::<Refusal>)
    }
}
