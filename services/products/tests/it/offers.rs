//! Offers lower a price for a time, as the service's clock has it.

use std::time::Duration;

use vitrina_chassis::UserId;
use vitrina_proto::products::v1 as pb;

use crate::harness::{Shop, ars, by, lamp, variant, wrong_fields};

#[tokio::test]
async fn an_offer_counts_from_its_start_to_its_end() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let request = pb::PutOfferRequest {
        id: id.clone(),
        price: ars(80_000),
        starts_at: shop.in_ms(1000),
        ends_at: shop.in_ms(2000),
        variant_id: None,
    };
    let product = shop.client().put_offer(by(ana, request)).await.unwrap().into_inner();
    assert_eq!((product.version, product.effective_price), (2, ars(100_000)));
    for (price, has_offer) in [(80_000, true), (100_000, false)] {
        shop.ctx.clock.advance(Duration::from_secs(1));
        let product = shop.get(ana, &id).await.unwrap();
        assert_eq!((product.effective_price, product.offer.is_some()), (ars(price), has_offer));
    }
}

#[tokio::test]
async fn an_offer_ends_when_it_is_deleted_and_deleting_it_again_is_fine() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let request = pb::PutOfferRequest {
        id: id.clone(),
        price: ars(1),
        ends_at: shop.in_ms(2000),
        ..Default::default()
    };
    shop.client().put_offer(by(ana, request)).await.unwrap();
    for _ in 0..2 {
        shop.client()
            .delete_offer(by(ana, pb::DeleteOfferRequest { id: id.clone(), variant_id: None }))
            .await
            .unwrap();
        let product = shop.get(ana, &id).await.unwrap();
        assert_eq!((product.version, product.effective_price), (3, ars(100_000)));
    }
}

#[tokio::test]
async fn a_variant_has_an_offer_of_its_own() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let request =
        pb::CreateProductRequest { stock: None, variants: vec![variant("s", 1), variant("m", 2)], ..lamp() };
    let product = shop.client().create_product(by(ana, request)).await.unwrap().into_inner();
    assert_eq!(product.stock.map(|stock| stock.available), Some(3));
    let request = pb::PutOfferRequest {
        id: product.id,
        price: ars(70_000),
        ends_at: shop.in_ms(2000),
        variant_id: Some(product.variants[1].id.clone()),
        ..Default::default()
    };
    let product = shop.client().put_offer(by(ana, request)).await.unwrap().into_inner();
    let prices = product.variants.iter().map(|variant| variant.effective_price.clone());
    assert_eq!(prices.collect::<Vec<_>>(), [ars(100_000), ars(70_000)]);
    assert_eq!(product.effective_price, ars(100_000));
}

#[tokio::test]
async fn a_wrong_offer_is_refused_by_its_fields() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let fine = pb::PutOfferRequest { id, price: ars(1), ends_at: shop.in_ms(2000), ..Default::default() };
    let cases = [
        (pb::PutOfferRequest { price: None, ends_at: None, ..fine.clone() }, vec!["endsAt", "price"]),
        (pb::PutOfferRequest { price: ars(100_000), ..fine.clone() }, vec!["price"]),
        (pb::PutOfferRequest { starts_at: shop.in_ms(2000), ..fine.clone() }, vec!["endsAt"]),
        (pb::PutOfferRequest { variant_id: Some("x".into()), ..fine.clone() }, vec!["variantId"]),
    ];
    for (request, wrong) in cases {
        assert_eq!(wrong_fields(shop.client().put_offer(by(ana, request)).await), wrong);
    }
}
