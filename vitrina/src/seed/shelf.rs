//! Puts a generated shop's goods on the shelf: products, pictures, publications, offers, and what people ask and wish.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::goods::{self, Good};
use super::person::{Person, text};
use super::picture;
use super::progress::Progress;

/// When offers end: never, as far as a demo goes.
const OFFER_ENDS: &str = "2099-12-31T00:00:00Z";

/// A publication of a generated shop.
pub(super) struct Listed {
    /// Place of the seller, from 0.
    pub(super) seller: usize,
    /// Place among the seller's, from 0.
    pub(super) number: u32,
    pub(super) sku: String,
    /// `pub_…`.
    pub(super) publication: String,
}

/// Those who go to the shop.
pub(super) struct Crowd<'a> {
    pub(super) buyers: &'a [Person],
    /// What each of them wishes for already.
    wished: Vec<HashSet<String>>,
}

impl<'a> Crowd<'a> {
    pub(super) async fn of(buyers: &'a [Person]) -> Result<Crowd<'a>> {
        let mut wished = Vec::new();
        for buyer in buyers {
            let wishes = buyer.list("/v1/me/wishlist").await?;
            let ids = wishes.iter().filter_map(|wish| wish["publicationId"].as_str().map(str::to_owned));
            wished.push(ids.collect());
        }
        Ok(Crowd { buyers, wished })
    }
}

/// Fills the shelf of one seller. What somebody has taken off it is left off.
pub(super) async fn fill(
    seller: (usize, &Person),
    goods: impl Iterator<Item = Good>,
    crowd: &Crowd<'_>,
    progress: &Progress,
) -> Result<Vec<Listed>> {
    let (place, seller) = seller;
    let there = products(seller).await?;
    let mut listed = Vec::new();
    for (number, good) in (0..).zip(goods) {
        if let Some(publication) = put(seller, &good, there.get(&good.sku)).await? {
            ask(seller, crowd, &good, &publication).await?;
            wish(crowd, &good, &publication).await?;
            listed.push(Listed { seller: place, number, sku: good.sku, publication });
        }
        progress.step();
    }
    Ok(listed)
}

/// The seller's products by sku.
async fn products(seller: &Person) -> Result<HashMap<String, Value>> {
    let products = seller.list("/v1/products").await?.into_iter();
    Ok(products.filter_map(|product| Some((product["sku"].as_str()?.to_owned(), product))).collect())
}

/// Makes of a good what is missing, and gives its publication.
async fn put(seller: &Person, good: &Good, there: Option<&Value>) -> Result<Option<String>> {
    let sku = &good.sku;
    let made = match there {
        Some(_) => None,
        None => match seller.try_make("/v1/products", sku, &good.product).await? {
            Some(product) => Some(product),
            None => return Ok(None),
        },
    };
    let Some(product) = made.as_ref().or(there) else { return Ok(None) };
    let id = text(product, "/id")?;
    pictures(seller, good, id).await?;
    if let (Some(minor), true) = (good.offer_minor, product["offer"].is_null()) {
        let offer = json!({"price": {"minor": minor, "currency": "ARS"}, "endsAt": OFFER_ENDS});
        let path = format!("/v1/products/{id}/offer");
        seller.write(Method::PUT, &path, &format!("{sku}-offer"), &offer).await?;
    }
    if let Some(publication) = product["publicationId"].as_str() {
        return Ok(Some(publication.to_owned()));
    }
    let body = json!({"productId": id, "title": good.product["name"], "tags": ["demo"],
        "paymentMethods": ["AUTOMATIC", "MANUAL"]});
    let published = seller.try_make("/v1/publications", &format!("{sku}-publication"), &body).await?;
    published.map(|published| Ok(text(&published, "/id")?.to_owned())).transpose()
}

async fn pictures(seller: &Person, good: &Good, product: &str) -> Result<()> {
    let path = format!("/v1/products/{product}/images");
    let there = seller.get(&path).await?["items"].as_array().map_or(0, Vec::len);
    for number in (0..good.pictures).skip(there) {
        let name = format!("{}-picture-{number}", good.sku);
        seller.upload(Method::POST, &path, &name, &picture::product(&name).await?).await?;
    }
    Ok(())
}

/// One of the buyers asks the seller, who may answer.
async fn ask(seller: &Person, crowd: &Crowd<'_>, good: &Good, publication: &str) -> Result<()> {
    let Some(question) = good.question else { return Ok(()) };
    let path = format!("/v1/publications/{publication}/questions");
    let buyer = &crowd.buyers[good.wishes % crowd.buyers.len()];
    let there = buyer.list(&path).await?;
    let there = there.into_iter().find(|asked| asked["text"] == question.text);
    let asked = match there {
        Some(asked) => asked,
        None => buyer.make(&path, &format!("{}-question", good.sku), &json!({"text": question.text})).await?,
    };
    if let (Some(answer), true) = (question.answer, asked["answer"].is_null()) {
        let path = format!("/v1/questions/{}/answer", text(&asked, "/id")?);
        seller.try_make(&path, &format!("{}-answer", good.sku), &json!({"text": answer})).await?;
    }
    Ok(())
}

async fn wish(crowd: &Crowd<'_>, good: &Good, publication: &str) -> Result<()> {
    let people = crowd.buyers.iter().zip(&crowd.wished).take(good.wishes);
    for (buyer, _) in people.filter(|(_, wished)| !wished.contains(publication)) {
        let path = format!("/v1/me/wishlist/{publication}");
        buyer.write(Method::PUT, &path, &format!("{}-wish", good.sku), &json!({})).await?;
    }
    Ok(())
}

impl Listed {
    /// Whether it can be bought.
    pub(super) fn is_for_sale(&self) -> bool {
        !goods::is_sold_out(self.number)
    }
}
