//! Reservations: all or nothing, once, never more than there is.

use std::time::Duration;

use tonic::Code;
use vitrina_chassis::UserId;
use vitrina_proto::products::v1::{self as pb, ReservationState};

use crate::harness::{OrderId, Shop, ars, by, lamp, reason, until, variant, wrong_fields};

const LEASE_MS: u64 = 60_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_buyers_for_a_hundred_units_hold_exactly_a_hundred() {
    let shop = std::sync::Arc::new(Shop::open());
    let id = shop.create(UserId::generate(), 100).await.id;
    let lease = shop.in_ms(LEASE_MS);
    let calls = (0..1000).map(|_| {
        let (shop, id) = (shop.clone(), id.clone());
        tokio::spawn(async move {
            loop {
                match shop.reserve(OrderId::generate(), &[(&id, 1)], lease).await {
                    // Too many at once; a buyer tries again.
                    Err(status) if status.code() == Code::Unavailable => {}
                    result => break result,
                }
            }
        })
    });
    let mut held = 0;
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            Ok(reservation) => {
                assert_eq!(reservation.state(), ReservationState::Held);
                held += 1;
            }
            refused => assert_eq!(reason(refused), "stock_insufficient"),
        }
    }
    assert_eq!((held, shop.stock(&id).await), (100, (100, 100)));
}

#[tokio::test]
async fn a_reservation_holds_all_lines_or_none() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let (first, second) = (shop.create(ana, 5).await.id, shop.create(ana, 1).await.id);
    let refused = shop.reserve(OrderId::generate(), &[(&first, 2), (&second, 2)], shop.in_ms(LEASE_MS)).await;
    assert_eq!(reason(refused), "stock_insufficient");
    assert_eq!((shop.stock(&first).await, shop.stock(&second).await), ((5, 0), (1, 0)));
    let held =
        shop.reserve(OrderId::generate(), &[(&first, 2), (&second, 1)], shop.in_ms(LEASE_MS)).await.unwrap();
    assert_eq!(
        held.lines.iter().map(|line| line.unit_price.clone()).collect::<Vec<_>>(),
        [ars(100_000), ars(100_000)]
    );
    assert_eq!((shop.stock(&first).await, shop.stock(&second).await), ((5, 2), (1, 1)));
}

#[tokio::test]
async fn the_same_order_reserves_once_and_other_lines_are_refused() {
    let shop = Shop::open();
    let id = shop.create(UserId::generate(), 5).await.id;
    let order = OrderId::generate();
    let first = shop.reserve(order, &[(&id, 2)], shop.in_ms(LEASE_MS)).await.unwrap();
    assert_eq!(shop.reserve(order, &[(&id, 2)], shop.in_ms(LEASE_MS)).await.unwrap(), first);
    assert_eq!(reason(shop.reserve(order, &[(&id, 3)], shop.in_ms(LEASE_MS)).await), "reservation_differs");
    assert_eq!(shop.stock(&id).await, (5, 2));
}

#[tokio::test]
async fn a_release_gives_back_once() {
    let shop = Shop::open();
    let id = shop.create(UserId::generate(), 5).await.id;
    let (first, second) = (OrderId::generate(), OrderId::generate());
    let lease = shop.in_ms(LEASE_MS);
    shop.reserve(first, &[(&id, 2)], lease).await.unwrap();
    shop.reserve(second, &[(&id, 3)], lease).await.unwrap();
    for _ in 0..3 {
        assert_eq!(shop.release(first).await.unwrap().state(), ReservationState::Released);
        assert_eq!(shop.stock(&id).await, (5, 3));
    }
    assert_eq!(reason(shop.commit(first).await), "reservation_ended");
    assert_eq!(shop.reserve(first, &[(&id, 2)], lease).await.unwrap().state(), ReservationState::Released);
    assert_eq!(shop.release(OrderId::generate()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_sale_takes_the_units_once_and_a_refund_gives_them_back_once() {
    let shop = Shop::open();
    let id = shop.create(UserId::generate(), 5).await.id;
    let order = OrderId::generate();
    shop.reserve(order, &[(&id, 2)], shop.in_ms(LEASE_MS)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(shop.commit(order).await.unwrap().state(), ReservationState::Committed);
        assert_eq!(shop.stock(&id).await, (3, 0));
    }
    for _ in 0..2 {
        assert_eq!(shop.release(order).await.unwrap().state(), ReservationState::Released);
        assert_eq!(shop.stock(&id).await, (5, 0));
    }
}

#[tokio::test]
async fn a_lease_that_is_over_gives_the_units_back_and_may_be_taken_anew() {
    let shop = Shop::open();
    let id = shop.create(UserId::generate(), 5).await.id;
    let (short, long) = (OrderId::generate(), OrderId::generate());
    shop.reserve(short, &[(&id, 2)], shop.in_ms(1000)).await.unwrap();
    shop.reserve(long, &[(&id, 3)], shop.in_ms(LEASE_MS)).await.unwrap();
    shop.ctx.clock.advance(Duration::from_millis(1000));
    until("the lease is ended", || async { shop.stock(&id).await == (5, 3) }).await;
    assert_eq!(reason(shop.commit(short).await), "reservation_ended");
    assert_eq!(shop.release(short).await.unwrap().state(), ReservationState::Expired);
    let again = shop.reserve(short, &[(&id, 2)], shop.in_ms(1000)).await.unwrap();
    assert_eq!((again.state(), shop.stock(&id).await), (ReservationState::Held, (5, 5)));
    assert_eq!(shop.commit(long).await.unwrap().state(), ReservationState::Committed);
    assert_eq!(shop.stock(&id).await, (2, 2));
}

#[tokio::test]
async fn a_variant_is_reserved_at_its_price() {
    let shop = Shop::open();
    let small = pb::NewVariant { price: ars(70_000), ..variant("s", 1) };
    let request = pb::CreateProductRequest { stock: None, variants: vec![small, variant("m", 2)], ..lamp() };
    let product = shop.client().create_product(by(UserId::generate(), request)).await.unwrap().into_inner();
    assert_eq!(
        wrong_fields(shop.reserve(OrderId::generate(), &[(&product.id, 1)], shop.in_ms(LEASE_MS)).await),
        ["variantId"]
    );
    let line = pb::ReserveLine {
        product_id: product.id.clone(),
        variant_id: Some(product.variants[0].id.clone()),
        quantity: 1,
    };
    let request = pb::ReserveRequest {
        order_id: OrderId::generate().to_string(),
        lines: vec![line],
        until: shop.in_ms(LEASE_MS),
    };
    let held = shop.client().reserve(tonic::Request::new(request)).await.unwrap().into_inner();
    assert_eq!(held.lines[0].unit_price, ars(70_000));
    assert_eq!(shop.stock(&product.id).await, (3, 1));
}

#[tokio::test]
async fn a_wrong_reservation_is_refused_by_its_fields() {
    let shop = Shop::open();
    let id = shop.create(UserId::generate(), 5).await.id;
    let refused = shop.reserve(OrderId::generate(), &[(&id, 1)], shop.in_ms(0)).await;
    assert_eq!(wrong_fields(refused), ["until"]);
    let refused = shop.reserve(OrderId::generate(), &[("x", 0)], None).await;
    assert_eq!(wrong_fields(refused), ["lines[0].productId", "lines[0].quantity", "until"]);
}
