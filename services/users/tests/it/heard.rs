//! What the service takes over from others: a seller's score, an avatar.

use vitrina_proto::events::v1::{ImagesChanged, ReviewCreated, SellerChanged, UserChanged};
use vitrina_proto::users::v1::{
    BatchGetSellersRequest, CreateSellerRequest, DeleteMeRequest, GetMeRequest, GetSellerRequest, Score,
    Seller,
};

use crate::shop::{Account, Shop};

fn review(seller: &Account, mean: f64, count: u32) -> ReviewCreated {
    ReviewCreated { review: None, seller_id: seller.id.clone(), mean, count }
}

fn album(owner: &str, version: u32, avatar: Option<&str>) -> ImagesChanged {
    ImagesChanged { owner_id: owner.to_owned(), version, avatar: avatar.map(ToOwned::to_owned) }
}

async fn seller(shop: &Shop, account: &Account) -> Seller {
    let request = GetSellerRequest { id: account.id.clone() };
    shop.users.clone().get_seller(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_changes_the_score_in_every_answer_about_the_seller() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    assert_eq!(seller(&shop, &ana).await.score, None);
    shop.hear("review.created", "1", &review(&ana, 4.5, 2)).await;
    let event: SellerChanged = shop.event("seller.scored").await;
    let score = Some(Score { mean: 4.5, count: 2 });
    assert_eq!((event.id.as_str(), event.version, event.score), (ana.id.as_str(), 2, score));
    let one = seller(&shop, &ana).await;
    assert_eq!((one.score, one.version), (score, 2));
    let request = BatchGetSellersRequest { ids: vec![ana.id.clone()] };
    let many = shop.users.batch_get_sellers(request).await.unwrap().into_inner().items;
    assert_eq!(many, [one]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_that_come_late_or_twice_do_not_bring_an_old_score_back() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    for (id, mean, count) in [("3", 4.0, 3), ("2", 4.5, 2), ("3", 4.0, 3), ("3 again", 4.0, 3), ("4", 3.5, 4)]
    {
        shop.hear("review.created", id, &review(&ana, mean, count)).await;
    }
    for expected in [Score { mean: 4.0, count: 3 }, Score { mean: 3.5, count: 4 }] {
        let event: SellerChanged = shop.event("seller.scored").await;
        assert_eq!(event.score, Some(expected));
    }
    assert_eq!(seller(&shop, &ana).await.version, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_avatar_is_shown_with_the_user_and_the_seller() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    shop.event::<SellerChanged>("seller.changed").await;
    shop.hear("image.ready", "1", &album(&ana.id, 1, Some("img_1"))).await;
    let event: UserChanged = shop.event("user.changed").await;
    assert_eq!(event.version, 2);
    let event: SellerChanged = shop.event("seller.changed").await;
    assert_eq!(event.version, 2);
    let me = shop.users.get_me(ana.call(GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!((me.avatar.as_deref(), me.version), (Some("img_1"), 2));
    assert_eq!(seller(&shop, &ana).await.avatar.as_deref(), Some("img_1"));

    shop.hear("image.deleted", "3", &album(&ana.id, 3, None)).await;
    shop.hear("image.ready", "2", &album(&ana.id, 2, Some("img_2"))).await;
    shop.hear("image.ready", "4", &album(&ana.id, 4, Some("img_4"))).await;
    for version in [3, 4] {
        assert_eq!(shop.event::<UserChanged>("user.changed").await.version, version);
    }
    assert_eq!(seller(&shop, &ana).await.avatar.as_deref(), Some("img_4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_opened_later_has_the_avatar_too() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    shop.hear("image.ready", "1", &album(&ana.id, 1, Some("img_1"))).await;
    shop.event::<UserChanged>("user.changed").await;
    let request = ana.call(CreateSellerRequest { display_name: "Ana's".into() });
    let made = shop.users.create_seller(request).await.unwrap().into_inner();
    assert_eq!(made.avatar.as_deref(), Some("img_1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_of_products_and_news_of_deleted_accounts_change_nothing() {
    let mut shop = Shop::open().await;
    let (ana, eva) = (shop.seller("ana").await, shop.seller("eva").await);
    shop.users.delete_me(ana.call(DeleteMeRequest {})).await.unwrap();
    shop.hear("image.ready", "1", &album(&format!("prd_{}", "0".repeat(32)), 1, None)).await;
    shop.hear("image.ready", "2", &album(&ana.id, 1, Some("img_1"))).await;
    shop.hear("review.created", "3", &review(&ana, 5.0, 1)).await;
    // One of each kind that does take effect, behind those that do not: messages of one key keep their order.
    shop.hear("image.ready", "4", &album(&eva.id, 1, Some("img_2"))).await;
    shop.hear("review.created", "5", &review(&eva, 5.0, 1)).await;
    assert_eq!(shop.event::<UserChanged>("user.changed").await.id, eva.id);
    assert_eq!(shop.event::<SellerChanged>("seller.scored").await.id, eva.id);
}
