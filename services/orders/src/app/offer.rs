//! What publications offer at this moment: their words from publications, price and stock from products.

use std::collections::BTreeSet;

use vitrina_proto::common::v1::Money;
use vitrina_proto::products::v1::{Product, ProductStatus};
use vitrina_proto::publications::v1::{Publication, PublicationStatus};

use super::App;
use crate::error::Error;
use crate::model::order::Kind;

/// A thing as it can be bought now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offered {
    pub(crate) publication: String,
    pub(crate) product: String,
    pub(crate) variant: Option<String>,
    pub(crate) seller: String,
    pub(crate) title: String,
    pub(crate) unit_minor: i64,
    pub(crate) currency: String,
    pub(crate) available: u32,
    pub(crate) kinds: Vec<Kind>,
    /// The product has variants, and none was named.
    pub(crate) is_variant_missing: bool,
}

impl App {
    /// What is offered of each thing, a publication with a variant; `None`: it is not sold.
    pub(super) async fn offers(
        &self,
        wanted: &[(&str, Option<&str>)],
    ) -> Result<Vec<Option<Offered>>, Error> {
        let ids: BTreeSet<String> = wanted.iter().map(|(publication, _)| (*publication).to_owned()).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let publications = self.peers.publications(&ids.into_iter().collect::<Vec<_>>()).await?;
        let ids: BTreeSet<String> = publications.values().map(|of| of.product_id.clone()).collect();
        let products = self.peers.products(&ids.into_iter().collect::<Vec<_>>()).await?;
        let offers = wanted.iter().map(|(publication, variant)| {
            let publication = publications.get(*publication)?;
            offered(publication, products.get(&publication.product_id)?, *variant)
        });
        Ok(offers.collect())
    }
}

fn offered(publication: &Publication, product: &Product, variant: Option<&str>) -> Option<Offered> {
    let is_sold = publication.status() == PublicationStatus::Active
        && product.status() == ProductStatus::Active
        && publication.seller_id == product.seller_id;
    if !is_sold {
        return None;
    }
    let (price, available): (&Money, u32) = match variant {
        None => (product.effective_price.as_ref()?, product.stock.as_ref()?.available),
        Some(id) => {
            let variant = product.variants.iter().find(|variant| variant.id == id)?;
            (variant.effective_price.as_ref()?, variant.stock.as_ref()?.available)
        }
    };
    let kinds = publication.payment_methods.iter().filter_map(|number| Kind::try_from(*number).ok());
    Some(Offered {
        publication: publication.id.clone(),
        product: product.id.clone(),
        variant: variant.map(str::to_owned),
        seller: product.seller_id.clone(),
        title: publication.title.clone(),
        unit_minor: price.minor,
        currency: price.currency.clone(),
        available,
        kinds: kinds.collect(),
        is_variant_missing: variant.is_none() && !product.variants.is_empty(),
    })
}
