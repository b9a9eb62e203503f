//! Stock moves by deltas with a reason, and a seller sees what is running out.

use tonic::Request;
use vitrina_chassis::{UserId, metadata};
use vitrina_proto::products::v1 as pb;

use crate::harness::{
    OrderId, Shop, by, keyed, lamp, listen, next_event, reason, said, variant, wrong_fields,
};

fn adjust(id: &str, delta: i32) -> pb::AdjustStockRequest {
    pb::AdjustStockRequest { id: id.to_owned(), delta, reason: "counted".into(), variant_id: None }
}

#[tokio::test]
async fn the_same_adjustment_moves_the_stock_once() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let mut events = listen(&shop.ctx, &["product.stock_changed"]).await;
    for is_replayed in [None, Some("true".to_owned())] {
        let response = shop.client().adjust_stock(keyed(by(ana, adjust(&id, 3)), "k")).await.unwrap();
        assert_eq!(said(&response, metadata::REPLAYED), is_replayed);
        assert_eq!(response.into_inner().stock.map(|stock| stock.on_hand), Some(8));
    }
    assert_eq!(shop.stock(&id).await, (8, 0));
    assert_eq!(next_event(&mut events).await.1.version, 2);
}

#[tokio::test]
async fn the_same_key_at_once_moves_the_stock_once() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    let calls = (0..32).map(|_| {
        let (mut client, request) = (shop.client(), keyed(by(ana, adjust(&id, 1)), "k"));
        tokio::spawn(async move { client.adjust_stock(request).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(shop.stock(&id).await, (6, 0));
}

#[tokio::test]
async fn the_stock_goes_neither_below_zero_nor_below_what_is_reserved() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let id = shop.create(ana, 5).await.id;
    shop.reserve(OrderId::generate(), &[(&id, 2)], shop.in_ms(60_000)).await.unwrap();
    for delta in [-6, -4] {
        assert_eq!(
            reason(shop.client().adjust_stock(by(ana, adjust(&id, delta))).await),
            "stock_insufficient"
        );
    }
    shop.client().adjust_stock(by(ana, adjust(&id, -3))).await.unwrap();
    assert_eq!(shop.stock(&id).await, (2, 2));
    let wrong = pb::AdjustStockRequest { reason: String::new(), ..adjust(&id, 0) };
    assert_eq!(wrong_fields(shop.client().adjust_stock(by(ana, wrong)).await), ["delta", "reason"]);
    assert_eq!(wrong_fields(shop.client().adjust_stock(by(ana, adjust(&id, 1_000_000))).await), ["delta"]);
}

#[tokio::test]
async fn a_product_with_variants_is_adjusted_by_variant() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let request =
        pb::CreateProductRequest { stock: None, variants: vec![variant("s", 1), variant("m", 2)], ..lamp() };
    let product = shop.client().create_product(by(ana, request)).await.unwrap().into_inner();
    assert_eq!(
        wrong_fields(shop.client().adjust_stock(by(ana, adjust(&product.id, 1))).await),
        ["variantId"]
    );
    let request =
        pb::AdjustStockRequest { variant_id: Some(product.variants[0].id.clone()), ..adjust(&product.id, 4) };
    let product = shop.client().adjust_stock(by(ana, request)).await.unwrap().into_inner();
    let units = product.variants.iter().map(|variant| variant.stock.expect("it has one").on_hand);
    assert_eq!(units.collect::<Vec<_>>(), [5, 2]);
}

#[tokio::test]
async fn what_is_running_out_is_listed_with_the_fewest_units_first() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let (many, few, gone) =
        (shop.create(ana, 50).await.id, shop.create(ana, 4).await.id, shop.create(ana, 1).await.id);
    shop.reserve(OrderId::generate(), &[(&gone, 1)], shop.in_ms(60_000)).await.unwrap();
    let listed = async |available_max| {
        let request = pb::ListLowStockRequest { seller_id: ana.to_string(), available_max };
        let list = shop.client().list_low_stock(Request::new(request)).await.unwrap().into_inner();
        list.items.into_iter().map(|product| product.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None).await, [gone.clone(), few.clone()]);
    assert_eq!(listed(Some(0)).await, std::slice::from_ref(&gone));
    shop.client().adjust_stock(by(ana, adjust(&many, -47))).await.unwrap();
    shop.client().adjust_stock(by(ana, adjust(&few, 10))).await.unwrap();
    assert_eq!(listed(None).await, [gone, many]);
}
