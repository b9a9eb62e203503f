//! Model → proto.

use vitrina_proto::Timestamp;
use vitrina_proto::common::v1 as common;
use vitrina_proto::products::v1 as pb;

use crate::model::reservation::{HeldLine, Reservation, State};
use crate::model::{Condition, Money, Offer, Product, PublicationId, Stock, Variant};

/// A product as it is at `now_ms`: prices as they count then, offers that are not over.
pub(crate) fn product(
    product: &Product,
    version: u64,
    listing: Option<PublicationId>,
    now_ms: u64,
) -> pb::Product {
    let condition = match product.condition {
        Condition::New => pb::Condition::New,
        Condition::Used => pb::Condition::Used,
    };
    let status = if product.is_deleted { pb::ProductStatus::Deleted } else { pb::ProductStatus::Active };
    pb::Product {
        id: product.id.to_string(),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        seller_id: product.seller.to_string(),
        name: product.name.clone(),
        description: product.description.clone(),
        condition: condition.into(),
        category: product.category.clone(),
        brand: product.brand.clone(),
        attributes: product.attributes.clone(),
        price: Some(money(product.price)),
        stock: Some(stock(product.total_stock())),
        offer: offer(product.offer, now_ms),
        effective_price: Some(money(product.effective_price(now_ms))),
        variants: product.variants.iter().map(|of| variant(product, of, now_ms)).collect(),
        status: status.into(),
        created_at: Some(Timestamp::from_unix_ms(product.created_at_ms)),
        updated_at: Some(Timestamp::from_unix_ms(product.updated_at_ms)),
        sku: product.sku.clone(),
        publication_id: listing.map(|id| id.to_string()),
    }
}

/// What of a product can be bought at `now_ms` through a publication; nothing while that is paused.
pub(crate) fn availability(
    product: &Product,
    publication: PublicationId,
    is_paused: bool,
    now_ms: u64,
) -> pb::Availability {
    let units = |stock: Stock| if is_paused { 0 } else { stock.available() };
    let variants = product.variants.iter().map(|variant| pb::VariantAvailability {
        variant_id: variant.id.to_string(),
        available: units(variant.stock),
        effective_price: Some(money(product.effective_price_of(variant, now_ms))),
    });
    pb::Availability {
        publication_id: publication.to_string(),
        available: units(product.total_stock()),
        effective_price: Some(money(product.effective_price(now_ms))),
        variants: variants.collect(),
    }
}

pub(crate) fn reservation(reservation: &Reservation) -> pb::Reservation {
    let state = match reservation.state {
        State::Held => pb::ReservationState::Held,
        State::Committed => pb::ReservationState::Committed,
        State::Released => pb::ReservationState::Released,
        State::Expired => pb::ReservationState::Expired,
    };
    pb::Reservation {
        order_id: reservation.order.to_string(),
        state: state.into(),
        until: Some(Timestamp::from_unix_ms(reservation.until_ms)),
        lines: reservation.lines.iter().map(line).collect(),
    }
}

fn line(held: &HeldLine) -> pb::ReservedLine {
    pb::ReservedLine {
        product_id: held.line.product.to_string(),
        variant_id: held.line.variant.map(|id| id.to_string()),
        quantity: held.line.quantity,
        unit_price: Some(money(held.unit_price)),
    }
}

fn variant(product: &Product, variant: &Variant, now_ms: u64) -> pb::Variant {
    pb::Variant {
        id: variant.id.to_string(),
        sku: variant.sku.clone(),
        options: variant.options.clone(),
        price: Some(money(variant.price)),
        stock: Some(stock(variant.stock)),
        offer: offer(variant.offer, now_ms),
        effective_price: Some(money(product.effective_price_of(variant, now_ms))),
    }
}

fn offer(offer: Option<Offer>, now_ms: u64) -> Option<pb::Offer> {
    offer.filter(|offer| !offer.is_over(now_ms)).map(|offer| pb::Offer {
        price: Some(money(offer.price)),
        starts_at: Some(Timestamp::from_unix_ms(offer.starts_at_ms)),
        ends_at: Some(Timestamp::from_unix_ms(offer.ends_at_ms)),
    })
}

fn stock(stock: Stock) -> pb::Stock {
    pb::Stock { on_hand: stock.on_hand, reserved: stock.reserved, available: stock.available() }
}

pub(crate) fn money(money: Money) -> common::Money {
    common::Money { minor: money.minor, currency: money.currency.as_str().to_owned() }
}
