//! The values of the tables, and how they become what the model knows.
//!
//! A number of a row's field is never given to another field: rows of older versions stay readable.

use vitrina_chassis::BadRow;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;
use vitrina_proto::products::v1 as products;

use crate::model::{ProductId, Publication, PublicationId, Question, QuestionId, Status};

/// A key that says everything by being there.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MarkRow {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListingRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) publication: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct NameRow {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WishesRow {
    #[prost(uint64, tag = "1")]
    pub(crate) count: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UserRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) username: String,
}

/// What search and the rules need of a product.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProductRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) seller: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) description: String,
    #[prost(string, tag = "4")]
    pub(crate) category: String,
    #[prost(string, tag = "5")]
    pub(crate) brand: String,
    #[prost(int32, tag = "6")]
    pub(crate) condition: i32,
    #[prost(uint64, tag = "7")]
    pub(crate) price_minor: u64,
    #[prost(string, tag = "8")]
    pub(crate) currency: String,
    #[prost(uint64, tag = "9")]
    pub(crate) offer_minor: u64,
    /// In ms; no offer: both 0.
    #[prost(uint64, tag = "10")]
    pub(crate) offer_from_ms: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) offer_until_ms: u64,
    #[prost(uint32, tag = "12")]
    pub(crate) available: u32,
    #[prost(bool, tag = "13")]
    pub(crate) is_deleted: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct PublicationRow {
    #[prost(bytes = "vec", tag = "1")]
    product: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    seller: Vec<u8>,
    #[prost(string, tag = "3")]
    title: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(string, repeated, tag = "5")]
    tags: Vec<String>,
    #[prost(int32, repeated, tag = "6")]
    payment_methods: Vec<i32>,
    #[prost(int32, tag = "7")]
    status: i32,
    #[prost(uint64, tag = "8")]
    created_at_ms: u64,
    #[prost(uint64, tag = "9")]
    updated_at_ms: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct QuestionRow {
    #[prost(bytes = "vec", tag = "1")]
    publication: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    seller: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    asker: Vec<u8>,
    #[prost(string, tag = "4")]
    username: String,
    #[prost(string, tag = "5")]
    text: String,
    #[prost(uint64, tag = "6")]
    created_at_ms: u64,
    #[prost(string, optional, tag = "7")]
    answer: Option<String>,
    #[prost(uint64, tag = "8")]
    answered_at_ms: u64,
}

impl ProductRow {
    /// What to keep of a product that was heard of.
    pub(crate) fn heard(product: &products::Product, seller: UserId) -> ProductRow {
        let minor = |minor: i64| u64::try_from(minor).unwrap_or(0);
        let (offer_minor, offer_from_ms, offer_until_ms) = match &product.offer {
            None => (0, 0, 0),
            Some(offer) => (
                offer.price.as_ref().map_or(0, |price| minor(price.minor)),
                offer.starts_at.map_or(0, |at| at.unix_ms()),
                offer.ends_at.map_or(0, |at| at.unix_ms()),
            ),
        };
        ProductRow {
            version: product.version,
            seller: seller.bytes().to_vec(),
            description: product.description.clone(),
            category: product.category.clone(),
            brand: product.brand.clone().unwrap_or_default(),
            condition: product.condition,
            price_minor: product.price.as_ref().map_or(0, |price| minor(price.minor)),
            currency: product.price.as_ref().map_or_else(String::new, |price| price.currency.clone()),
            offer_minor,
            offer_from_ms,
            offer_until_ms,
            available: product.stock.as_ref().map_or(0, |stock| stock.available),
            is_deleted: product.status == products::ProductStatus::Deleted as i32,
        }
    }

    /// What it costs at a moment.
    pub(crate) fn effective_minor(&self, now_ms: u64) -> u64 {
        if (self.offer_from_ms..self.offer_until_ms).contains(&now_ms) {
            self.offer_minor
        } else {
            self.price_minor
        }
    }
}

impl PublicationRow {
    pub(crate) fn publication(self, id: PublicationId) -> Result<Publication, BadRow> {
        Ok(Publication {
            id,
            product: ProductId::from_bytes(fixed(&self.product, "product")?),
            seller: UserId::from_bytes(fixed(&self.seller, "seller")?),
            title: self.title,
            description: self.description,
            tags: self.tags,
            payment_methods: self.payment_methods,
            status: Status::of(self.status).ok_or(BadRow("status"))?,
            created_at_ms: self.created_at_ms,
            updated_at_ms: self.updated_at_ms,
        })
    }
}

impl From<&Publication> for PublicationRow {
    fn from(from: &Publication) -> Self {
        PublicationRow {
            product: from.product.bytes().to_vec(),
            seller: from.seller.bytes().to_vec(),
            title: from.title.clone(),
            description: from.description.clone(),
            tags: from.tags.clone(),
            payment_methods: from.payment_methods.clone(),
            status: from.status as i32,
            created_at_ms: from.created_at_ms,
            updated_at_ms: from.updated_at_ms,
        }
    }
}

impl QuestionRow {
    pub(crate) fn question(self, id: QuestionId) -> Result<Question, BadRow> {
        Ok(Question {
            id,
            publication: PublicationId::from_bytes(fixed(&self.publication, "publication")?),
            seller: UserId::from_bytes(fixed(&self.seller, "seller")?),
            asker: UserId::from_bytes(fixed(&self.asker, "asker")?),
            username: self.username,
            text: self.text,
            created_at_ms: self.created_at_ms,
            answer: self.answer.map(|text| (text, self.answered_at_ms)),
        })
    }
}

impl From<&Question> for QuestionRow {
    fn from(from: &Question) -> Self {
        QuestionRow {
            publication: from.publication.bytes().to_vec(),
            seller: from.seller.bytes().to_vec(),
            asker: from.asker.bytes().to_vec(),
            username: from.username.clone(),
            text: from.text.clone(),
            created_at_ms: from.created_at_ms,
            answer: from.answer.as_ref().map(|(text, _)| text.clone()),
            answered_at_ms: from.answer.as_ref().map_or(0, |(_, at)| *at),
        }
    }
}
