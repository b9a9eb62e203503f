//! A crash at any step: what was begun ends, once, and everything adds up.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tonic::{Code, Response, Status};
use vitrina_chassis::UserId;
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::orders::v1::OrderState::{AwaitingPayment, Cancelled, Paid, Refunded, Reserved};
use vitrina_proto::publications::v1::PaymentMethod::Automatic;
use vitrina_storage::fault::{self, Faults, When};

use crate::bank::Bank;
use crate::mall::{Mall, Thing, by, keyed, named, until};

/// What is under way when the store fails and the process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum During {
    Checkout,
    Payment,
    Cancel,
    Refund,
}

struct Scene {
    bank: Bank,
    mall: Mall,
    faults: Faults,
    thing: Thing,
    buyer: UserId,
}

async fn scene() -> Scene {
    let bank = Bank::open().await;
    let dir = TempDir::new().expect("there is room");
    let (store, faults) = fault::open(&dir.path().join("orders")).expect("an empty store opens");
    let mall = Mall::over(store, dir, |config| bank.set(config)).await;
    bank.attach(&mall);
    let thing = mall.thing(mall.seller("ana").await, 3).await;
    Scene { bank, mall, faults, thing, buyer: UserId::generate() }
}

/// Calls again, with time passing, until the answer is clear.
async fn clear<T, F: Future<Output = Result<T, Status>>>(mall: &Mall, mut call: impl FnMut() -> F) -> T {
    for _ in 0..3000 {
        match call().await {
            Ok(value) => return value,
            Err(status) => assert_eq!(status.code(), Code::Unavailable, "{status:?}"),
        }
        mall.ctx.clock.advance(Duration::from_millis(200));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no clear answer");
}

async fn bought(mall: &Mall, buyer: UserId, thing: &Thing) -> pb::Order {
    let order = clear(mall, || mall.buy_keyed(buyer, thing, Automatic, "buy")).await;
    mall.until_state(buyer, &order.id, AwaitingPayment).await
}

async fn check(during: During, n: u64, when: When) {
    let Scene { bank, mall, faults, thing, buyer } = scene().await;
    let mut order = pb::Order::default();
    if during != During::Checkout {
        order = bought(&mall, buyer, &thing).await;
    }
    if during == During::Refund {
        bank.pay(&order, "approved").await;
        mall.until_state(buyer, &order.id, Paid).await;
        mall.until_stock(&thing, (2, 0)).await;
    }
    let refund = || pb::CreateRefundRequest { id: order.id.clone(), ..pb::CreateRefundRequest::default() };
    faults.fail(n, when);
    match during {
        During::Checkout => drop(mall.buy_keyed(buyer, &thing, Automatic, "buy").await),
        During::Payment => {
            bank.pay(&order, "approved").await;
            // Long enough for some of the steps; which of them, no matter.
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        During::Cancel => {
            let request = keyed(by(buyer, named(&order.id)), "cancel");
            mall.client().cancel_order(request).await.map(drop).unwrap_or_default();
        }
        During::Refund => {
            let request = keyed(by(thing.seller, refund()), "refund");
            mall.client().create_refund(request).await.map(drop).unwrap_or_default();
        }
    }
    faults.heal();
    until("the store can be written", || async { mall.ctx.store.is_read_only().is_none() }).await;
    let mall = mall.crash().await;
    bank.attach(&mall);
    let (state, stock, kept) = match during {
        During::Checkout | During::Payment => (Paid, (2, 0), 100_000),
        During::Cancel => (Cancelled, (3, 0), 0),
        During::Refund => (Refunded, (3, 0), 0),
    };
    match during {
        During::Checkout => {
            order = bought(&mall, buyer, &thing).await;
            bank.pay(&order, "approved").await;
        }
        During::Payment => {}
        During::Cancel => {
            let request = || keyed(by(buyer, named(&order.id)), "cancel");
            clear(&mall, || async { mall.client().cancel_order(request()).await.map(Response::into_inner) })
                .await;
        }
        During::Refund => {
            let request = || keyed(by(thing.seller, refund()), "refund");
            clear(&mall, || async { mall.client().create_refund(request()).await.map(Response::into_inner) })
                .await;
        }
    }
    mall.until_state(buyer, &order.id, state).await;
    mall.until_stock(&thing, stock).await;
    assert_eq!(bank.kept_minor().await, kept, "{during:?} {n} {when:?}");
    assert_eq!(mall.list(buyer, "buyer").await.len(), 1, "{during:?} {n} {when:?}");
}

async fn check_all(during: During, steps: u64) {
    for n in 1..=steps {
        for when in [When::BeforeWrite, When::AfterWrite] {
            check(during, n, when).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_that_is_cut_off_ends_as_one_order() {
    check_all(During::Checkout, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_is_cut_off_is_taken_in_once() {
    check_all(During::Payment, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_is_cut_off_frees_the_stock_once() {
    check_all(During::Cancel, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_is_cut_off_is_made_once() {
    check_all(During::Refund, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_the_provider_does_not_answer_prepares_one_payment() {
    let Scene { bank, mall, thing, buyer, .. } = scene().await;
    bank.misbehave(json!({ "timeOut": "after" })).await;
    let mut client = mall.client();
    let request = keyed(by(buyer, crate::mall::buy(&thing, Automatic)), "buy");
    let call = tokio::spawn(async move { client.buy_now(request).await });
    until("it is reserved", || async { !mall.list(buyer, "buyer").await.is_empty() }).await;
    assert_eq!(mall.list(buyer, "buyer").await[0].state(), Reserved);
    call.abort();
    let mall = mall.crash().await;
    bank.attach(&mall);
    bank.misbehave(json!({})).await;
    let order = bought(&mall, buyer, &thing).await;
    bank.pay(&order, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    mall.until_stock(&thing, (2, 0)).await;
}
