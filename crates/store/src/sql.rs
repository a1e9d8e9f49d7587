//! Every statement on the tables, once. They are written for SQLite and PostgreSQL alike (`$1` works in both), but
//! for [`LEAF_HOLDS`]. Values are always bound, never part of a text.

/// An INSERT of any number of rows.
pub(crate) struct Insert {
    head: &'static str,
    columns: usize,
    tail: &'static str,
}

impl Insert {
    /// Most rows in one statement: as large as helps, far below both databases' limit of parameters.
    const MOST: usize = 32;

    /// How many of `left` rows go into the next statement: a power of two, so that few texts are prepared and cached.
    pub(crate) fn rows_of(left: usize) -> usize {
        if left >= Self::MOST { Self::MOST } else { 1 << left.max(1).ilog2() }
    }

    /// The text for so many rows.
    pub(crate) fn text(&self, rows: usize) -> String {
        let mut text = String::with_capacity(self.head.len() + self.tail.len() + rows * self.columns * 6);
        text.push_str(self.head);
        for row in 0..rows {
            text.push_str(if row == 0 { "(" } else { ", (" });
            placeholders(&mut text, row * self.columns + 1, self.columns);
            text.push(')');
        }
        text.push_str(self.tail);
        text
    }
}

/// Appends `$first, $first+1, …`.
fn placeholders(text: &mut String, first: usize, count: usize) {
    for number in first..first + count {
        if number > first {
            text.push_str(", ");
        }
        text.push('$');
        text.push_str(&number.to_string());
    }
}

/// `head IN ($1, …, $count) tail`.
pub(crate) fn one_of(head: &str, count: usize, tail: &str) -> String {
    let mut text = format!("{head} IN (");
    placeholders(&mut text, 1, count);
    text.push(')');
    text.push_str(tail);
    text
}

pub(crate) const EVENTS: Insert =
    Insert { head: "INSERT INTO events (seq, stream, version, kind, at, leaf, hash) VALUES ", columns: 7, tail: "" };

pub(crate) const ROWS: Insert = Insert {
    head: "INSERT INTO rows (word, stream, state, principal, resource, role, parent, due, since, until, doc) VALUES ",
    columns: 11,
    tail: " ON CONFLICT (word, stream) DO UPDATE SET state = excluded.state, principal = excluded.principal, \
           resource = excluded.resource, role = excluded.role, parent = excluded.parent, due = excluded.due, \
           since = excluded.since, until = excluded.until, doc = excluded.doc",
};

pub(crate) const PARTS: Insert =
    Insert { head: "INSERT INTO parts (principal, word, stream, part) VALUES ", columns: 4, tail: " ON CONFLICT DO NOTHING" };

pub(crate) const DISCLOSURES: Insert =
    Insert { head: "INSERT INTO disclosures (commitment, salt, value) VALUES ", columns: 3, tail: " ON CONFLICT (commitment) DO NOTHING" };

pub(crate) const EFFECTS: Insert =
    Insert { head: "INSERT INTO outbox (key, payload, due, attempts) VALUES ", columns: 4, tail: " ON CONFLICT (key) DO NOTHING" };

pub(crate) const BLOBS: Insert =
    Insert { head: "INSERT INTO blobs (hash, body) VALUES ", columns: 2, tail: " ON CONFLICT (hash) DO NOTHING" };

pub(crate) const NEXT_SEQ: &str = "SELECT COALESCE(MAX(seq) + 1, 0) FROM events";
pub(crate) const LEAVES: &str = "SELECT seq, stream, version, kind, at, leaf FROM events WHERE seq >= $1 ORDER BY seq LIMIT $2";
pub(crate) const STREAM: &str = "SELECT seq, stream, version, kind, at, leaf FROM events WHERE stream = $1 ORDER BY version";
pub(crate) const HASHES: &str = "SELECT seq, hash FROM events WHERE seq >= $1 ORDER BY seq LIMIT $2";

/// Values go between these pieces and those below, as the search is narrowed.
pub(crate) const SEARCH: &str = "SELECT seq, stream, version, kind, at, leaf FROM events WHERE seq < ";
/// A range instead of LIKE, which would ignore case and need escapes.
pub(crate) const KIND_FROM: &str = " AND kind >= ";
pub(crate) const KIND_BELOW: &str = " AND kind < ";
/// SQLite's name for it; PostgreSQL calls it `strpos`.
pub(crate) const LEAF_HOLDS: &str = " AND instr(leaf, ";
pub(crate) const LEAF_HOLDS_END: &str = ") > 0";
pub(crate) const NEWEST: &str = " ORDER BY seq DESC LIMIT ";

/// With the two below, which rows is found in an index that has all that is asked for; only those are read.
pub(crate) const LIST: &str = "SELECT stream, state, doc FROM rows WHERE word = ";
pub(crate) const LIST_THESE: &str = " AND stream IN (SELECT stream FROM rows WHERE word = ";
pub(crate) const LIST_NEWEST: &str = ") ORDER BY stream DESC";
pub(crate) const TALLY: &str = "SELECT principal, resource, role, state, COUNT(*), MAX(since) FROM rows WHERE word = ";
pub(crate) const TALLY_END: &str = " GROUP BY principal, resource, role, state";
pub(crate) const STATE_IN: &str = " AND state IN (";
pub(crate) const PRINCIPAL_IS: &str = " AND principal = ";
pub(crate) const RESOURCE_IS: &str = " AND resource = ";
pub(crate) const ROLE_IS: &str = " AND role = ";
pub(crate) const PARENT_IS: &str = " AND parent = ";
pub(crate) const ANY_OF: &str = " AND (principal = ";
pub(crate) const OR_FILED: &str = " OR stream IN (SELECT stream FROM parts WHERE part = 'filed' AND word = ";
pub(crate) const OR_HAS_A_PART: &str = " OR stream IN (SELECT stream FROM parts WHERE word = ";
pub(crate) const OR_OWNED: &str = " OR resource IN (";
pub(crate) const SINCE: &str = " AND since >= ";
pub(crate) const BEGUN_BEFORE: &str = " AND since < ";
pub(crate) const NOT_OVER_AT: &str = " AND since IS NOT NULL AND (until IS NULL OR until > ";
pub(crate) const OLDER_THAN: &str = " AND stream < ";
pub(crate) const LIST_END: &str = " ORDER BY stream DESC LIMIT ";
pub(crate) const ROW: &str = "SELECT stream, state, doc FROM rows WHERE word = $1 AND stream = $2";
/// Reads along the primary key, a tenth of a second for a million; an index of reversed ids would cost every write a page.
pub(crate) const BY_SUFFIX: &str = "SELECT stream FROM rows WHERE word = $1 AND stream LIKE '%' || $2 ORDER BY stream DESC LIMIT $3";
pub(crate) const ROWS_CLEAR: &str = "DELETE FROM rows";
pub(crate) const PARTS_CLEAR: &str = "DELETE FROM parts";

pub(crate) const DISCLOSED: &str = "SELECT commitment, salt, value FROM disclosures WHERE commitment";
pub(crate) const ERASE: &str = "DELETE FROM disclosures WHERE commitment";

pub(crate) const EFFECTS_DUE: &str = "SELECT key, payload, due, attempts, error FROM outbox WHERE due <= $1 ORDER BY due, key LIMIT $2";
pub(crate) const EFFECT_RETRY: &str = "UPDATE outbox SET attempts = attempts + 1, due = $2, error = $3 WHERE key = $1";
pub(crate) const EFFECTS_DONE: &str = "DELETE FROM outbox WHERE key";

pub(crate) const BLOB: &str = "SELECT body FROM blobs WHERE hash = $1";
pub(crate) const CHECKPOINT_PUT: &str =
    "INSERT INTO checkpoints (size, note) VALUES ($1, $2) ON CONFLICT (size) DO UPDATE SET note = excluded.note";
pub(crate) const CHECKPOINT_LATEST: &str = "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1";

pub(crate) const SCHEMA_VERSION: &str = "SELECT COALESCE(MAX(version), 0) FROM schema_version";
pub(crate) const SCHEMA_REACHED: &str = "INSERT INTO schema_version (version) VALUES ($1)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_numbers_its_parameters_row_by_row() {
        assert_eq!(BLOBS.text(2), "INSERT INTO blobs (hash, body) VALUES ($1, $2), ($3, $4) ON CONFLICT (hash) DO NOTHING");
        assert_eq!(one_of(ERASE, 2, ""), "DELETE FROM disclosures WHERE commitment IN ($1, $2)");
    }

    #[test]
    fn any_number_of_rows_is_covered_by_few_statements() {
        for rows in [1, 2, 3, 63, 64, 65, 100, 1000] {
            let (mut left, mut statements) = (rows, 0);
            while left > 0 {
                left -= Insert::rows_of(left);
                statements += 1;
            }
            assert!(statements <= rows / Insert::MOST + 6, "{rows} rows take {statements} statements");
        }
    }
}
