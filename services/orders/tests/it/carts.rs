//! Carts: of guests and users, always at the prices of now.

use tonic::{Code, Request};
use vitrina_chassis::UserId;
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::products::v1 as products;
use vitrina_proto::publications::v1::PaymentMethod;

use crate::mall::{Mall, Thing, ars, by, check_refused, guest, keyed};

fn item(cart: &pb::Cart, thing: &Thing, quantity: u32) -> pb::AddCartItemRequest {
    pb::AddCartItemRequest {
        id: cart.id.clone(),
        publication_id: thing.publication.clone(),
        variant_id: None,
        quantity,
    }
}

fn get(cart: &pb::Cart) -> pb::GetCartRequest {
    pb::GetCartRequest { id: cart.id.clone() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_reaches_a_cart_by_its_token_only() {
    let mall = Mall::open().await;
    let thing = mall.thing(mall.seller("ana").await, 5).await;
    let mut client = mall.client();
    let request = || keyed(Request::new(pb::CreateCartRequest {}), "k");
    let cart = client.create_cart(request()).await.unwrap().into_inner();
    assert_eq!(client.create_cart(request()).await.unwrap().into_inner(), cart);
    let token = cart.token.clone().unwrap();
    let filled = client.add_cart_item(guest(&token, item(&cart, &thing, 2))).await.unwrap().into_inner();
    assert_eq!((filled.lines[0].quantity, filled.total.clone()), (2, ars(200_000)));
    assert_eq!(filled.token, None);
    let other = client.create_cart(pb::CreateCartRequest {}).await.unwrap().into_inner().token.unwrap();
    check_refused(client.get_cart(guest(&other, get(&cart))).await, Code::NotFound, "not_found");
    check_refused(client.get_cart(by(UserId::generate(), get(&cart))).await, Code::NotFound, "not_found");
    check_refused(client.get_cart(get(&cart)).await, Code::NotFound, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_shows_what_has_changed_since() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let (first, second) = (mall.thing(ana, 5).await, mall.thing(ana, 5).await);
    let (buyer, mut client) = (UserId::generate(), mall.client());
    let cart = client.create_cart(by(buyer, pb::CreateCartRequest {})).await.unwrap().into_inner();
    assert_eq!(cart.token, None);
    for thing in [&first, &second] {
        client.add_cart_item(by(buyer, item(&cart, thing, 3))).await.unwrap();
    }
    let price = products::UpdateProductRequest {
        id: first.product.clone(),
        price: ars(120_000),
        ..products::UpdateProductRequest::default()
    };
    mall.clients.products.clone().update_product(by(ana, price)).await.unwrap();
    let stock = products::AdjustStockRequest {
        id: second.product.clone(),
        delta: -3,
        reason: "broken".into(),
        variant_id: None,
    };
    mall.clients.products.clone().adjust_stock(by(ana, stock)).await.unwrap();
    let shown = client.get_cart(by(buyer, get(&cart))).await.unwrap().into_inner();
    let changed: Vec<_> = shown.lines.iter().map(|line| line.changed.as_deref()).collect();
    assert_eq!(changed, [Some("price"), Some("stock")]);
    assert_eq!((shown.lines[0].unit_price.clone(), shown.lines[1].available), (ars(120_000), 2));
    check_refused(
        client
            .add_cart_item(by(ana, pb::AddCartItemRequest { id: cart.id.clone(), ..item(&cart, &first, 1) }))
            .await,
        Code::NotFound,
        "not_found",
    );
    let line =
        pb::UpdateCartItemRequest { id: cart.id.clone(), line_id: shown.lines[1].id.clone(), quantity: 2 };
    client.update_cart_item(by(buyer, line)).await.unwrap();
    let line = pb::DeleteCartItemRequest { id: cart.id.clone(), line_id: shown.lines[0].id.clone() };
    let shown = client.delete_cart_item(by(buyer, line)).await.unwrap().into_inner();
    assert_eq!((shown.lines.len(), shown.subtotal), (1, ars(200_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guests_cart_moves_into_the_users() {
    let mall = Mall::open().await;
    let thing = mall.thing(mall.seller("ana").await, 9).await;
    let (buyer, mut client) = (UserId::generate(), mall.client());
    let theirs = client.create_cart(pb::CreateCartRequest {}).await.unwrap().into_inner();
    let token = theirs.token.clone().unwrap();
    client.add_cart_item(guest(&token, item(&theirs, &thing, 2))).await.unwrap();
    let cart = client.create_cart(by(buyer, pb::CreateCartRequest {})).await.unwrap().into_inner();
    client.add_cart_item(by(buyer, item(&cart, &thing, 1))).await.unwrap();
    let merge = || pb::MergeCartRequest { id: cart.id.clone(), cart_token: token.clone() };
    let merged = client.merge_cart(keyed(by(buyer, merge()), "k")).await.unwrap().into_inner();
    assert_eq!(merged.lines[0].quantity, 3);
    let again = client.merge_cart(keyed(by(buyer, merge()), "k")).await.unwrap().into_inner();
    assert_eq!(again.lines[0].quantity, 3);
    check_refused(client.merge_cart(by(buyer, merge())).await, Code::NotFound, "not_found");
    check_refused(client.get_cart(guest(&token, get(&theirs))).await, Code::NotFound, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_becomes_an_order_per_seller_or_none() {
    let mall = Mall::open().await;
    let (ana, bob) = (mall.seller("ana").await, mall.seller("bob").await);
    let (first, second, rare) =
        (mall.thing(ana, 5).await, mall.thing(bob, 5).await, mall.thing(ana, 1).await);
    let (buyer, mut client) = (UserId::generate(), mall.client());
    let cart = client.create_cart(by(buyer, pb::CreateCartRequest {})).await.unwrap().into_inner();
    for (thing, quantity) in [(&first, 1), (&second, 2), (&rare, 2)] {
        client.add_cart_item(by(buyer, item(&cart, thing, quantity))).await.unwrap();
    }
    let checkout = |key: &str| {
        let request = pb::CheckoutRequest {
            id: cart.id.clone(),
            payment_method: PaymentMethod::Manual.into(),
            ..pb::CheckoutRequest::default()
        };
        keyed(by(buyer, request), key)
    };
    check_refused(client.checkout(checkout("a")).await, Code::Aborted, "stock_insufficient");
    assert_eq!((mall.list(buyer, "buyer").await, mall.stock(&first).await), (vec![], (5, 0)));
    let shown = client.get_cart(by(buyer, get(&cart))).await.unwrap().into_inner();
    let line = pb::DeleteCartItemRequest { id: cart.id.clone(), line_id: shown.lines[2].id.clone() };
    client.delete_cart_item(by(buyer, line)).await.unwrap();
    let reply = client.checkout(checkout("b")).await.unwrap().into_inner();
    let totals: Vec<_> =
        reply.orders.iter().map(|order| (order.seller_id.clone(), order.total.clone())).collect();
    assert_eq!(totals, [(ana.to_string(), ars(100_000)), (bob.to_string(), ars(200_000))]);
    assert_eq!(client.checkout(checkout("b")).await.unwrap().into_inner(), reply);
    check_refused(client.checkout(checkout("c")).await, Code::Aborted, "cart_empty");
    assert_eq!((mall.stock(&first).await, mall.stock(&second).await), ((5, 1), (5, 2)));
    assert_eq!((mall.list(ana, "seller").await.len(), mall.list(buyer, "buyer").await.len()), (1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_buys_with_an_address_for_mail() {
    let mall = Mall::open().await;
    let ana = mall.seller("ana").await;
    let thing = mall.thing(ana, 5).await;
    let mut client = mall.client();
    let cart = client.create_cart(pb::CreateCartRequest {}).await.unwrap().into_inner();
    let token = cart.token.clone().unwrap();
    client.add_cart_item(guest(&token, item(&cart, &thing, 1))).await.unwrap();
    let request = pb::CheckoutRequest {
        id: cart.id.clone(),
        payment_method: PaymentMethod::Manual.into(),
        ..pb::CheckoutRequest::default()
    };
    check_refused(
        client.checkout(guest(&token, request.clone())).await,
        Code::InvalidArgument,
        "invalid_input",
    );
    let request = pb::CheckoutRequest { guest_email: Some("gus@example.com".into()), ..request };
    let reply = client.checkout(keyed(guest(&token, request), "k")).await.unwrap().into_inner();
    assert_eq!(reply.orders[0].buyer_id, None);
    assert_eq!(mall.list(ana, "seller").await.len(), 1);
}
