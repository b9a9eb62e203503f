//! Pages: whole, degraded, failing; deadlines and retries.

use std::sync::atomic::{AtomicUsize, Ordering};

use tonic::Status;
use vitrina_proto::common::v1::Money;
use vitrina_proto::products::v1::{
    BatchGetProductsRequest, ListLowStockRequest, Product, ProductList, Stock,
};
use vitrina_proto::publications::v1::{
    BatchGetPublicationsRequest, GetPublicationRequest, GetSellerFiguresRequest, HomeLists, ListHomeRequest,
    ListQuestionsRequest, ListRelatedRequest, Publication, PublicationList, QuestionList, RelatedList,
    SearchItem, SearchReply, SearchRequest, SellerFigures,
};
use vitrina_proto::users::v1::{
    BatchGetSellersRequest, GetMySellerRequest, GetSellerRequest, ListWishlistRequest, Seller, SellerList,
    UpdateMeRequest, Wish, Wishlist,
};

use crate::support::{Shop, ana, check_problem, token};

const PUBLICATIONS: &str = "vitrina.publications.v1.Publications";
pub(crate) const PRODUCTS: &str = "vitrina.products.v1.Products/BatchGetProducts";
const SELLERS: &str = "vitrina.users.v1.Users/BatchGetSellers";

pub(crate) fn money(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".into() })
}

fn item(number: u32) -> SearchItem {
    SearchItem {
        id: format!("pub_{number}"),
        product_id: format!("prd_{number}"),
        seller_id: "usr_ana".into(),
        title: format!("Radio {number}"),
        effective_price: money(90),
        available: 1,
        ..SearchItem::default()
    }
}

fn seller() -> Seller {
    Seller { id: "usr_ana".into(), version: 1, display_name: "Ana's".into(), ..Seller::default() }
}

fn publication() -> Publication {
    Publication {
        id: "pub_1".into(),
        version: 1,
        product_id: "prd_1".into(),
        seller_id: "usr_ana".into(),
        title: "Radio 1".into(),
        ..Publication::default()
    }
}

/// A shop whose services know two publications of one seller.
pub(crate) async fn shop() -> Shop {
    let shop = Shop::open().await;
    let on = &shop.scripts;
    on.on(&format!("{PUBLICATIONS}/Search"), |_: SearchRequest| {
        Ok(SearchReply { items: vec![item(1), item(2)], total: 2, ..SearchReply::default() })
    });
    on.on(&format!("{PUBLICATIONS}/ListHome"), |_: ListHomeRequest| {
        Ok(HomeLists { newest: vec![item(2), item(1)], on_offer: vec![item(1)], most_wished: vec![] })
    });
    on.on(&format!("{PUBLICATIONS}/GetPublication"), |request: GetPublicationRequest| {
        match request.id.as_str() {
            "pub_1" => Ok(publication()),
            _ => Err(Status::not_found("x")),
        }
    });
    on.on(&format!("{PUBLICATIONS}/ListQuestions"), |_: ListQuestionsRequest| Ok(QuestionList::default()));
    on.on(&format!("{PUBLICATIONS}/ListRelated"), |_: ListRelatedRequest| {
        Ok(RelatedList { items: vec![item(2)] })
    });
    on.on(&format!("{PUBLICATIONS}/BatchGetPublications"), |_: BatchGetPublicationsRequest| {
        Ok(PublicationList { items: vec![publication()], next_cursor: None })
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
    on.on(SELLERS, |_: BatchGetSellersRequest| Ok(SellerList { items: vec![seller()] }));
    on.on("vitrina.users.v1.Users/GetSeller", |_: GetSellerRequest| Ok(seller()));
    shop
}

/// Fetches a page and checks what it lacks; images and reviews have no service here.
async fn check_page(shop: &Shop, path: &str, degraded: &[&str]) -> serde_json::Value {
    let answer = shop.get_as(path, &token("ses_1", &["seller"])).await;
    assert_eq!(answer.status(), 200, "{path}");
    let page: serde_json::Value = answer.json().await.unwrap();
    let expected = if degraded.is_empty() { serde_json::Value::Null } else { serde_json::json!(degraded) };
    assert_eq!(page["degraded"], expected, "{path}: {page}");
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_page_joins_live_prices_and_sellers_by_batches() {
    let shop = shop().await;
    let page = check_page(&shop, "/v1/pages/search?q=radio&utm_source=x", &[]).await;
    let card = &page["cards"][0];
    assert_eq!(card["publicationId"], "pub_1");
    assert_eq!((&card["effectivePrice"]["minor"], &card["available"]), (&80.into(), &7.into()), "{card}");
    assert_eq!(card["seller"]["displayName"], "Ana's");
    assert_eq!(page["total"], 2);
    assert_eq!((shop.scripts.seen(PRODUCTS).len(), shop.scripts.seen(SELLERS).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_without_its_product_keeps_the_price_of_the_index() {
    let shop = shop().await;
    shop.scripts.on(PRODUCTS, |_: BatchGetProductsRequest| Err::<ProductList, _>(Status::internal("disk")));
    let page = check_page(&shop, "/v1/pages/search", &["product"]).await;
    assert_eq!(page["cards"][0]["effectivePrice"]["minor"], 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_home_page_asks_for_each_product_once() {
    let shop = shop().await;
    let page = check_page(&shop, "/v1/pages/home", &[]).await;
    assert_eq!(page["newest"].as_array().map(Vec::len), Some(2));
    assert_eq!(page["onOffer"][0]["title"], "Radio 1");
    assert_eq!(shop.scripts.seen(PRODUCTS).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_page_names_each_part_it_lacks() {
    let shop = shop().await;
    let page = check_page(&shop, "/v1/pages/publications/pub_1", &[]).await;
    assert_eq!(page["publication"]["title"], "Radio 1");
    assert_eq!(page["product"]["effectivePrice"]["minor"], 80);
    assert_eq!(page["related"][0]["publicationId"], "pub_2");
    shop.scripts.on("vitrina.users.v1.Users/GetSeller", |_: GetSellerRequest| {
        Err::<Seller, _>(Status::unavailable("x"))
    });
    let purge = shop.http.post(shop.admin("/admin/cache/purge")).json(&serde_json::json!({"all": true}));
    assert_eq!(purge.send().await.unwrap().status(), 200);
    let page = check_page(&shop, "/v1/pages/publications/pub_1", &["seller"]).await;
    assert!(page.get("seller").is_none(), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_fails_as_its_required_part_does() {
    let shop = shop().await;
    check_problem(shop.get("/v1/pages/publications/pub_9").await, 404, "not_found").await;
    let search = format!("{PUBLICATIONS}/Search");
    shop.scripts.on(&search, |_: SearchRequest| Err::<SearchReply, _>(Status::internal("sled: broken")));
    let problem = check_problem(shop.get("/v1/pages/search").await, 500, "internal").await;
    assert!(!problem.to_string().contains("sled"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_hangs_does_not_take_the_page_with_it() {
    let shop = shop().await;
    shop.scripts.hang(SELLERS);
    check_page(&shop, "/v1/pages/search", &["seller"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_given_up_at_the_deadline() {
    let shop = shop().await;
    shop.scripts.hang(&format!("{PUBLICATIONS}/Search"));
    check_problem(shop.get("/v1/publications").await, 504, "deadline_exceeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_page_is_not_kept_and_a_whole_answer_is() {
    let shop = shop().await;
    shop.scripts.on(PRODUCTS, |_: BatchGetProductsRequest| Err::<ProductList, _>(Status::internal("disk")));
    let answer = shop.get("/v1/pages/search").await;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=1");
    let answer = shop.get("/v1/publications").await;
    let kept = "public, max-age=10, stale-while-revalidate=10, stale-if-error=600";
    assert_eq!(answer.headers()["cache-control"], kept);
    let answer = shop.get_as("/v1/me", &token("ses_1", &[])).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wishlist_keeps_its_order_and_leaves_out_what_is_gone() {
    let shop = shop().await;
    shop.scripts.on("vitrina.users.v1.Users/ListWishlist", |_: ListWishlistRequest| {
        let wish = |id: &str| Wish { publication_id: id.into(), created_at: None };
        Ok(Wishlist { items: vec![wish("pub_gone"), wish("pub_1")], next_cursor: Some("c".into()) })
    });
    let page = check_page(&shop, "/v1/pages/wishlist", &[]).await;
    assert_eq!(page["cards"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["cards"][0]["effectivePrice"]["minor"], 80);
    assert_eq!(page["nextCursor"], "c");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seller_page_shows_what_the_seller_offers() {
    let shop = shop().await;
    let page = check_page(&shop, "/v1/pages/sellers/usr_ana", &[]).await;
    assert_eq!(page["seller"]["displayName"], "Ana's");
    assert_eq!(page["publications"][1]["seller"]["id"], "usr_ana");
}

#[tokio::test(flavor = "multi_thread")]
async fn account_and_dashboard_show_what_is_there() {
    let shop = shop().await;
    let none = |_: GetMySellerRequest| Err::<Seller, _>(Status::not_found("x"));
    shop.scripts.on("vitrina.users.v1.Users/GetMySeller", none);
    let page = check_page(&shop, "/v1/pages/account", &[]).await;
    assert_eq!(page["user"]["username"], "ana");
    assert!(page.get("seller").is_none());
    shop.scripts.on(&format!("{PUBLICATIONS}/GetSellerFigures"), |request: GetSellerFiguresRequest| {
        assert_eq!(request.seller_id, "usr_ana");
        Ok(SellerFigures { unanswered_questions: 2, active_publications: 5 })
    });
    shop.scripts
        .on("vitrina.products.v1.Products/ListLowStock", |_: ListLowStockRequest| Ok(ProductList::default()));
    let page = check_page(&shop, "/v1/pages/seller-dashboard", &[]).await;
    assert_eq!(page["activePublications"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_tried_again_and_so_is_a_write_with_a_key() {
    let shop = shop().await;
    let search = format!("{PUBLICATIONS}/Search");
    shop.scripts.on(&search, at_second_try::<SearchRequest, _>(SearchReply::default()));
    assert_eq!(shop.get("/v1/publications").await.status(), 200);

    let update = "vitrina.users.v1.Users/UpdateMe";
    let patch = || {
        let request = shop.http.patch(shop.url("/v1/me")).bearer_auth(token("ses_1", &[]));
        request.json(&serde_json::json!({"firstName": "Ana"}))
    };
    shop.scripts.on(update, at_second_try::<UpdateMeRequest, _>(ana()));
    check_problem(patch().send().await.unwrap(), 503, "unavailable").await;
    shop.scripts.on(update, at_second_try::<UpdateMeRequest, _>(ana()));
    assert_eq!(patch().header("idempotency-key", "k-1").send().await.unwrap().status(), 200);
}

/// Not there at the first call, as a service that is being restarted.
fn at_second_try<Q, A: Clone>(reply: A) -> impl Fn(Q) -> Result<A, Status> {
    let calls = AtomicUsize::new(0);
    move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Err(Status::unavailable("restarting")),
        _ => Ok(reply.clone()),
    }
}
