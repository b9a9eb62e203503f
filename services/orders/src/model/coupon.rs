//! Coupons: what they take off, and when they count.

use super::Refusal;

/// A coupon with what counts its uses.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Coupon {
    /// Percent off each order; 0: an amount.
    #[prost(uint32, tag = "1")]
    pub(crate) percent: u32,
    /// Amount off the whole checkout, in minor units.
    #[prost(int64, tag = "2")]
    pub(crate) amount_minor: i64,
    /// Currency of the amount and of the minimum; empty: any.
    #[prost(string, tag = "3")]
    pub(crate) currency: String,
    #[prost(uint64, tag = "4")]
    pub(crate) starts_at_ms: u64,
    /// Exclusive.
    #[prost(uint64, tag = "5")]
    pub(crate) ends_at_ms: u64,
    #[prost(uint32, optional, tag = "6")]
    pub(crate) uses_max: Option<u32>,
    #[prost(uint32, optional, tag = "7")]
    pub(crate) uses_per_buyer_max: Option<u32>,
    #[prost(int64, tag = "8")]
    pub(crate) minimum_minor: i64,
    /// Orders that use it and were not cancelled.
    #[prost(uint32, tag = "9")]
    pub(crate) uses: u32,
}

/// How many orders of one buyer use a coupon.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Uses {
    #[prost(uint32, tag = "1")]
    pub(crate) count: u32,
}

impl Coupon {
    /// What it takes off each of these subtotals, used by a buyer who used it `used` times before.
    pub(crate) fn discounts(
        &self,
        subtotals: &[i64],
        currency: &str,
        used: u32,
        now_ms: u64,
    ) -> Result<Vec<i64>, Refusal> {
        let orders = u32::try_from(subtotals.len()).unwrap_or(u32::MAX);
        let whole: i64 = subtotals.iter().sum();
        let over = |count: u32, max: Option<u32>| max.is_some_and(|max| count.saturating_add(orders) > max);
        if now_ms < self.starts_at_ms || now_ms >= self.ends_at_ms {
            return Err(Refusal::Coupon("it is not its time"));
        }
        if !self.currency.is_empty() && self.currency != currency {
            return Err(Refusal::Coupon("it is for another currency"));
        }
        if whole < self.minimum_minor {
            return Err(Refusal::Coupon("the order is below its minimum"));
        }
        if over(self.uses, self.uses_max) {
            return Err(Refusal::Coupon("it was used up"));
        }
        if over(used, self.uses_per_buyer_max) {
            return Err(Refusal::Coupon("you have used it up"));
        }
        Ok(subtotals.iter().map(|subtotal| self.discount(*subtotal, whole)).collect())
    }

    /// Whether an order may count once more, of a buyer who used it `used` times. Its time and minimum were looked at when the
    /// order was made.
    pub(crate) fn has_room(&self, used: u32) -> bool {
        let is_under = |count: u32, max: Option<u32>| max.is_none_or(|max| count < max);
        is_under(self.uses, self.uses_max) && is_under(used, self.uses_per_buyer_max)
    }

    /// The part of one order. At least one minor unit is left to pay: a provider takes no payment of nothing.
    fn discount(&self, subtotal: i64, whole: i64) -> i64 {
        let (share, of) = match self.percent {
            0 => (i128::from(self.amount_minor.min(whole)), i128::from(whole.max(1))),
            percent => (i128::from(percent), 100),
        };
        let discount = i128::from(subtotal) * share / of;
        i64::try_from(discount).unwrap_or(subtotal).clamp(0, (subtotal - 1).max(0))
    }

    /// Whether the terms are the same; the uses do not matter.
    pub(crate) fn has_terms_of(&self, other: &Coupon) -> bool {
        *self == Coupon { uses: self.uses, ..other.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coupon() -> Coupon {
        Coupon { percent: 10, starts_at_ms: 10, ends_at_ms: 20, minimum_minor: 100, ..Coupon::default() }
    }

    #[test]
    fn a_percentage_is_taken_off_each_order() {
        assert_eq!(coupon().discounts(&[1000, 55], "ARS", 0, 10), Ok(vec![100, 5]));
    }

    #[test]
    fn an_amount_is_spread_and_leaves_something_to_pay() {
        let amount = Coupon { percent: 0, amount_minor: 300, currency: "ARS".into(), ..coupon() };
        assert_eq!(amount.discounts(&[1000, 500], "ARS", 0, 10), Ok(vec![200, 100]));
        assert_eq!(amount.discounts(&[200], "ARS", 0, 10), Ok(vec![199]));
        assert!(amount.discounts(&[200], "USD", 0, 10).is_err());
    }

    #[test]
    fn window_minimum_and_limits_hold() {
        for now_ms in [9, 20] {
            assert!(coupon().discounts(&[1000], "ARS", 0, now_ms).is_err());
        }
        assert!(coupon().discounts(&[99], "ARS", 0, 10).is_err());
        let limited = Coupon { uses_max: Some(3), uses_per_buyer_max: Some(2), uses: 2, ..coupon() };
        assert!(limited.discounts(&[1000], "ARS", 1, 10).is_ok());
        assert!(limited.discounts(&[1000, 1000], "ARS", 0, 10).is_err());
        assert!(limited.discounts(&[1000], "ARS", 2, 10).is_err());
    }
}
