//! What the fuzz targets do with their bytes. See `README.md`.

pub mod http;
pub mod ledger;
pub mod pg;
pub mod policy;
pub mod ssh;
