//! Seller profiles.

use tonic::Code;
use vitrina_proto::events::v1::SellerChanged;
use vitrina_proto::users::v1::{
    BatchGetSellersRequest, CreateSellerRequest, GetMySellerRequest, GetSellerRequest, GetSessionRequest,
    SellerStatus, UpdateSellerRequest,
};

use crate::shop::{Shop, changed, check_fields, check_refused, if_match};

#[tokio::test(flavor = "multi_thread")]
async fn a_user_becomes_a_seller_once() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    check_refused(
        shop.users.get_my_seller(ana.call(GetMySellerRequest {})).await,
        Code::NotFound,
        "not_found",
    );
    check_fields(shop.users.create_seller(ana.call(CreateSellerRequest::default())).await, &["displayName"]);
    let request = CreateSellerRequest { display_name: "Ana's".into() };
    let answer = shop.users.create_seller(ana.call(request.clone())).await.unwrap();
    assert_eq!(changed(&answer), format!("seller:{}", ana.id));
    check_refused(shop.users.create_seller(ana.call(request)).await, Code::Aborted, "seller_exists");
    let event: SellerChanged = shop.event("seller.changed").await;
    assert_eq!(
        (event.id.as_str(), event.version, event.display_name.as_str()),
        (ana.id.as_str(), 1, "Ana's")
    );
    let session = GetSessionRequest { user_id: ana.id.clone(), session_id: ana.session_id.clone() };
    assert!(shop.users.get_session(session).await.unwrap().into_inner().is_seller);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_pauses() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    let pause =
        UpdateSellerRequest { status: Some(SellerStatus::Paused.into()), ..UpdateSellerRequest::default() };
    let stale = shop.users.update_seller(if_match(ana.call(pause.clone()), "9")).await;
    check_refused(stale, Code::FailedPrecondition, "version_mismatch");
    let seller = shop.users.update_seller(ana.call(pause)).await.unwrap().into_inner();
    assert_eq!((seller.version, seller.status()), (2, SellerStatus::Paused));
    let public = shop.users.get_seller(GetSellerRequest { id: ana.id.clone() }).await.unwrap().into_inner();
    assert_eq!(public, seller);
    let bad = UpdateSellerRequest {
        display_name: Some(String::new()),
        status: Some(9),
        clear: vec!["display_name".into()],
    };
    check_fields(shop.users.update_seller(ana.call(bad)).await, &["displayName", "status", "displayName"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sellers_come_by_one_call() {
    let mut shop = Shop::open().await;
    let (ana, eva, bob) = (shop.seller("ana").await, shop.seller("eva").await, shop.register("bob").await);
    let ids = vec![eva.id.clone(), "nonsense".into(), bob.id.clone(), ana.id.clone()];
    let found =
        shop.users.batch_get_sellers(BatchGetSellersRequest { ids }).await.unwrap().into_inner().items;
    assert_eq!(found.iter().map(|seller| &seller.id).collect::<Vec<_>>(), [&eva.id, &ana.id]);
    let many = BatchGetSellersRequest { ids: vec![ana.id; 101] };
    check_fields(shop.users.batch_get_sellers(many).await, &["ids"]);
    check_refused(shop.users.get_seller(GetSellerRequest { id: bob.id }).await, Code::NotFound, "not_found");
}
