//! Who watches a publication, and what is news to him.

use crate::model::kind::Kind;

/// That somebody watches a publication.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Watch {
    /// Id of the event that said so last. Such ids are UUIDv7: the greater is the later.
    #[prost(string, tag = "1")]
    pub(crate) event: String,
    /// When he ceased to; kept for a while, so that an older event that comes late does not bring it back. Absent: he watches.
    #[prost(uint64, optional, tag = "2")]
    pub(crate) over_at_ms: Option<u64>,
    /// When he was told of a price last; 0: never.
    #[prost(uint64, tag = "3")]
    pub(crate) price_told_at_ms: u64,
    /// Which price that was.
    #[prost(int64, tag = "4")]
    pub(crate) price_told_minor: i64,
    /// When he was told of stock last; 0: never.
    #[prost(uint64, tag = "5")]
    pub(crate) stock_told_at_ms: u64,
}

/// News of a publication, on its way to those who watch it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Alert {
    /// Name of the kind: `price_drop` or `back_in_stock`.
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(string, tag = "2")]
    pub(crate) title: String,
    #[prost(int64, tag = "3")]
    pub(crate) price_minor: i64,
    #[prost(string, tag = "4")]
    pub(crate) currency: String,
    /// The last of those who were told; empty: nobody yet.
    #[prost(string, tag = "5")]
    pub(crate) last_user: String,
    /// Id of the event that it comes from: nobody is told twice of one.
    #[prost(string, tag = "6")]
    pub(crate) event: String,
    /// Trace of the event; empty: none.
    #[prost(string, tag = "7")]
    pub(crate) traceparent: String,
}

impl Watch {
    /// The watch once its user is told; `None` when he is not to be: he was told the same or better within `pause_ms`, so that
    /// a seller who plays with prices floods nobody.
    pub(crate) fn told(&self, kind: Kind, price_minor: i64, now_ms: u64, pause_ms: u64) -> Option<Watch> {
        let is_recent = |told_at_ms: u64| told_at_ms > 0 && now_ms < told_at_ms.saturating_add(pause_ms);
        if self.over_at_ms.is_some() {
            return None;
        }
        match kind {
            Kind::BackInStock if !is_recent(self.stock_told_at_ms) => {
                Some(Watch { stock_told_at_ms: now_ms, ..self.clone() })
            }
            Kind::PriceDrop if !is_recent(self.price_told_at_ms) || price_minor < self.price_told_minor => {
                Some(Watch { price_told_at_ms: now_ms, price_told_minor: price_minor, ..self.clone() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_price_is_always_news_and_the_same_one_after_a_while() {
        let told = Watch::default().told(Kind::PriceDrop, 100, 1000, 60).unwrap();
        assert_eq!(told.told(Kind::PriceDrop, 100, 1010, 60), None);
        assert!(told.told(Kind::PriceDrop, 99, 1010, 60).is_some());
        assert!(told.told(Kind::PriceDrop, 100, 1060, 60).is_some());
        let told = Watch::default().told(Kind::BackInStock, 100, 1000, 60).unwrap();
        assert_eq!(told.told(Kind::BackInStock, 50, 1010, 60), None);
    }

    #[test]
    fn who_does_not_watch_any_more_is_not_told() {
        let over = Watch { over_at_ms: Some(1), ..Watch::default() };
        assert_eq!(over.told(Kind::PriceDrop, 1, 1, 0), None);
    }
}
