//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};

use crate::SampleError;

/// A folder with `postgres` and `initdb` of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs(pub(crate) PathBuf);

impl Programs {
    /// The programs in `bin`.
    ///
    /// # Errors
    /// When they aren't there.
    pub fn in_folder(bin: &Path) -> Result<Self, SampleError> {
        let there = ["postgres", "initdb"].iter().all(|program| bin.join(program).is_file());
        if there { Ok(Self(bin.to_owned())) } else { Err(SampleError::NoPrograms(bin.display().to_string())) }
    }

    /// The system's: the newest of Debian's, else those in `path`, a list like the environment's PATH.
    ///
    /// # Errors
    /// When there are none.
    pub fn of_the_system(path: &std::ffi::OsStr) -> Result<Self, SampleError> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let version = |folder: &PathBuf| folder.file_name().and_then(|n| n.to_str()?.parse::<u32>().ok());
        let mut debian: Vec<_> = versions.map(|entry| entry.path()).filter(|f| version(f).is_some()).collect();
        debian.sort_by_key(version);
        let debian = debian.into_iter().rev().map(|folder| folder.join("bin"));
        let found = debian.chain(std::env::split_paths(path)).find_map(|bin| Self::in_folder(&bin).ok());
        found.ok_or_else(|| SampleError::NoPrograms("/usr/lib/postgresql or the PATH".into()))
    }
}
