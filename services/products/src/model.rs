//! What is true: money, stock, offers and products, and the rules between them.
//!
//! Pure: no clock, no randomness, no wire type. A value is parsed once, in `wire`, and trusted afterwards.

pub(crate) mod reservation;

use std::collections::BTreeMap;

use vitrina_chassis::ids::UserId;

vitrina_chassis::id_type!(
    /// Which product.
    ProductId, "prd_"
);
vitrina_chassis::id_type!(
    /// Which variant of a product.
    VariantId, "var_"
);
vitrina_chassis::id_type!(
    /// Which publication; owned by the service of publications, except those that an import asks for.
    PublicationId, "pub_"
);
vitrina_chassis::id_type!(
    /// Which order holds a reservation; owned by the service of orders.
    OrderId, "ord_"
);
vitrina_chassis::id_type!(
    /// Which refund of an order; owned by the service of orders.
    RefundId, "ref_"
);

/// Characters of a name; the contract's bound.
pub(crate) const NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
/// Characters of a description; the contract's bound.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 2000;
/// Characters of a sku.
pub(crate) const SKU_CHARS: std::ops::RangeInclusive<usize> = 1..=64;
/// Characters of a brand.
pub(crate) const BRAND_CHARS: std::ops::RangeInclusive<usize> = 1..=100;
/// Characters of a category path.
pub(crate) const CATEGORY_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
/// Names in a category path.
pub(crate) const CATEGORY_DEPTH_MAX: usize = 5;
/// Attributes of a product.
pub(crate) const ATTRIBUTES_MAX: usize = 20;
/// Characters of the name of an attribute.
pub(crate) const ATTRIBUTE_NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=50;
/// Characters of the value of an attribute.
pub(crate) const ATTRIBUTE_VALUE_CHARS: std::ops::RangeInclusive<usize> = 1..=100;
/// Variants of a product: all of them stand in one row.
pub(crate) const VARIANTS_MAX: usize = 10;
/// Options of a variant.
pub(crate) const OPTIONS: std::ops::RangeInclusive<usize> = 1..=5;
/// Characters of the name of an option.
pub(crate) const OPTION_NAME_CHARS: std::ops::RangeInclusive<usize> = 1..=30;
/// Characters of the value of an option.
pub(crate) const OPTION_VALUE_CHARS: std::ops::RangeInclusive<usize> = 1..=60;
/// Most units on hand: ten variants of it still fit a `u32` many times over.
pub(crate) const ON_HAND_MAX: u32 = 1_000_000;
/// Largest amount in minor units; the contract's bound, exact in a JSON number.
pub(crate) const MINOR_MAX: i64 = 1_000_000_000_000_000;

/// An ISO 4217 code: three capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Currency([u8; 3]);

/// A price: above zero, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) minor: i64,
    pub(crate) currency: Currency,
}

/// Whether a thing was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Condition {
    New,
    Used,
}

/// A lower price for a time: from `starts_at_ms` on, up to but without `ends_at_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) price: Money,
    pub(crate) starts_at_ms: u64,
    pub(crate) ends_at_ms: u64,
}

/// Units of a product or variant; `reserved` is never more than `on_hand`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    pub(crate) on_hand: u32,
    pub(crate) reserved: u32,
}

/// One of the forms in which a product is sold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Variant {
    pub(crate) id: VariantId,
    pub(crate) sku: String,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) price: Money,
    pub(crate) stock: Stock,
    pub(crate) offer: Option<Offer>,
}

/// What a seller owns.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Product {
    pub(crate) id: ProductId,
    pub(crate) seller: UserId,
    pub(crate) sku: Option<String>,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) condition: Condition,
    pub(crate) category: String,
    pub(crate) brand: Option<String>,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) price: Money,
    pub(crate) offer: Option<Offer>,
    /// Empty when there are variants, which then hold the stock.
    pub(crate) stock: Stock,
    pub(crate) variants: Vec<Variant>,
    /// Kept for the orders that name it, but neither shown nor sold.
    pub(crate) is_deleted: bool,
    pub(crate) created_at_ms: u64,
    pub(crate) updated_at_ms: u64,
}

/// Why a rule says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{product} has {available} units left, {asked} were asked for")]
    StockInsufficient { product: ProductId, asked: u32, available: u32 },
    #[error("{product} has variants and none was named")]
    VariantRequired { product: ProductId },
    #[error("{product} has no such variant")]
    VariantUnknown { product: ProductId },
    #[error("the stock would go to {on_hand} with {reserved} reserved")]
    StockBelowReserved { on_hand: i64, reserved: u32 },
    #[error("the stock would go above {ON_HAND_MAX}")]
    StockTooLarge,
    #[error("the offer's price is not below the list price in the same currency")]
    OfferNotBelowPrice,
    #[error("the price is in another currency than the product's variants and offers")]
    CurrencyMixed,
    #[error("the reservation of {order} has other lines")]
    ReservationDiffers { order: OrderId },
    #[error("the reservation of {order} has ended")]
    ReservationEnded { order: OrderId },
    #[error("the units of {order} were not sold")]
    NotSold { order: OrderId },
    #[error("more units of {order} would go back than were sold")]
    RestockTooLarge { order: OrderId },
}

impl Currency {
    /// Argentine peso, what a price is in when nothing is said.
    pub(crate) const ARS: Currency = Currency(*b"ARS");

    /// Reads three capital letters.
    pub(crate) fn parse(text: &str) -> Option<Currency> {
        let code: [u8; 3] = text.as_bytes().try_into().ok()?;
        code.iter().all(u8::is_ascii_uppercase).then_some(Currency(code))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only capital letters get in")
    }

    /// Decimals of the currency (ISO 4217, table A.1).
    pub(crate) fn decimals(self) -> u32 {
        match &self.0 {
            b"BIF" | b"CLP" | b"DJF" | b"GNF" | b"ISK" | b"JPY" | b"KMF" | b"KRW" | b"PYG" | b"RWF"
            | b"UGX" | b"VND" | b"VUV" | b"XAF" | b"XOF" | b"XPF" => 0,
            b"BHD" | b"IQD" | b"JOD" | b"KWD" | b"LYD" | b"OMR" | b"TND" => 3,
            _ => 2,
        }
    }
}

impl Offer {
    pub(crate) fn is_running(&self, now_ms: u64) -> bool {
        self.starts_at_ms <= now_ms && now_ms < self.ends_at_ms
    }

    /// Whether it is over, so that nobody needs to hear of it any more.
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        self.ends_at_ms <= now_ms
    }
}

impl Stock {
    pub(crate) fn new(on_hand: u32) -> Stock {
        Stock { on_hand, reserved: 0 }
    }

    pub(crate) fn available(&self) -> u32 {
        self.on_hand.saturating_sub(self.reserved)
    }

    /// Moves the units on hand; what is reserved stays there.
    fn adjust(&mut self, delta: i32) -> Result<(), Refusal> {
        let on_hand = i64::from(self.on_hand) + i64::from(delta);
        if on_hand < i64::from(self.reserved) {
            return Err(Refusal::StockBelowReserved { on_hand, reserved: self.reserved });
        }
        self.on_hand =
            u32::try_from(on_hand).ok().filter(|n| *n <= ON_HAND_MAX).ok_or(Refusal::StockTooLarge)?;
        Ok(())
    }

    pub(crate) fn hold(&mut self, quantity: u32) {
        debug_assert!(quantity <= self.available(), "asked for before");
        self.reserved += quantity;
    }

    /// The units are free again.
    pub(crate) fn free(&mut self, quantity: u32) {
        self.reserved = self.reserved.saturating_sub(quantity);
    }

    /// The reserved units are gone.
    pub(crate) fn sell(&mut self, quantity: u32) {
        self.free(quantity);
        self.on_hand = self.on_hand.saturating_sub(quantity);
    }

    /// Sold units come back. May go above [`ON_HAND_MAX`]: what a buyer gives back is there, whatever the bound on input.
    pub(crate) fn restock(&mut self, quantity: u32) {
        self.on_hand = self.on_hand.saturating_add(quantity);
    }
}

impl Product {
    /// The product's own stock, or the sum of its variants.
    pub(crate) fn total_stock(&self) -> Stock {
        self.variants.iter().fold(self.stock, |sum, variant| Stock {
            on_hand: sum.on_hand.saturating_add(variant.stock.on_hand),
            reserved: sum.reserved.saturating_add(variant.stock.reserved),
        })
    }

    pub(crate) fn effective_price(&self, now_ms: u64) -> Money {
        lower(self.price, running(self.offer, now_ms))
    }

    /// A variant's own running offer comes first; else the product's, where it is lower than the variant's price.
    pub(crate) fn effective_price_of(&self, variant: &Variant, now_ms: u64) -> Money {
        match running(variant.offer, now_ms) {
            Some(own) => lower(variant.price, Some(own)),
            None => lower(variant.price, running(self.offer, now_ms)),
        }
    }

    /// What one unit costs now.
    pub(crate) fn unit_price(&self, variant: Option<VariantId>, now_ms: u64) -> Result<Money, Refusal> {
        Ok(match self.position(variant)? {
            None => self.effective_price(now_ms),
            Some(at) => self.effective_price_of(&self.variants[at], now_ms),
        })
    }

    /// The stock that a sale of the variant moves.
    pub(crate) fn stock_mut(&mut self, variant: Option<VariantId>) -> Result<&mut Stock, Refusal> {
        Ok(match self.position(variant)? {
            None => &mut self.stock,
            Some(at) => &mut self.variants[at].stock,
        })
    }

    pub(crate) fn adjust(&mut self, variant: Option<VariantId>, delta: i32) -> Result<(), Refusal> {
        self.stock_mut(variant)?.adjust(delta)
    }

    /// Sets the offer of the whole product, or of the variant.
    pub(crate) fn put_offer(&mut self, variant: Option<VariantId>, offer: Offer) -> Result<(), Refusal> {
        let (price, place) = match self.variant_position(variant)? {
            None => (self.price, &mut self.offer),
            Some(at) => (self.variants[at].price, &mut self.variants[at].offer),
        };
        if offer.price.currency != price.currency || offer.price.minor >= price.minor {
            return Err(Refusal::OfferNotBelowPrice);
        }
        *place = Some(offer);
        Ok(())
    }

    /// Ends the offer of the whole product, or of the variant; says whether there was one.
    pub(crate) fn take_offer(&mut self, variant: Option<VariantId>) -> Result<Option<Offer>, Refusal> {
        Ok(match self.variant_position(variant)? {
            None => self.offer.take(),
            Some(at) => self.variants[at].offer.take(),
        })
    }

    /// Sets the list price. An offer that is not lower any more simply does not count (see `effective_price`); another
    /// currency is refused as long as a variant or an offer is in the present one.
    pub(crate) fn set_price(&mut self, price: Money) -> Result<(), Refusal> {
        let is_bound = self.offer.is_some() || !self.variants.is_empty();
        if is_bound && price.currency != self.price.currency {
            return Err(Refusal::CurrencyMixed);
        }
        self.price = price;
        Ok(())
    }

    /// Every sku that the product takes from its seller's.
    pub(crate) fn skus(&self) -> impl Iterator<Item = &String> {
        self.sku.iter().chain(self.variants.iter().map(|variant| &variant.sku))
    }

    /// Where the stock of a line is: a product with variants needs one to be named.
    fn position(&self, variant: Option<VariantId>) -> Result<Option<usize>, Refusal> {
        if variant.is_none() && !self.variants.is_empty() {
            return Err(Refusal::VariantRequired { product: self.id });
        }
        self.variant_position(variant)
    }

    fn variant_position(&self, variant: Option<VariantId>) -> Result<Option<usize>, Refusal> {
        let Some(id) = variant else { return Ok(None) };
        let at = self.variants.iter().position(|variant| variant.id == id);
        at.map(Some).ok_or(Refusal::VariantUnknown { product: self.id })
    }
}

fn running(offer: Option<Offer>, now_ms: u64) -> Option<Money> {
    offer.filter(|offer| offer.is_running(now_ms)).map(|offer| offer.price)
}

fn lower(price: Money, offered: Option<Money>) -> Money {
    offered
        .filter(|offered| offered.currency == price.currency && offered.minor < price.minor)
        .unwrap_or(price)
}

#[cfg(test)]
#[path = "model/tests.rs"]
mod tests;
