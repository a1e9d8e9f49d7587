//! The projections, made anew: the log is the state, so that they can be dropped at any time.

use std::collections::BTreeMap;
use std::sync::Arc;

use ajar_core::port::Store;
use ajar_core::world::World;

use crate::engine::StartError;
use crate::log::Log;

/// Folds the whole log and replaces every row by what comes of it; gives how many there are. Nobody may be writing.
///
/// # Errors
/// When the log can't be read or folded, or the rows can't be written: they stay as they were then.
pub async fn rebuild(store: Arc<dyn Store>) -> Result<usize, StartError> {
    let (mut world, mut rows, mut log) = (World::default(), BTreeMap::new(), Log::read(&store));
    loop {
        let page = log.next().await?;
        if page.is_empty() {
            break;
        }
        for (_, envelope) in page {
            let row = world.apply(&envelope)?;
            rows.insert(row.stream, row);
        }
    }
    let count = rows.len();
    store.replace_rows(rows.into_values().collect()).await?;
    Ok(count)
}
