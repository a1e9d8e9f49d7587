//! How access goes, in numbers.

use ajar_core::time::Span;
use ajar_engine::{InsightQuery, Took};
use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use super::instant;
use crate::Api;
use crate::caller::Reader;
use crate::model::{
    ApprovalInsight, ApprovalWeek, CutBucket, CutInsight, DecidedOnDay, Denials, Insight, NotConfirmed, OpenOnDay, Problem, UnusedGrants,
};
use crate::problem::Refused;

/// Over which time.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Over {
    /// From this instant; 30 days before the end unless said.
    from: Option<String>,
    /// To this instant; now unless said. At most three years after `from`.
    to: Option<String>,
    /// The zone that days, weeks and hours are of, such as `Europe/Berlin`; UTC unless said.
    zone: Option<String>,
}

/// How access goes over a range of time: how fast, how much, how late, what for nothing. For auditors and operators.
#[utoipa::path(get, path = "/api/v1/insight", security(("token" = [])), params(Over), responses((status = 200, body = Insight), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn insight(State(api): State<Api>, Reader(caller): Reader, Query(over): Query<Over>) -> Result<Json<Insight>, Refused> {
    let Over { from, to, zone } = over;
    let query = InsightQuery { from: instant("from", from)?, to: instant("to", to)?, zone };
    let found = api.engine.insight(&caller, query).await?;
    let seconds = |span: Option<Span>| span.map(|span| std::time::Duration::from(span).as_secs_f64());
    let Took { count, p50, p90 } = found.approval;
    let week = |(at, took): &(ajar_core::time::Timestamp, Took)| ApprovalWeek {
        at: at.to_string(),
        count: took.count,
        p50_s: seconds(took.p50),
        p90_s: seconds(took.p90),
    };
    let by_week = found.by_week.iter().map(week).collect();
    let open = found.open_by_day.iter().map(|(at, open)| OpenOnDay {
        at: at.to_string(),
        postgres: open.postgres,
        ssh: open.ssh,
        http: open.http,
    });
    let decided = found.decisions.iter().map(|(at, day)| DecidedOnDay {
        at: at.to_string(),
        auto: day.auto,
        human: day.human,
        denied: day.denied,
        expired: day.expired,
    });
    let unconfirmed = found.unconfirmed.into_iter().map(|lease| NotConfirmed {
        lease: lease.lease.to_string(),
        grant: lease.grant.to_string(),
        resource: lease.resource.to_string(),
        since: lease.since.to_string(),
        why: lease.why,
    });
    let unused = found.unused.into_iter().map(|unused| UnusedGrants {
        person: api.engine.name(unused.person),
        resource: unused.resource.to_string(),
        role: unused.role.to_string(),
        rule: unused.rule.map(|rule| rule.to_string()).unwrap_or_default(),
        last_used: unused.last_used.map(|at| at.to_string()),
    });
    Ok(Json(Insight {
        from: found.from.to_string(),
        to: found.to.to_string(),
        approval: ApprovalInsight { count, p50_s: seconds(p50), p90_s: seconds(p90), by_week },
        open_by_day: open.collect(),
        decisions: decided.collect(),
        denials: found.denials.into_iter().map(|(rule, count)| Denials { rule: rule.to_string(), count }).collect(),
        hours: found.hours.iter().map(|day| day.to_vec()).collect(),
        cuts: CutInsight {
            count: found.cuts.count,
            p50_ms: found.cuts.p50,
            p99_ms: found.cuts.p99,
            max_ms: found.cuts.max,
            buckets: found.cuts.classes.into_iter().map(|(le_ms, count)| CutBucket { le_ms, count }).collect(),
        },
        unconfirmed: unconfirmed.collect(),
        unused: unused.collect(),
    }))
}
