//! Coupons: counted once per order, given back when it comes to nothing.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Code, Status};
use vitrina_chassis::UserId;
use vitrina_proto::Timestamp;
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::orders::v1::OrderState::{Expired, Paid, Refunded};
use vitrina_proto::publications::v1::PaymentMethod::{self, Automatic, Manual};

use crate::bank::Bank;
use crate::mall::{Mall, Thing, ars, buy, by, check_refused, keyed, named};

fn coupon(mall: &Mall) -> pb::CreateCouponRequest {
    pb::CreateCouponRequest {
        code: "TEN".into(),
        percent: Some(10),
        ends_at: Some(Timestamp::from_unix_ms(mall.ctx.clock.now_ms() + 3_600_000)),
        uses_max: Some(5),
        uses_per_buyer_max: Some(1),
        ..pb::CreateCouponRequest::default()
    }
}

async fn buy_with(mall: &Mall, buyer: UserId, thing: &Thing, key: &str) -> Result<pb::Order, Status> {
    buy_by(mall, (buyer, Manual), thing, key).await
}

async fn buy_by(
    mall: &Mall,
    (buyer, method): (UserId, PaymentMethod),
    thing: &Thing,
    key: &str,
) -> Result<pb::Order, Status> {
    let request = pb::BuyNowRequest { coupon: Some("ten".into()), ..buy(thing, method) };
    let reply = mall.client().buy_now(keyed(by(buyer, request), key)).await?.into_inner();
    Ok(reply.orders.into_iter().next().expect("there is an order"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coupon_counts_as_often_as_it_may() {
    let mall = Arc::new(Mall::open().await);
    let thing = mall.thing(mall.seller("ana").await, 50).await;
    let mut client = mall.client();
    check_refused(buy_with(&mall, UserId::generate(), &thing, "k").await, Code::Aborted, "coupon_invalid");
    let terms = coupon(&mall);
    client.create_coupon(terms.clone()).await.unwrap();
    let other = pb::CreateCouponRequest { percent: Some(20), ..terms.clone() };
    check_refused(client.create_coupon(other).await, Code::Aborted, "coupon_taken");
    let calls = (0..30).map(|_| {
        let (mall, thing, buyer) = (Arc::clone(&mall), thing.clone(), UserId::generate());
        tokio::spawn(async move { (buyer, buy_with(&mall, buyer, &thing, "k").await) })
    });
    let mut placed = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            (buyer, Ok(order)) => placed.push((buyer, order)),
            (_, refused) => check_refused(refused, Code::Aborted, "coupon_invalid"),
        }
    }
    assert_eq!(placed.len(), 5);
    let (buyer, order) = &placed[0];
    assert_eq!((order.discount.clone(), order.total.clone()), (ars(10_000), ars(90_000)));
    client.cancel_order(by(*buyer, named(&order.id))).await.unwrap();
    let again = terms.clone();
    assert_eq!(client.create_coupon(again).await.unwrap().into_inner().uses, 4);
    check_refused(buy_with(&mall, placed[1].0, &thing, "k2").await, Code::Aborted, "coupon_invalid");
    buy_with(&mall, *buyer, &thing, "k2").await.unwrap();
    assert_eq!(mall.stock(&thing).await, (50, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coupon_of_a_checkout_that_fails_is_given_back() {
    let mall = Mall::open().await;
    let thing = mall.thing(mall.seller("ana").await, 1).await;
    let terms = coupon(&mall);
    mall.client().create_coupon(terms.clone()).await.unwrap();
    let calls = (0..10).map(|_| buy_with(&mall, UserId::generate(), &thing, "k"));
    let placed = futures::future::join_all(calls.collect::<Vec<_>>()).await;
    assert_eq!(placed.iter().filter(|result| result.is_ok()).count(), 1);
    mall.eventually("the others gave it back", || async {
        mall.client().create_coupon(terms.clone()).await.is_ok_and(|reply| reply.into_inner().uses == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_after_the_end_counts_its_coupon_again_or_goes_back() {
    let bank = Bank::open().await;
    let mall = bank.mall(|config| config.automatic_wait_ms = 60_000).await;
    let thing = mall.thing(mall.seller("ana").await, 5).await;
    let terms = pb::CreateCouponRequest { uses_max: Some(1), ..coupon(&mall) };
    let uses = || async { mall.client().create_coupon(terms.clone()).await.unwrap().into_inner().uses };
    mall.client().create_coupon(terms.clone()).await.unwrap();
    let mut late = Vec::new();
    for _ in 0..2 {
        let buyer = UserId::generate();
        let order = buy_by(&mall, (buyer, Automatic), &thing, "k").await.unwrap();
        assert_eq!(uses().await, 1);
        let payment = bank.pay(&order, "pending").await;
        mall.ctx.clock.advance(Duration::from_secs(61));
        mall.until_state(buyer, &order.id, Expired).await;
        assert_eq!(uses().await, 0);
        late.push((buyer, order.id, payment));
    }
    for ((buyer, order, payment), state) in late.into_iter().zip([Paid, Refunded]) {
        bank.settle(&payment, "approved").await;
        mall.until_state(buyer, &order, state).await;
    }
    mall.until_stock(&thing, (4, 0)).await;
    assert_eq!((uses().await, bank.kept_minor().await), (1, 90_000));
}
