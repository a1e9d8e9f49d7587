//! What SQLite says, in the port's words. An error never holds a value: SQLite's own messages name tables and columns only.

use std::io::{self, ErrorKind};

use ajar_core::port::StoreError;

/// Primary result codes: <https://www.sqlite.org/rescode.html>.
const IOERR: i32 = 10;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CONSTRAINT: i32 = 19;
const NOTADB: i32 = 26;
/// Growing the WAL's index fails for want of space, or for nothing.
const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);
const CONSTRAINT_PRIMARYKEY: i32 = CONSTRAINT | (6 << 8);
const CONSTRAINT_UNIQUE: i32 = CONSTRAINT | (8 << 8);

/// Maps an error of sqlx.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    if let sqlx::Error::Io(io) = &error {
        return io_error("read or write", io);
    }
    if let sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) = error {
        return StoreError::Damaged("a column holds something of another type".into());
    }
    let Some(database) = error.as_database_error() else { return StoreError::Failed(error.to_string()) };
    let code: i32 = database.code().and_then(|c| c.parse().ok()).unwrap_or(0);
    let told = || format!("SQLite error {code}: {}", database.message());
    match code {
        IOERR_SHMSIZE => StoreError::Full,
        CONSTRAINT_PRIMARYKEY | CONSTRAINT_UNIQUE => StoreError::Conflict,
        _ => match code & 0xff {
            FULL => StoreError::Full,
            CORRUPT | NOTADB => StoreError::Damaged(told()),
            _ => StoreError::Failed(told()),
        },
    }
}

/// Maps an error of the file system; `doing` says what was tried, without the path.
pub(super) fn io_error(doing: &str, error: &io::Error) -> StoreError {
    if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) {
        return StoreError::Full;
    }
    StoreError::Failed(format!("could not {doing}: {}", error.kind()))
}
