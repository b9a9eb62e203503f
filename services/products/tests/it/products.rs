//! Products are created, read, listed, changed and deleted by their seller only.

use std::collections::BTreeMap;

use tonic::{Code, Request, Response};
use vitrina_chassis::{UserId, metadata};
use vitrina_proto::products::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus;

use crate::harness::{
    PublicationId, Shop, ars, by, keyed, lamp, listen, matching, next_event, reason, said, variant,
    wrong_fields,
};

#[tokio::test]
async fn a_new_product_is_read_as_it_was_given() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let mut events = listen(&shop.ctx, &["product.*"]).await;
    let created = shop.client().create_product(by(ana, lamp())).await.unwrap();
    assert_eq!(said(&created, metadata::VERSION).as_deref(), Some("1"));
    let product = created.into_inner();
    assert_eq!(shop.get(ana, &product.id).await.unwrap(), product);
    assert!(product.id.starts_with("prd_"));
    assert_eq!((product.version, product.seller_id.as_str()), (1, ana.to_string().as_str()));
    assert_eq!((product.price.clone(), product.effective_price.clone()), (ars(100_000), ars(100_000)));
    assert_eq!(product.stock, Some(pb::Stock { on_hand: 5, reserved: 0, available: 5 }));
    assert_eq!((product.offer.clone(), product.publication_id.clone()), (None, None));
    assert_eq!(next_event(&mut events).await, ("product.changed".to_owned(), product));
}

#[tokio::test]
async fn every_wrong_field_is_named_at_once() {
    let shop = Shop::open();
    let request = pb::CreateProductRequest {
        name: " ".into(),
        condition: 0,
        category: "a//b".into(),
        brand: Some(String::new()),
        attributes: BTreeMap::from([("long".into(), "x".repeat(101))]),
        price: ars(0),
        variants: vec![
            variant("a", 1),
            pb::NewVariant { options: BTreeMap::new(), stock: None, ..variant("a", 1) },
        ],
        ..lamp()
    };
    let refused = shop.client().create_product(by(UserId::generate(), request)).await;
    let wrong = [
        "attributes.long",
        "brand",
        "category",
        "condition",
        "name",
        "price.minor",
        "stock",
        "variants[1].options",
        "variants[1].sku",
        "variants[1].stock",
    ];
    assert_eq!(wrong_fields(refused), wrong);
}

#[tokio::test]
async fn a_product_that_is_too_large_for_a_row_is_refused_by_its_largest_field() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let request = pb::CreateProductRequest { description: Some("€".repeat(2000)), ..lamp() };
    assert_eq!(wrong_fields(shop.client().create_product(by(ana, request)).await), ["description"]);
    let product = shop.create(ana, 1).await;
    let many = (0..20).map(|n| (format!("{n:0>50}"), "é".repeat(100))).collect();
    let request = pb::UpdateProductRequest {
        id: product.id,
        attributes: many,
        description: Some("x".repeat(2000)),
        ..Default::default()
    };
    assert_eq!(wrong_fields(shop.client().update_product(by(ana, request)).await), ["attributes"]);
}

#[tokio::test]
async fn the_same_key_gives_the_same_product_and_another_payload_is_refused() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let first = shop.client().create_product(keyed(by(ana, lamp()), "k")).await.unwrap();
    let again = shop.client().create_product(keyed(by(ana, lamp()), "k")).await.unwrap();
    assert_eq!(said(&again, metadata::REPLAYED).as_deref(), Some("true"));
    assert_eq!(first.into_inner(), again.into_inner());
    let other = pb::CreateProductRequest { name: "Other".into(), ..lamp() };
    let refused = shop.client().create_product(keyed(by(ana, other), "k")).await;
    assert_eq!(refused.unwrap_err().code(), Code::AlreadyExists);
    let bea = shop.client().create_product(keyed(by(UserId::generate(), lamp()), "k")).await.unwrap();
    assert_eq!(said(&bea, metadata::REPLAYED), None);
}

#[tokio::test]
async fn a_sku_is_unique_among_the_sellers_products_and_variants() {
    let shop = Shop::open();
    let (ana, bea) = (UserId::generate(), UserId::generate());
    let single = |sku: &str| pb::CreateProductRequest { sku: Some(sku.into()), ..lamp() };
    let varied =
        |sku: &str| pb::CreateProductRequest { stock: None, variants: vec![variant(sku, 1)], ..lamp() };
    let first = shop.client().create_product(by(ana, single("a"))).await.unwrap().into_inner();
    assert_eq!(reason(shop.client().create_product(by(ana, varied("a"))).await), "sku_taken");
    shop.client().create_product(by(bea, single("a"))).await.unwrap();
    shop.client().delete_product(by(ana, pb::DeleteProductRequest { id: first.id })).await.unwrap();
    shop.client().create_product(by(ana, varied("a"))).await.unwrap();
}

#[tokio::test]
async fn two_creations_of_one_sku_at_once_leave_one_product() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let request = pb::CreateProductRequest { sku: Some("a".into()), ..lamp() };
    let calls = (0..8).map(|_| {
        let (mut client, request) = (shop.client(), by(ana, request.clone()));
        tokio::spawn(async move { client.create_product(request).await })
    });
    let mut created = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(_) => created += 1,
            refused => assert_eq!(reason(refused), "sku_taken"),
        }
    }
    assert_eq!(created, 1);
}

#[tokio::test]
async fn an_update_changes_what_is_given_and_clears_what_is_null() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let product = shop.create(ana, 5).await;
    let request = pb::UpdateProductRequest {
        id: product.id.clone(),
        name: Some("Lantern".into()),
        price: ars(200),
        clear: vec!["brand".into()],
        ..Default::default()
    };
    let response = shop.client().update_product(by(ana, request.clone())).await.unwrap();
    assert_eq!(said(&response, metadata::CHANGED), Some(format!("product:{}", product.id)));
    let changed = response.into_inner();
    let wanted = pb::Product {
        version: 2,
        name: "Lantern".into(),
        price: ars(200),
        effective_price: ars(200),
        brand: None,
        ..product
    };
    assert_eq!(changed, wanted);
    let same = shop.client().update_product(by(ana, request)).await.unwrap().into_inner();
    assert_eq!(same.version, 2, "what is there already is no change");
}

#[tokio::test]
async fn an_update_of_another_version_is_refused() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let request = pb::UpdateProductRequest { id, name: Some("Lantern".into()), ..Default::default() };
    shop.client().update_product(matching(by(ana, request.clone()), 1)).await.unwrap();
    let stale = shop.client().update_product(matching(by(ana, request), 1)).await;
    assert_eq!(stale.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn the_newest_products_come_first_page_by_page() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, shop.create(ana, 1).await.id);
        shop.ctx.clock.advance(std::time::Duration::from_millis(1));
    }
    shop.create(UserId::generate(), 1).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let request = pb::ListProductsRequest { limit: Some(2), cursor };
        let page = shop.client().list_products(by(ana, request)).await.unwrap().into_inner();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|product| product.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn another_sellers_product_does_not_exist() {
    let shop = Shop::open();
    let (ana, bea) = (UserId::generate(), UserId::generate());
    let product = shop.create(ana, 5).await;
    let id = || product.id.clone();
    let mut client = shop.client();
    let offer =
        pb::PutOfferRequest { id: id(), price: ars(1), ends_at: shop.in_ms(1000), ..Default::default() };
    let adjust = pb::AdjustStockRequest { id: id(), delta: 1, reason: "found".into(), variant_id: None };
    let update = pb::UpdateProductRequest { id: id(), name: Some("Mine".into()), ..Default::default() };
    let codes = [
        client.get_product(by(bea, pb::GetProductRequest { id: id() })).await.map(drop_reply),
        client.update_product(by(bea, update)).await.map(drop_reply),
        client.put_offer(by(bea, offer)).await.map(drop_reply),
        client
            .delete_offer(by(bea, pb::DeleteOfferRequest { id: id(), variant_id: None }))
            .await
            .map(drop_reply),
        client.adjust_stock(by(bea, adjust)).await.map(drop_reply),
        client.delete_product(by(bea, pb::DeleteProductRequest { id: id() })).await.map(drop_reply),
        client
            .get_product(by(ana, pb::GetProductRequest { id: "prd_nonsense".into() }))
            .await
            .map(drop_reply),
    ];
    for (at, result) in codes.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().code(), Code::NotFound, "call {at}");
    }
    assert_eq!(shop.get(ana, &product.id).await.unwrap(), product);
    let anonymous = client.get_product(Request::new(pb::GetProductRequest { id: id() })).await;
    assert_eq!(anonymous.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_published_product_is_not_deleted() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let product = shop.create(ana, 5).await;
    let publication = PublicationId::generate();
    let request = || by(ana, pb::DeleteProductRequest { id: product.id.clone() });
    shop.hear(publication, &product, 1, PublicationStatus::Active).await;
    shop.until_published(ana, &product.id, Some(publication)).await;
    assert_eq!(reason(shop.client().delete_product(request()).await), "publication_active");
    shop.hear(publication, &product, 2, PublicationStatus::Closed).await;
    shop.until_published(ana, &product.id, None).await;

    let mut events = listen(&shop.ctx, &["product.deleted"]).await;
    shop.client().delete_product(request()).await.unwrap();
    let (_, deleted) = next_event(&mut events).await;
    assert_eq!(deleted.status(), pb::ProductStatus::Deleted);
    assert_eq!(shop.get(ana, &product.id).await.unwrap_err().code(), Code::NotFound);
    let list = shop.client().list_products(by(ana, pb::ListProductsRequest::default())).await.unwrap();
    assert!(list.into_inner().items.is_empty());
}

#[tokio::test]
async fn a_batch_gives_known_products_of_any_seller_once() {
    let shop = Shop::open();
    let (first, second) =
        (shop.create(UserId::generate(), 1).await, shop.create(UserId::generate(), 2).await);
    let ids = [&second.id, &first.id, &second.id].map(Clone::clone);
    let ids = ids.into_iter().chain(["prd_".to_owned() + &"0".repeat(32), "x".to_owned()]).collect();
    let list =
        shop.client().batch_get_products(Request::new(pb::BatchGetProductsRequest { ids })).await.unwrap();
    assert_eq!(list.into_inner().items, [second, first]);
    let many = pb::BatchGetProductsRequest { ids: vec![String::new(); 101] };
    assert_eq!(wrong_fields(shop.client().batch_get_products(Request::new(many)).await), ["ids"]);
}

fn drop_reply<T>(_: Response<T>) {}
