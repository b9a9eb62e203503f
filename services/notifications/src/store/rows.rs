//! The values of the tables that are not the model's own.

/// A key that says it all.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct MarkRow {}

/// What goes when a notification is forgotten.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AgeRow {
    /// The user's id; empty: a guest, who has no inbox.
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    /// Key in `told`.
    #[prost(string, tag = "2")]
    pub(crate) told: String,
    #[prost(uint64, tag = "3")]
    pub(crate) created_at_ms: u64,
}

/// A stored value that no version of this service wrote. Logged by whoever handles the error; names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row has a malformed {0}")]
pub struct BadRow(pub(crate) &'static str);

/// The id that a stored text is.
pub(crate) fn id<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<T, BadRow> {
    text.parse().map_err(|_| BadRow(field))
}
