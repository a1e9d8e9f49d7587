//! What the caller is told.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;

use crate::Api;
use crate::caller::Reader;
use crate::model::{Notice, Page, Problem};
use crate::problem::Refused;

/// Which notices.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Only what is newer: the `next` of the page before. Without it the newest.
    #[serde(default)]
    after: Option<u64>,
    /// At most so many (50 unless said, 200 at the most).
    #[serde(default)]
    limit: Option<u32>,
}

/// What concerns the caller, oldest first: who asks them, what others decided, what became of what is theirs. A flood of requests is one
/// notice, which moves on with each of them. Nothing is marked as read: keep the cursor.
#[utoipa::path(get, path = "/api/v1/notices", security(("token" = [])), params(Which), responses((status = 200, body = Page<Notice>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn notice_list(
    State(api): State<Api>,
    Reader(caller): Reader,
    Query(which): Query<Which>,
) -> Result<Json<Page<Notice>>, Refused> {
    let views = api.engine.notices(&caller, which.after, which.limit).await?;
    let items: Vec<_> = views.into_iter().map(|view| api.notice(view)).collect();
    let next = items.last().map(|n| n.id).or(which.after).map(|seq| seq.to_string());
    Ok(Json(Page { items, next }))
}
