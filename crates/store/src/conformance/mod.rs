//! The suite that every store has to pass, with no exception for any. A store's tests say where it lives ([`Place`]) and
//! run all of it by [`conformance!`](crate::conformance!).
//!
//! Never asks a store for anything but the port, save for [`Place::statement`].
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::missing_panics_doc, reason = "these are tests")]

pub mod beside;
pub mod log;
pub mod made;
pub mod rows;

use std::sync::Arc;

use ajar_core::port::Store;
use async_trait::async_trait;

/// A place where a store lives, empty at first.
#[async_trait]
pub trait Place: Send + Sync + 'static {
    /// Opens the store there. The one that was open before has been dropped.
    async fn open(&self) -> Arc<dyn Store>;

    /// Runs a statement past the store, as somebody with a database shell would.
    async fn statement(&self, text: &'static str) -> Result<(), String>;
}

/// Makes a test of each case of the suite; the expression makes a [`Place`]. With `@port` before it, of each case that asks for nothing
/// but the port.
#[macro_export]
macro_rules! conformance {
    ($place:expr) => {
        $crate::conformance!(@port $place);
        $crate::conformance!(@cases $place; log: i16_events_can_be_neither_changed_nor_deleted_nor_put_between,);
    };
    (@port $place:expr) => {
        $crate::conformance!(@cases $place;
            log: i15_what_is_appended_is_read_back_to_the_byte,
            log: i15_a_batch_that_conflicts_leaves_nothing,
            log: i15_a_batch_that_breaks_in_the_middle_leaves_nothing,
            log: o03_an_append_that_is_not_next_is_a_conflict,
            log: of_writers_at_the_same_place_one_wins,
            log: a_stream_reads_in_order_of_its_versions,
            log: leaf_hashes_are_those_of_the_ledger,
            log: pages_cover_the_log_without_gap_or_overlap,
            log: search_takes_a_text_literally,
            log: search_by_kind_is_by_prefix_and_case,
            log: a_batch_of_thousands_is_one_commit,
            log: readers_see_whole_batches_while_a_writer_writes,
            log: l04_everything_is_there_after_opening_again,
            rows: rows_narrow_by_everything_asked,
            rows: rows_narrow_by_role_time_and_who_may_see_them,
            rows: rows_are_counted_by_whose_what_and_state,
            rows: w03_who_asked_for_another_or_reviewed_finds_the_request_again,
            rows: rows_page_by_a_cursor_newest_first,
            rows: the_last_row_of_a_stream_counts,
            rows: replaced_rows_are_those_and_no_others,
            rows: a_short_id_finds_what_ends_with_it,
            beside: an_effect_is_kept_once_by_its_key,
            beside: effects_come_due_oldest_first_and_are_tried_again_later,
            beside: an_effect_that_is_done_is_gone,
            beside: i18_erasing_takes_the_value_and_leaves_the_event,
            beside: blobs_are_kept_by_their_hash,
            beside: the_latest_checkpoint_is_that_of_the_largest_log,
        );
    };
    (@cases $place:expr; $($area:ident: $case:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let place = $place;
                $crate::conformance::$area::$case(&place).await;
            }
        )*
    };
}
