//! Carts of guests, and the pages of a buyer: cart, order, account.

use reqwest::Response;
use serde_json::Value;
use tonic::Status;
use vitrina_proto::common::v1::Money;
use vitrina_proto::images::v1::{BatchListImagesRequest, Image, ImagesByOwner, OwnerImages, Variants};
use vitrina_proto::notifications::v1::{CountUnreadRequest, UnreadCount};
use vitrina_proto::orders::v1::{
    Cart, CartLine, GetCartRequest, ListOrdersRequest, Order, OrderLine, OrderList, OrderRequest, OrderState,
};
use vitrina_proto::products::v1::{BatchGetProductsRequest, Product, ProductList, Stock};
use vitrina_proto::publications::v1::{BatchGetPublicationsRequest, Publication, PublicationList};
use vitrina_proto::users::v1::{
    BatchGetSellersRequest, GetMySellerRequest, GetSellerRequest, Seller, SellerList,
};

use crate::support::{LIMIT, Shop, check_problem, token};

const CART: &str = "vitrina.orders.v1.Orders/GetCart";
const ORDER: &str = "vitrina.orders.v1.Orders/GetOrder";
const PUBLICATIONS: &str = "vitrina.publications.v1.Publications/BatchGetPublications";
const PRODUCTS: &str = "vitrina.products.v1.Products/BatchGetProducts";
const SELLER: &str = "vitrina.users.v1.Users/GetSeller";
const UNREAD: &str = "vitrina.notifications.v1.Notifications/CountUnread";

fn money(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".into() })
}

fn seller() -> Seller {
    Seller { id: "usr_eve".into(), display_name: "Eve's".into(), ..Seller::default() }
}

fn order(state: OrderState) -> Order {
    let line = |number: u32| OrderLine {
        publication_id: format!("pub_{number}"),
        product_id: format!("prd_{number}"),
        title: format!("Radio {number} as it was"),
        quantity: 1,
        ..OrderLine::default()
    };
    Order {
        id: "ord_1".into(),
        version: 4,
        seller_id: "usr_eve".into(),
        state: state.into(),
        lines: vec![line(1), line(2), line(1)],
        ..Order::default()
    }
}

/// A whole shop that knows one cart and one order.
async fn shop() -> Shop {
    let shop = Shop::whole().await;
    let on = &shop.scripts;
    on.on_with(CART, |request: GetCartRequest, headers| {
        let is_theirs = headers.get("x-vitrina-cart-token").is_some_and(|token| token == "tok-1");
        if request.id != "car_1" || !is_theirs {
            return Err(Status::not_found("x"));
        }
        let line = |id: &str, number: u32| CartLine {
            id: id.into(),
            publication_id: format!("pub_{number}"),
            quantity: 2,
            ..CartLine::default()
        };
        let lines = vec![line("l1", 2), line("l2", 1), line("l3", 2)];
        let cart = Cart { id: "car_1".into(), version: 5, lines, subtotal: money(300), ..Cart::default() };
        Ok((cart, http::HeaderMap::new()))
    });
    on.on(ORDER, |_: OrderRequest| Ok(order(OrderState::Paid)));
    on.on(PUBLICATIONS, |request: BatchGetPublicationsRequest| {
        let items = request.ids.into_iter().map(|id| Publication {
            product_id: id.replace("pub", "prd"),
            seller_id: "usr_eve".into(),
            title: format!("Title of {id}"),
            id,
            ..Publication::default()
        });
        Ok(PublicationList { items: items.collect(), next_cursor: None })
    });
    on.on(PRODUCTS, |request: BatchGetProductsRequest| {
        let items = request.ids.into_iter().map(|id| Product {
            id,
            price: money(100),
            effective_price: money(80),
            stock: Some(Stock { on_hand: 7, reserved: 0, available: 7 }),
            ..Product::default()
        });
        Ok(ProductList { items: items.collect(), next_cursor: None })
    });
    on.on("vitrina.users.v1.Users/BatchGetSellers", |_: BatchGetSellersRequest| {
        Ok(SellerList { items: vec![seller()] })
    });
    on.on(SELLER, |_: GetSellerRequest| Ok(seller()));
    on.on("vitrina.images.v1.Images/BatchListImages", |request: BatchListImagesRequest| {
        let items = request.owner_ids.into_iter().map(|owner_id| {
            let card = format!("/v1/images/img_of_{owner_id}/card.webp");
            let variants = Some(Variants { card, ..Variants::default() });
            OwnerImages { owner_id, images: vec![Image { variants, ..Image::default() }] }
        });
        Ok(ImagesByOwner { items: items.collect() })
    });
    shop
}

async fn get_as_guest(shop: &Shop, path: &str, cart_token: &str) -> Response {
    let request = shop.http.get(shop.url(path)).header("x-cart-token", cart_token);
    request.timeout(LIMIT).send().await.unwrap()
}

/// The page of an answer, and what it lacks.
async fn check_page(answer: Response, degraded: &[&str]) -> Value {
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page: Value = answer.json().await.unwrap();
    let expected = if degraded.is_empty() { Value::Null } else { serde_json::json!(degraded) };
    assert_eq!(page["degraded"], expected, "{page}");
    page
}

fn ids(cards: &Value) -> Vec<&str> {
    cards.as_array().unwrap().iter().map(|card| card["publicationId"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_is_known_by_the_token_of_the_cart() {
    let shop = shop().await;
    let answer = get_as_guest(&shop, "/v1/carts/car_1", "tok-1").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers()["etag"].to_str().unwrap().starts_with("\"5-"));
    let seen = shop.scripts.seen(CART).remove(0);
    assert_eq!(seen["x-vitrina-cart-token"], "tok-1");
    assert!(!seen.contains_key("x-vitrina-user"));
    check_problem(get_as_guest(&shop, "/v1/carts/car_1", "tok-2").await, 404, "not_found").await;
    check_problem(shop.get("/v1/carts/car_1").await, 401, "unauthenticated").await;
    let forged = shop.http.get(shop.url("/v1/carts/car_1")).header("x-vitrina-cart-token", "tok-1");
    check_problem(forged.send().await.unwrap(), 401, "unauthenticated").await;
    // A bad access token is told, also beside a good cart token.
    let both = shop.http.get(shop.url("/v1/carts/car_1")).header("x-cart-token", "tok-1").bearer_auth("x");
    check_problem(both.send().await.unwrap(), 401, "token_invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cart_page_shows_each_publication_once() {
    let shop = shop().await;
    let page = check_page(get_as_guest(&shop, "/v1/pages/cart/car_1", "tok-1").await, &[]).await;
    assert_eq!(page["cart"]["lines"].as_array().map(Vec::len), Some(3));
    assert_eq!(ids(&page["cards"]), ["pub_2", "pub_1"]);
    let card = &page["cards"][0];
    assert_eq!(card["image"], "/v1/images/img_of_prd_2/card.webp");
    assert_eq!((&card["effectivePrice"]["minor"], &card["seller"]["id"]), (&80.into(), &"usr_eve".into()));
    assert_eq!(shop.scripts.seen(PUBLICATIONS).len(), 1);
    check_problem(get_as_guest(&shop, "/v1/pages/cart/car_2", "tok-1").await, 404, "not_found").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cart_page_does_without_cards() {
    let shop = shop().await;
    shop.scripts.hang(PUBLICATIONS);
    let page = check_page(get_as_guest(&shop, "/v1/pages/cart/car_1", "tok-1").await, &["cards"]).await;
    assert_eq!(page["cart"]["subtotal"]["minor"], 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_page_shows_what_was_bought_and_from_whom() {
    let shop = shop().await;
    let token = token("ses_1", &[]);
    let page = check_page(shop.get_as("/v1/pages/orders/ord_1", &token).await, &[]).await;
    assert_eq!(page["order"]["state"], "PAID");
    assert_eq!(page["seller"]["displayName"], "Eve's");
    assert_eq!(ids(&page["cards"]), ["pub_1", "pub_2"]);
    assert_eq!(page["cards"][0]["title"], "Radio 1 as it was");
    assert_eq!(page["cards"][1]["image"], "/v1/images/img_of_prd_2/card.webp");
    assert!(shop.scripts.seen(PUBLICATIONS).is_empty());

    shop.scripts.on(SELLER, |_: GetSellerRequest| Err::<Seller, _>(Status::unavailable("x")));
    shop.scripts.on(PRODUCTS, |_: BatchGetProductsRequest| Err::<ProductList, _>(Status::internal("x")));
    let answer = shop.get_as("/v1/pages/orders/ord_1", &token).await;
    let page = check_page(answer, &["product", "seller"]).await;
    assert_eq!(page["cards"][0]["title"], "Radio 1 as it was");

    shop.scripts.on(ORDER, |_: OrderRequest| Err::<Order, _>(Status::not_found("x")));
    check_problem(shop.get_as("/v1/pages/orders/ord_1", &token).await, 404, "not_found").await;
    check_problem(shop.get("/v1/pages/orders/ord_1").await, 401, "unauthenticated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_page_counts_what_is_unread_and_open() {
    let shop = shop().await;
    shop.scripts.on("vitrina.users.v1.Users/GetMySeller", |_: GetMySellerRequest| {
        Err::<Seller, _>(Status::not_found("x"))
    });
    shop.scripts.on(UNREAD, |request: CountUnreadRequest| {
        assert_eq!(request.user_id, "usr_ana");
        Ok(UnreadCount { unread: 3 })
    });
    shop.scripts.on("vitrina.orders.v1.Orders/ListOrders", |_: ListOrdersRequest| {
        let items = [OrderState::Paid, OrderState::Finished, OrderState::AwaitingPayment].map(order);
        Ok(OrderList { items: items.into(), next_cursor: None })
    });
    let token = token("ses_1", &[]);
    let page = check_page(shop.get_as("/v1/pages/account", &token).await, &[]).await;
    assert_eq!(page["unreadNotifications"], 3);
    assert_eq!(page["openOrders"].as_array().map(Vec::len), Some(2));
    shop.scripts.on(UNREAD, |_: CountUnreadRequest| Err::<UnreadCount, _>(Status::unavailable("x")));
    check_page(shop.get_as("/v1/pages/account", &token).await, &["unreadNotifications"]).await;
}
