//! The values of the tables, and how they become what the model knows.
//!
//! A number of a row's field is never given to another field: rows of older versions stay readable.

use std::collections::BTreeMap;

use vitrina_chassis::BadRow;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;

use crate::model::reservation::{HeldLine, Line, Reservation, State};
use crate::model::{
    Condition, Currency, Money, Offer, OrderId, Product, ProductId, RefundId, Stock, Variant, VariantId,
};

/// A key that says everything by being there.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MarkRow {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MoneyRow {
    #[prost(int64, tag = "1")]
    minor: i64,
    #[prost(string, tag = "2")]
    currency: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OfferRow {
    #[prost(message, required, tag = "1")]
    price: MoneyRow,
    #[prost(uint64, tag = "2")]
    starts_at_ms: u64,
    #[prost(uint64, tag = "3")]
    ends_at_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct VariantRow {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(string, tag = "2")]
    sku: String,
    #[prost(btree_map = "string, string", tag = "3")]
    options: BTreeMap<String, String>,
    #[prost(message, required, tag = "4")]
    price: MoneyRow,
    #[prost(uint32, tag = "5")]
    on_hand: u32,
    #[prost(uint32, tag = "6")]
    reserved: u32,
    #[prost(message, optional, tag = "7")]
    offer: Option<OfferRow>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProductRow {
    #[prost(bytes = "vec", tag = "1")]
    seller: Vec<u8>,
    #[prost(string, optional, tag = "2")]
    sku: Option<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(bool, tag = "5")]
    is_used: bool,
    #[prost(string, tag = "6")]
    category: String,
    #[prost(string, optional, tag = "7")]
    brand: Option<String>,
    #[prost(btree_map = "string, string", tag = "8")]
    attributes: BTreeMap<String, String>,
    #[prost(message, required, tag = "9")]
    price: MoneyRow,
    #[prost(message, optional, tag = "10")]
    offer: Option<OfferRow>,
    #[prost(uint32, tag = "11")]
    on_hand: u32,
    #[prost(uint32, tag = "12")]
    reserved: u32,
    #[prost(message, repeated, tag = "13")]
    variants: Vec<VariantRow>,
    #[prost(bool, tag = "14")]
    is_deleted: bool,
    #[prost(uint64, tag = "15")]
    created_at_ms: u64,
    #[prost(uint64, tag = "16")]
    updated_at_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SkuRow {
    /// Whose sku it is, its own or one of its variants'.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) product: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PublicationRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) product: Vec<u8>,
    /// The publication's version as last heard; 0: asked for by an import and not heard of yet.
    #[prost(uint32, tag = "2")]
    pub(crate) version: u32,
    /// As in the contract's `PublicationStatus`.
    #[prost(uint32, tag = "3")]
    pub(crate) status: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListingRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) publication: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HeldLineRow {
    #[prost(bytes = "vec", tag = "1")]
    product: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "2")]
    variant: Option<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    quantity: u32,
    #[prost(message, required, tag = "4")]
    unit_price: MoneyRow,
    #[prost(uint32, tag = "5")]
    restocked: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReservationRow {
    /// 1 held, 2 committed, 3 released, 4 expired.
    #[prost(uint32, tag = "1")]
    state: u32,
    #[prost(uint64, tag = "2")]
    until_ms: u64,
    #[prost(message, repeated, tag = "3")]
    lines: Vec<HeldLineRow>,
    /// 16 bytes each.
    #[prost(bytes = "vec", repeated, tag = "4")]
    refunds: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AdjustmentRow {
    #[prost(sint32, tag = "1")]
    pub(crate) delta: i32,
    #[prost(string, tag = "2")]
    pub(crate) reason: String,
    #[prost(uint64, tag = "3")]
    pub(crate) at_ms: u64,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub(crate) variant: Option<Vec<u8>>,
}

impl PublicationRow {
    /// Shown and bought.
    pub(crate) const ACTIVE: u32 = 2;
    /// Shown, but not bought at the moment.
    pub(crate) const PAUSED: u32 = 3;
    /// Over for good.
    pub(crate) const CLOSED: u32 = 4;
}

impl From<Money> for MoneyRow {
    fn from(money: Money) -> MoneyRow {
        MoneyRow { minor: money.minor, currency: money.currency.as_str().to_owned() }
    }
}

impl MoneyRow {
    fn money(&self) -> Result<Money, BadRow> {
        let currency = Currency::parse(&self.currency).ok_or(BadRow("currency"))?;
        Ok(Money { minor: self.minor, currency })
    }
}

impl From<Offer> for OfferRow {
    fn from(offer: Offer) -> OfferRow {
        OfferRow { price: offer.price.into(), starts_at_ms: offer.starts_at_ms, ends_at_ms: offer.ends_at_ms }
    }
}

impl OfferRow {
    fn offer(&self) -> Result<Offer, BadRow> {
        Ok(Offer { price: self.price.money()?, starts_at_ms: self.starts_at_ms, ends_at_ms: self.ends_at_ms })
    }
}

impl From<&Variant> for VariantRow {
    fn from(variant: &Variant) -> VariantRow {
        VariantRow {
            id: variant.id.bytes().to_vec(),
            sku: variant.sku.clone(),
            options: variant.options.clone(),
            price: variant.price.into(),
            on_hand: variant.stock.on_hand,
            reserved: variant.stock.reserved,
            offer: variant.offer.map(Into::into),
        }
    }
}

impl VariantRow {
    fn variant(self) -> Result<Variant, BadRow> {
        Ok(Variant {
            id: VariantId::from_bytes(fixed(&self.id, "variant")?),
            price: self.price.money()?,
            offer: self.offer.as_ref().map(OfferRow::offer).transpose()?,
            stock: Stock { on_hand: self.on_hand, reserved: self.reserved },
            sku: self.sku,
            options: self.options,
        })
    }
}

impl From<&Product> for ProductRow {
    fn from(product: &Product) -> ProductRow {
        ProductRow {
            seller: product.seller.bytes().to_vec(),
            sku: product.sku.clone(),
            name: product.name.clone(),
            description: product.description.clone(),
            is_used: product.condition == Condition::Used,
            category: product.category.clone(),
            brand: product.brand.clone(),
            attributes: product.attributes.clone(),
            price: product.price.into(),
            offer: product.offer.map(Into::into),
            on_hand: product.stock.on_hand,
            reserved: product.stock.reserved,
            variants: product.variants.iter().map(Into::into).collect(),
            is_deleted: product.is_deleted,
            created_at_ms: product.created_at_ms,
            updated_at_ms: product.updated_at_ms,
        }
    }
}

impl ProductRow {
    pub(crate) fn product(self, id: ProductId) -> Result<Product, BadRow> {
        Ok(Product {
            id,
            seller: UserId::from_bytes(fixed(&self.seller, "seller")?),
            price: self.price.money()?,
            offer: self.offer.as_ref().map(OfferRow::offer).transpose()?,
            condition: if self.is_used { Condition::Used } else { Condition::New },
            stock: Stock { on_hand: self.on_hand, reserved: self.reserved },
            variants: self.variants.into_iter().map(VariantRow::variant).collect::<Result<_, _>>()?,
            sku: self.sku,
            name: self.name,
            description: self.description,
            category: self.category,
            brand: self.brand,
            attributes: self.attributes,
            is_deleted: self.is_deleted,
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
        })
    }
}

impl From<&Reservation> for ReservationRow {
    fn from(reservation: &Reservation) -> ReservationRow {
        let state = match reservation.state {
            State::Held => 1,
            State::Committed => 2,
            State::Released => 3,
            State::Expired => 4,
        };
        let lines = reservation.lines.iter().map(|held| HeldLineRow {
            product: held.line.product.bytes().to_vec(),
            variant: held.line.variant.map(|id| id.bytes().to_vec()),
            quantity: held.line.quantity,
            unit_price: held.unit_price.into(),
            restocked: held.restocked,
        });
        let refunds = reservation.refunds.iter().map(|refund| refund.bytes().to_vec());
        ReservationRow {
            state,
            until_ms: reservation.until_ms,
            lines: lines.collect(),
            refunds: refunds.collect(),
        }
    }
}

impl ReservationRow {
    pub(crate) fn reservation(self, order: OrderId) -> Result<Reservation, BadRow> {
        let state = match self.state {
            1 => State::Held,
            2 => State::Committed,
            3 => State::Released,
            4 => State::Expired,
            _ => return Err(BadRow("state")),
        };
        let lines = self.lines.iter().map(HeldLineRow::held_line).collect::<Result<_, _>>()?;
        let refunds = self.refunds.iter().map(|refund| Ok(RefundId::from_bytes(fixed(refund, "refund")?)));
        let refunds = refunds.collect::<Result<_, _>>()?;
        Ok(Reservation { order, state, until_ms: self.until_ms, lines, refunds })
    }
}

impl HeldLineRow {
    fn held_line(&self) -> Result<HeldLine, BadRow> {
        let variant = self.variant.as_deref().map(|id| fixed(id, "variant")).transpose()?;
        let line = Line {
            product: ProductId::from_bytes(fixed(&self.product, "product")?),
            variant: variant.map(VariantId::from_bytes),
            quantity: self.quantity,
        };
        Ok(HeldLine { line, unit_price: self.unit_price.money()?, restocked: self.restocked })
    }
}
