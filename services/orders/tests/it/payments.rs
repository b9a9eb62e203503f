//! Automatic payment: only what the provider says when asked counts, once, however it was heard of.

use std::time::Duration;

use serde_json::json;
use tonic::{Code, Request};
use vitrina_broker::{Queue, QueueKind};
use vitrina_chassis::UserId;
use vitrina_proto::orders::v1::OrderState::{
    self, AwaitingPayment, Cancelled, Expired, Paid, Refunded, Reserved,
};
use vitrina_proto::publications::v1::PaymentMethod::{Automatic, Manual};

use crate::bank::{Bank, notification, preference, secret};
use crate::mall::{Mall, Thing, by, check_refused, named, states};

fn status(order: &vitrina_proto::orders::v1::Order) -> &str {
    &order.payment.as_ref().expect("there is a payment").status
}

/// A bank, a mall, a thing with so many units, and who buys it.
async fn scene(on_hand: u32) -> (Bank, Mall, Thing, UserId) {
    let bank = Bank::open().await;
    let mall = bank.mall(|config| config.automatic_wait_ms = 60_000).await;
    let ana = mall.seller("ana").await;
    let thing = mall.thing(ana, on_hand).await;
    (bank, mall, thing, UserId::generate())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_paid_when_the_provider_says_so() {
    let (bank, mall, thing, buyer) = scene(5).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    assert_eq!((order.state(), status(&order)), (AwaitingPayment, "pending"));
    check_refused(
        mall.client().confirm_payment(by(thing.seller, named(&order.id))).await,
        Code::Aborted,
        "payment_automatic",
    );
    let payment = bank.pay(&order, "approved").await;
    let paid = mall.until_state(buyer, &order.id, Paid).await;
    assert_eq!(paid.payment.unwrap().provider_id, Some(payment));
    mall.until_stock(&thing, (4, 0)).await;
    assert_eq!(bank.kept_minor().await, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_payment_is_tried_again() {
    let (bank, mall, thing, buyer) = scene(5).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let same = mall.client().retry_payment(by(buyer, named(&order.id))).await.unwrap().into_inner();
    assert_eq!(same.payment, order.payment);
    bank.pay(&order, "rejected").await;
    mall.eventually("it is rejected", || async { status(&mall.order(buyer, &order.id).await) == "rejected" })
        .await;
    let again = mall.client().retry_payment(by(buyer, named(&order.id))).await.unwrap().into_inner();
    assert_ne!(preference(&again), preference(&order));
    bank.pay(&again, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_in_any_order_and_number_move_an_order_once() {
    let (bank, mall, thing, buyer) = scene(5).await;
    let queue = Queue {
        name: "test.paid".into(),
        topics: vec!["order.paid".into()],
        kind: QueueKind::Transient,
        prefetch: 100,
    };
    let mut events = mall.ctx.broker.consume(queue).await.unwrap();
    bank.detach();
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let payment = bank.pay(&order, "approved").await;
    let now_s = mall.ctx.clock.now_ms() / 1000;
    let forged = notification(&payment, 0, ("another secret", now_s));
    check_refused(mall.client().receive_payment(forged).await, Code::Unauthenticated, "unauthenticated");
    let mut other = notification(&payment, 0, (secret(), now_s));
    other.data_id = Some("999".to_owned());
    check_refused(mall.client().receive_payment(other).await, Code::Unauthenticated, "unauthenticated");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(mall.order(buyer, &order.id).await.state(), AwaitingPayment);
    let calls = (0..1_000).map(|n| {
        let mut client = mall.client();
        let ts = if n % 5 == 0 { now_s - 900 } else { now_s };
        let secret = if n % 7 == 0 { "another secret" } else { secret() };
        let request = notification(&payment, n * 7 % 20, (secret, ts));
        let is_genuine = n % 5 != 0 && n % 7 != 0;
        tokio::spawn(async move { (is_genuine, client.receive_payment(Request::new(request)).await) })
    });
    for call in calls.collect::<Vec<_>>() {
        match call.await.unwrap() {
            (true, answer) => drop(answer.unwrap()),
            (false, answer) => check_refused(answer, Code::Unauthenticated, "unauthenticated"),
        }
    }
    let paid = mall.until_state(buyer, &order.id, Paid).await;
    assert_eq!(states(&paid).into_iter().filter(|state| *state == Paid).count(), 1);
    mall.until_stock(&thing, (4, 0)).await;
    events.next().await.unwrap().ack().await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(200), events.next()).await;
    assert!(more.is_err(), "it was told twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_notification_is_refused_and_still_looked_up() {
    let (bank, mall, thing, buyer) = scene(5).await;
    bank.detach();
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let payment = bank.pay(&order, "approved").await;
    let stale = notification(&payment, 1, (secret(), mall.ctx.clock.now_ms() / 1000 - 900));
    check_refused(mall.client().receive_payment(stale).await, Code::Unauthenticated, "unauthenticated");
    mall.until_state(buyer, &order.id, Paid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_notification_is_made_up_for() {
    let bank = Bank::open().await;
    let mall = bank.mall(|config| config.lookup_interval_ms = 1000).await;
    let thing = mall.thing(mall.seller("ana").await, 5).await;
    bank.detach();
    let (late, early) = (UserId::generate(), UserId::generate());
    let order = mall.buy(early, &thing, Automatic).await.unwrap();
    bank.pay(&order, "approved").await;
    mall.until_state(early, &order.id, Paid).await;
    // Paid at the last moment: it is asked once more before it expires.
    let order = mall.buy(late, &thing, Automatic).await.unwrap();
    bank.pay(&order, "approved").await;
    mall.ctx.clock.advance(Duration::from_secs(31 * 60));
    mall.until_state(late, &order.id, Paid).await;
    mall.until_stock(&thing, (3, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_amount_or_currency_does_not_pay() {
    for (currency, price) in [("ARS", 1.0), ("USD", 1_000.0)] {
        let (bank, mall, thing, buyer) = scene(5).await;
        let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
        bank.reprice(&order, currency, price).await;
        bank.pay(&order, "approved").await;
        mall.eventually("it is seen", || async {
            status(&mall.order(buyer, &order.id).await) == "amount_mismatch"
        })
        .await;
        assert_eq!(mall.order(buyer, &order.id).await.state(), AwaitingPayment);
        assert_eq!(mall.stock(&thing).await, (5, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_payment_goes_back_by_itself() {
    let (bank, mall, thing, buyer) = scene(5).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    bank.pay(&order, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    bank.pay(&order, "approved").await;
    until_kept(&bank, &mall, 100_000).await;
    assert_eq!(mall.order(buyer, &order.id).await.state(), Paid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_after_the_end_gets_its_units_again_or_goes_back() {
    let (bank, mall, thing, buyer) = scene(1).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let payment = bank.pay(&order, "pending").await;
    mall.ctx.clock.advance(Duration::from_secs(61));
    mall.until_state(buyer, &order.id, Expired).await;
    mall.until_stock(&thing, (1, 0)).await;
    bank.settle(&payment, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    mall.until_stock(&thing, (0, 0)).await;

    let thing = mall.thing(thing.seller, 1).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let payment = bank.pay(&order, "pending").await;
    mall.ctx.clock.advance(Duration::from_secs(61));
    mall.until_state(buyer, &order.id, Expired).await;
    mall.until_stock(&thing, (1, 0)).await;
    mall.buy(UserId::generate(), &thing, Manual).await.unwrap();
    bank.settle(&payment, "approved").await;
    let refunded = mall.until_state(buyer, &order.id, Refunded).await;
    assert_eq!(refunded.timeline.last().map(|entry| entry.state()), Some(Refunded));
    until_kept(&bank, &mall, 100_000).await;
    assert_eq!(mall.stock(&thing).await, (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_a_cancelled_order_goes_back() {
    let (bank, mall, thing, buyer) = scene(1).await;
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    let payment = bank.pay(&order, "pending").await;
    mall.client().cancel_order(by(buyer, named(&order.id))).await.unwrap();
    bank.settle(&payment, "approved").await;
    let order = mall.until_state(buyer, &order.id, Refunded).await;
    assert!(states(&order).contains(&Cancelled));
    assert_eq!((bank.kept_minor().await, mall.stock(&thing).await), (0, (1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_answer_is_never_a_failure() {
    let faults = [
        json!({ "timeOut": "before" }),
        json!({ "timeOut": "after" }),
        json!({ "errorRate": 1.0, "errorStatus": 500 }),
        json!({ "errorRate": 1.0, "errorStatus": 423 }),
        json!({ "errorRate": 1.0, "errorStatus": 429 }),
        json!({ "down": true }),
    ];
    let (bank, mall, thing, buyer) = scene(9).await;
    for (n, fault) in faults.into_iter().enumerate() {
        bank.misbehave(fault.clone()).await;
        let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
        assert_eq!((order.state(), status(&order)), (Reserved, "pending"), "{fault}");
        bank.misbehave(json!({})).await;
        let order = mall.until_state(buyer, &order.id, AwaitingPayment).await;
        bank.misbehave(fault).await;
        let paying = bank.pay(&order, "approved").await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        bank.misbehave(json!({})).await;
        let paid = mall.until_state(buyer, &order.id, Paid).await;
        assert_eq!(paid.payment.unwrap().provider_id, Some(paying));
        assert_eq!(bank.kept_minor().await, 100_000 * (i64::try_from(n).unwrap() + 1));
    }
    mall.until_stock(&thing, (3, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_only_manual_payment_is_taken() {
    let mall = Mall::open().await;
    let thing = mall.thing(mall.seller("ana").await, 1).await;
    let refused = mall.buy(UserId::generate(), &thing, Automatic).await;
    check_refused(refused, Code::Aborted, "payment_method_unavailable");
    assert!(mall.list(thing.seller, "seller").await.iter().all(|order| order.state() != OrderState::Created));
}

async fn until_kept(bank: &Bank, mall: &Mall, minor: i64) {
    mall.eventually("the provider keeps as much", || async { bank.kept_minor().await == minor }).await;
}
