//! The values of the tables that the model does not know.
//!
//! A number of a row's field is never given to another field: rows of older versions stay readable.

use vitrina_chassis::BadRow;

/// A key that says everything by being there.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MarkRow {}

/// Which order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OrderRef {
    /// As text.
    #[prost(string, tag = "1")]
    pub(crate) order: String,
}

/// What a seller keeps of a paid order.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AmountRow {
    #[prost(int64, tag = "1")]
    pub(crate) minor: i64,
    #[prost(string, tag = "2")]
    pub(crate) currency: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReviewRow {
    #[prost(uint32, tag = "1")]
    pub(crate) rating: u32,
    #[prost(string, optional, tag = "2")]
    pub(crate) text: Option<String>,
    #[prost(uint64, tag = "3")]
    pub(crate) created_at_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ScoreRow {
    #[prost(uint64, tag = "1")]
    pub(crate) sum: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) count: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LookupRow {
    #[prost(uint64, tag = "1")]
    pub(crate) due_at_ms: u64,
    #[prost(uint32, tag = "2")]
    pub(crate) tries: u32,
}

impl ScoreRow {
    /// Mean of all reviews, 1 to 5; 0 without any.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / f64::from(self.count) }
    }
}

/// Reads the id that a row names as text.
pub(crate) fn id<T: std::str::FromStr>(text: &str, field: &'static str) -> Result<T, BadRow> {
    text.parse().map_err(|_| BadRow(field))
}
