//! The projections, made anew: the log is the state, so that they can be dropped at any time.

use std::collections::BTreeMap;

use ajar_core::event::Envelope;
use ajar_core::port::Store;
use ajar_core::world::World;

use crate::engine::{PAGE, StartError};

/// Folds the whole log and replaces every row by what comes of it; gives how many there are. Nobody may be writing.
///
/// # Errors
/// When the log can't be read or folded, or the rows can't be written: they stay as they were then.
pub async fn rebuild(store: &dyn Store) -> Result<usize, StartError> {
    let (mut world, mut rows) = (World::default(), BTreeMap::new());
    loop {
        let page = store.leaves(world.next_seq(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        for leaf in page {
            let envelope = Envelope::from_leaf(&leaf.bytes).map_err(|source| StartError::Event { seq: leaf.seq, source })?;
            let row = world.apply(&envelope)?;
            rows.insert(row.stream, row);
        }
    }
    let count = rows.len();
    store.replace_rows(rows.into_values().collect()).await?;
    Ok(count)
}
