//! A catalogue as CSV, into a running shop and out of it.

mod export;
mod import;
mod rows;

pub(crate) use export::{ExportOptions, export};
pub(crate) use import::{ImportOptions, import};
