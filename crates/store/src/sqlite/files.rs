//! The database's files: made private, and held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ajar_core::port::StoreError;

use super::fault::io_error;

/// Makes the folder (0700) if it isn't there.
pub(super) fn make_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|f| !f.exists()) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| io_error("make the store's folder", &e))?;
    folder.parent().map_or(Ok(()), sync_folder)
}

/// Takes the lock file beside the database; it is held until the file is dropped.
///
/// INVARIANT O3: two servers never write to one file.
pub(super) fn lock(path: &Path) -> Result<File, StoreError> {
    let doing = "open the store's lock file";
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(beside(path, ".lock"))
        .map_err(|e| io_error(doing, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Failed("another server has this store open: stop it first, or give this one a store of its own".into()))
        }
        Err(TryLockError::Error(error)) => Err(io_error("lock the store", &error)),
    }
}

/// Makes an empty file (0600) that was not there, so that SQLite never makes one that others can read.
///
/// Its `-wal` and `-shm` files take its mode.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let doing = "make the database file";
    let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).map_err(|e| io_error(doing, &e))?;
    file.sync_all().map_err(|e| io_error(doing, &e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Takes everybody else's rights to the database away, and to what lies beside it.
///
/// Before SQLite opens it: what it makes takes the database's mode.
pub(super) fn keep_private(path: &Path) -> Result<(), StoreError> {
    for ending in ["", "-wal", "-shm"] {
        let file = beside(path, ending);
        let doing = "make the database file private";
        let mode = match fs::metadata(&file) {
            Ok(found) => found.permissions().mode(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(io_error(doing, &error)),
        };
        if mode & 0o077 != 0 {
            fs::set_permissions(&file, Permissions::from_mode(mode & 0o700)).map_err(|e| io_error(doing, &e))?;
        }
    }
    Ok(())
}

/// Makes a finished copy survive a power cut.
pub(super) fn sync(path: &Path) -> Result<(), StoreError> {
    let doing = "write the copy to the disk";
    File::open(path).and_then(|f| f.sync_all()).map_err(|e| io_error(doing, &e))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| io_error("write the folder to the disk", &e))
}
