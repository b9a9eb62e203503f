//! Guests: the token of the cart is all that they have, and it opens the orders that were made from it.

use tonic::{Code, Request};
use vitrina_chassis::{Caller, UserId};
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::orders::v1::OrderState::{AwaitingPayment, Cancelled, Finished};
use vitrina_proto::publications::v1::PaymentMethod::Manual;
use vitrina_proto::users::v1::{CreateBankAccountRequest, HolderIdentity, Scheme};

use crate::mall::{Mall, Thing, by, check_refused, guest, keyed, named, states};

const CBU: &str = "2850590940090418135201";

/// A guest's order of one unit, and the token of the cart.
async fn bought(mall: &Mall, thing: &Thing, key: &str) -> (String, pb::Order) {
    let mut client = mall.client();
    let cart = client.create_cart(pb::CreateCartRequest {}).await.expect("a cart is opened").into_inner();
    let token = cart.token.expect("a guest gets the token");
    let item = pb::AddCartItemRequest {
        id: cart.id.clone(),
        publication_id: thing.publication.clone(),
        variant_id: None,
        quantity: 1,
    };
    client.add_cart_item(guest(&token, item)).await.expect("it is put into the cart");
    let request = pb::CheckoutRequest {
        id: cart.id,
        payment_method: Manual.into(),
        guest_email: Some("gus@example.com".into()),
        ..pb::CheckoutRequest::default()
    };
    let reply = client.checkout(keyed(guest(&token, request), key)).await.expect("it is bought").into_inner();
    (token, reply.orders.into_iter().next().expect("there is an order"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_follows_an_order_from_the_cart_to_the_review() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let thing = mall.thing(ana, 5).await;
    let mut client = mall.client();
    let (token, order) = bought(&mall, &thing, "k").await;
    let read = client.get_order(guest(&token, named(&order.id))).await.unwrap().into_inner();
    assert_eq!((read.state(), read.buyer_id.clone()), (AwaitingPayment, None));
    let mut moves = client.watch_order(guest(&token, named(&order.id))).await.unwrap().into_inner();
    let confirm = client.confirm_payment(guest(&token, named(&order.id))).await;
    check_refused(confirm, Code::PermissionDenied, "seller_only");
    client.confirm_payment(by(ana, named(&order.id))).await.unwrap();
    client.ship_order(by(ana, named(&order.id))).await.unwrap();
    let done = client.finish_order(keyed(guest(&token, named(&order.id)), "f")).await.unwrap().into_inner();
    assert_eq!(done.state(), Finished);
    for state in states(&done) {
        assert_eq!(moves.message().await.unwrap().unwrap().state(), state);
    }
    let review = pb::CreateReviewRequest { id: order.id.clone(), rating: 5, text: None };
    client.create_review(guest(&token, review)).await.unwrap();
    assert!(
        client.list_refunds(guest(&token, named(&order.id))).await.unwrap().into_inner().items.is_empty()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_cancels_and_only_the_token_of_that_cart_opens_an_order() {
    let mall = Mall::open().await;
    let thing = mall.thing(mall.seller("ana").await, 5).await;
    let mut client = mall.client();
    let ((token, order), (other, _)) = (bought(&mall, &thing, "a").await, bought(&mall, &thing, "b").await);
    let forged = token[1..].to_owned();
    for stranger in [guest(&other, named(&order.id)), by(UserId::generate(), named(&order.id))] {
        check_refused(client.get_order(stranger).await, Code::NotFound, "not_found");
    }
    let nobody = client.get_order(guest(&forged, named(&order.id))).await;
    check_refused(nobody, Code::Unauthenticated, "unauthenticated");
    check_refused(client.cancel_order(guest(&other, named(&order.id))).await, Code::NotFound, "not_found");
    // Somebody who logged in meanwhile still has the cart's token.
    let mut both = Request::new(named(&order.id));
    let caller = Caller { cart_token: Some(token.clone()), ..Caller::user(UserId::generate()) };
    caller.to_metadata(both.metadata_mut());
    assert_eq!(client.get_order(both).await.unwrap().into_inner().id, order.id);
    let cancelled = client.cancel_order(keyed(guest(&token, named(&order.id)), "c")).await.unwrap();
    assert_eq!(cancelled.into_inner().state(), Cancelled);
    mall.until_stock(&thing, (5, 1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buyer_of_a_manual_order_sees_where_to_pay_until_it_is_paid_and_nobody_else_does() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let thing = mall.thing(ana, 5).await;
    let account = CreateBankAccountRequest {
        bank_name: "Banco Macro".into(),
        holder_name: "Ana García".into(),
        holder_identity: Some(HolderIdentity { r#type: "DNI".into(), number: "30123456".into() }),
        account_type: "SAVINGS".into(),
        scheme: Scheme::Cbu.into(),
        number: CBU.into(),
    };
    mall.clients.users.clone().create_bank_account(by(ana, account)).await.unwrap();
    let numbers = |order: pb::Order| -> Vec<String> {
        order.payment.into_iter().flat_map(|payment| payment.bank_accounts).map(|one| one.number).collect()
    };
    let buyer = UserId::generate();
    let order = mall.buy(buyer, &thing, Manual).await.unwrap();
    assert_eq!(numbers(order.clone()), Vec::<String>::new());
    assert_eq!(numbers(mall.order(buyer, &order.id).await), [CBU]);
    assert_eq!(numbers(mall.order(ana, &order.id).await), Vec::<String>::new());
    let (token, of_guest) = bought(&mall, &thing, "k").await;
    let read = mall.client().get_order(guest(&token, named(&of_guest.id))).await.unwrap().into_inner();
    assert_eq!(numbers(read), [CBU]);
    let paid = mall.client().confirm_payment(by(ana, named(&order.id))).await.unwrap().into_inner();
    assert_eq!(numbers(paid), Vec::<String>::new());
    assert_eq!(numbers(mall.order(buyer, &order.id).await), Vec::<String>::new());
}
