//! Money and things that go back, once.

use serde_json::json;
use tonic::{Code, Status};
use vitrina_chassis::UserId;
use vitrina_proto::orders::v1::OrderState::{AwaitingPayment, Paid, Refunded, Shipped};
use vitrina_proto::orders::v1::{self as pb};
use vitrina_proto::publications::v1::PaymentMethod::{Automatic, Manual};

use crate::bank::Bank;
use crate::mall::{Mall, Thing, ars, buy, by, check_refused, keyed, named};

async fn refund(
    mall: &Mall,
    seller: UserId,
    request: pb::CreateRefundRequest,
    key: &str,
) -> Result<pb::Refund, Status> {
    Ok(mall.client().create_refund(keyed(by(seller, request), key)).await?.into_inner())
}

fn part(id: &str, minor: i64) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest { amount: ars(minor), ..all(id) }
}

fn all(id: &str) -> pb::CreateRefundRequest {
    pb::CreateRefundRequest { id: id.to_owned(), ..pb::CreateRefundRequest::default() }
}

fn units(thing: &Thing, quantity: u32) -> Vec<pb::RefundLine> {
    vec![pb::RefundLine { publication_id: thing.publication.clone(), variant_id: None, quantity }]
}

async fn refunds(mall: &Mall, seller: UserId, id: &str) -> Vec<pb::Refund> {
    mall.client().list_refunds(by(seller, named(id))).await.expect("a list is read").into_inner().items
}

/// A manual order that was shipped.
async fn shipped(mall: &Mall, buyer: UserId, thing: &Thing) -> pb::Order {
    let order = mall.buy(buyer, thing, Manual).await.expect("it is bought");
    mall.client().confirm_payment(by(thing.seller, named(&order.id))).await.expect("it is paid");
    mall.client().ship_order(by(thing.seller, named(&order.id))).await.expect("it is shipped").into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn money_goes_back_in_parts_and_never_more_than_was_paid() {
    let bank = Bank::open().await;
    let mall = bank.mall(|_| {}).await;
    let ana = mall.seller("ana").await;
    let (thing, buyer) = (mall.thing(ana, 5).await, UserId::generate());
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    check_refused(refund(&mall, ana, all(&order.id), "a").await, Code::Aborted, "state_forbids");
    bank.pay(&order, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    check_refused(refund(&mall, buyer, all(&order.id), "b").await, Code::PermissionDenied, "seller_only");
    check_refused(refund(&mall, UserId::generate(), all(&order.id), "b").await, Code::NotFound, "not_found");
    let first = refund(&mall, ana, part(&order.id, 30_000), "c").await.unwrap();
    assert_eq!((first.status.as_str(), first.amount.clone()), ("done", ars(30_000)));
    assert_eq!(refund(&mall, ana, part(&order.id, 30_000), "c").await.unwrap(), first);
    check_refused(
        refund(&mall, ana, part(&order.id, 1), "c").await,
        Code::AlreadyExists,
        "idempotency_key_reused",
    );
    check_refused(refund(&mall, ana, part(&order.id, 70_001), "d").await, Code::Aborted, "refund_too_large");
    let restock = pb::CreateRefundRequest { restock: true, ..part(&order.id, 10) };
    check_refused(refund(&mall, ana, restock, "e").await, Code::Aborted, "restock_partial");
    assert_eq!((mall.order(buyer, &order.id).await.state(), bank.kept_minor().await), (Paid, 70_000));
    refund(&mall, ana, all(&order.id), "f").await.unwrap();
    mall.until_state(buyer, &order.id, Refunded).await;
    // It was never sent, so it is on the shelf again.
    mall.until_stock(&thing, (5, 0)).await;
    assert_eq!((bank.kept_minor().await, refunds(&mall, ana, &order.id).await.len()), (0, 2));
    let figures = pb::GetSellerOrdersRequest { seller_id: ana.to_string() };
    assert_eq!(mall.client().get_seller_orders(figures).await.unwrap().into_inner().revenue, ars(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_answer_got_lost_is_made_once() {
    let bank = Bank::open().await;
    let mall = bank.mall(|_| {}).await;
    let ana = mall.seller("ana").await;
    let (thing, buyer) = (mall.thing(ana, 5).await, UserId::generate());
    let order = mall.buy(buyer, &thing, Automatic).await.unwrap();
    bank.pay(&order, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    bank.misbehave(json!({ "timeOut": "after" })).await;
    let made = refund(&mall, ana, part(&order.id, 40_000), "k").await.unwrap();
    assert_eq!(made.status, "pending");
    bank.misbehave(json!({})).await;
    mall.eventually("it is made", || async { refunds(&mall, ana, &order.id).await[0].status == "done" })
        .await;
    assert_eq!(bank.kept_minor().await, 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_restocked_only_when_asked() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let (thing, buyer) = (mall.thing(ana, 5).await, UserId::generate());
    let order = shipped(&mall, buyer, &thing).await;
    refund(&mall, ana, all(&order.id), "a").await.unwrap();
    assert_eq!(mall.order(buyer, &order.id).await.state(), Refunded);
    let order = shipped(&mall, buyer, &thing).await;
    let restock = pb::CreateRefundRequest { restock: true, ..all(&order.id) };
    refund(&mall, ana, restock, "b").await.unwrap();
    mall.until_stock(&thing, (4, 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_money_brings_the_named_units_back_once() {
    let bank = Bank::open().await;
    let mall = bank.mall(|_| {}).await;
    let ana = mall.seller("ana").await;
    let (thing, buyer, mut client) = (mall.thing(ana, 5).await, UserId::generate(), mall.client());
    let three = pb::BuyNowRequest { quantity: 3, ..buy(&thing, Automatic) };
    let order = client.buy_now(keyed(by(buyer, three), "k")).await.unwrap().into_inner().orders.remove(0);
    bank.pay(&order, "approved").await;
    mall.until_state(buyer, &order.id, Paid).await;
    client.ship_order(by(ana, named(&order.id))).await.unwrap();
    let one =
        |quantity| pb::CreateRefundRequest { lines: units(&thing, quantity), ..part(&order.id, 50_000) };
    let both = pb::CreateRefundRequest { restock: true, ..one(1) };
    let foreign = units(&Thing { publication: "pub_1".into(), ..thing.clone() }, 1);
    for bad in [one(4), one(0), both, pb::CreateRefundRequest { lines: foreign, ..all(&order.id) }] {
        check_refused(refund(&mall, ana, bad, "bad").await, Code::InvalidArgument, "invalid_input");
    }
    for _ in 0..2 {
        let made = refund(&mall, ana, one(2), "a").await.unwrap();
        assert_eq!((made.status.as_str(), made.lines), ("done", units(&thing, 2)));
    }
    mall.until_stock(&thing, (4, 0)).await;
    check_refused(refund(&mall, ana, one(2), "b").await, Code::Aborted, "restock_too_large");
    let rest = pb::CreateRefundRequest { restock: true, ..all(&order.id) };
    refund(&mall, ana, rest, "c").await.unwrap();
    mall.until_state(buyer, &order.id, Refunded).await;
    mall.until_stock(&thing, (5, 0)).await;
    assert_eq!(bank.kept_minor().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_that_is_accepted_gives_money_and_units_back() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let (thing, buyer, mut client) = (mall.thing(ana, 5).await, UserId::generate(), mall.client());
    let open = mall.buy(buyer, &thing, Manual).await.unwrap();
    assert_eq!(open.state(), AwaitingPayment);
    let ask = |id: &str| pb::CreateReturnRequest { id: id.to_owned(), reason: "It is broken.".into() };
    check_refused(client.create_return(by(buyer, ask(&open.id))).await, Code::Aborted, "state_forbids");
    let (first, second) = (shipped(&mall, buyer, &thing).await, shipped(&mall, buyer, &thing).await);
    let mut asked = Vec::new();
    for order in [&first, &second] {
        asked.push(client.create_return(by(buyer, ask(&order.id))).await.unwrap().into_inner());
        check_refused(client.create_return(by(buyer, ask(&order.id))).await, Code::Aborted, "return_exists");
    }
    let decide =
        |n: usize, state: &str| pb::UpdateReturnRequest { id: asked[n].id.clone(), state: state.into() };
    check_refused(
        client.update_return(by(buyer, decide(0, "accepted"))).await,
        Code::PermissionDenied,
        "seller_only",
    );
    check_refused(
        client.update_return(by(UserId::generate(), decide(0, "accepted"))).await,
        Code::NotFound,
        "not_found",
    );
    for _ in 0..2 {
        client.update_return(by(ana, decide(0, "accepted"))).await.unwrap();
        client.update_return(by(ana, decide(1, "refused"))).await.unwrap();
    }
    check_refused(
        client.update_return(by(ana, decide(1, "accepted"))).await,
        Code::Aborted,
        "return_decided",
    );
    let after = (mall.order(buyer, &first.id).await.state(), mall.order(buyer, &second.id).await.state());
    assert_eq!(after, (Refunded, Shipped));
    mall.until_stock(&thing, (4, 1)).await;
}
