//! How it can fail.

use vitrina_chassis::work::Refused;
use vitrina_chassis::{BadRow, Fault, IntoFault};

use crate::model::Refusal;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another was faster.
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    /// The unit of work was not done.
    #[error("the unit of work was not done")]
    Work(#[from] Refused),
    /// The request is wrong, or its caller may not.
    #[error("the request is refused")]
    Request(#[from] Fault),
    /// A rule of the model says no.
    #[error("a rule refuses it")]
    Rule(#[from] Refusal),
    /// A stored row that cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[from] BadRow),
    /// A part of an import was given up by its thread.
    #[error("the reading of an import broke off")]
    Import(#[source] tokio::task::JoinError),
    /// There is no such product, or it is another seller's.
    #[error("no such product")]
    ProductUnknown,
    /// There is no such publication that can be seen.
    #[error("no such publication")]
    PublicationUnknown,
    /// The order never reserved anything.
    #[error("no such reservation")]
    ReservationUnknown,
    /// The seller has another product with this sku.
    #[error("the sku is taken")]
    SkuTaken {
        /// Which.
        sku: String,
    },
    /// The product is published.
    #[error("the product has an active publication")]
    PublicationActive,
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Work(refused) => refused.fault(),
            Error::Request(fault) => fault.clone(),
            Error::Rule(refusal) => rule_fault(refusal),
            Error::Row(_) | Error::Import(_) => Fault::internal(),
            Error::ProductUnknown => Fault::not_found("product"),
            Error::PublicationUnknown => Fault::not_found("publication"),
            Error::ReservationUnknown => Fault::not_found("reservation"),
            Error::SkuTaken { sku } => {
                Fault::conflict("sku_taken", format!("you have a product with the sku {sku} already"))
            }
            Error::PublicationActive => {
                Fault::conflict("publication_active", "close or pause the publication of this product first")
            }
        }
    }
}

fn rule_fault(refusal: &Refusal) -> Fault {
    match refusal {
        Refusal::StockInsufficient { available, .. } => {
            Fault::conflict("stock_insufficient", format!("only {available} units are left"))
        }
        Refusal::VariantRequired { .. } => {
            Fault::invalid_field("variantId", "required", "must name one of the product's variants")
        }
        Refusal::VariantUnknown { .. } => {
            Fault::invalid_field("variantId", "unknown", "is not one of the product's variants")
        }
        Refusal::StockBelowReserved { reserved, .. } => Fault::conflict(
            "stock_insufficient",
            format!("the stock cannot go below zero or below the {reserved} reserved units"),
        ),
        Refusal::StockTooLarge => {
            Fault::invalid_field("delta", "out_of_range", "would make too large a stock")
        }
        Refusal::OfferNotBelowPrice => Fault::invalid_field(
            "price",
            "not_below_price",
            "must be less than the list price, in the same currency",
        ),
        Refusal::CurrencyMixed => Fault::invalid_field(
            "price.currency",
            "currency_mixed",
            "must be the currency of the product's variants and offer",
        ),
        Refusal::ReservationDiffers { .. } => {
            Fault::conflict("reservation_differs", "the order has reserved other lines already")
        }
        Refusal::ReservationEnded { .. } => {
            Fault::conflict("reservation_ended", "the reservation was given back already")
        }
        Refusal::NotSold { .. } => Fault::conflict("not_sold", "the units were not sold"),
        Refusal::RestockTooLarge { .. } => {
            Fault::conflict("restock_too_large", "more units would go back than were sold")
        }
    }
}
