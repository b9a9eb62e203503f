//! The account: read, changed, exported, deleted.

use std::collections::HashSet;

use tonic::Code;
use vitrina_chassis::metadata;
use vitrina_proto::events::v1::{SellerChanged, SessionEnded, UserChanged, WishlistChanged};
use vitrina_proto::users::v1::{
    DeleteMeRequest, ExportMeRequest, GetMeRequest, GetSellerRequest, GetSessionRequest, LoginRequest,
    PutDeviceRequest, PutWishRequest, SellerStatus, UpdateMeRequest,
};

use crate::bank::{CBU, bank_account};
use crate::lists::{address, publication};
use crate::shop::{PASSWORD, Shop, changed, check_fields, check_refused, if_match, keyed, registration};

#[tokio::test(flavor = "multi_thread")]
async fn present_fields_change_and_others_stay() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let change = UpdateMeRequest {
        first_name: Some("Eva".into()),
        language: Some("en".into()),
        ..UpdateMeRequest::default()
    };
    let answer = shop.users.update_me(ana.call(change.clone())).await.unwrap();
    assert_eq!(answer.metadata().get(metadata::VERSION).unwrap(), "2");
    let user = answer.into_inner();
    assert_eq!(
        (user.first_name.as_str(), user.last_name.as_str(), user.language.as_str()),
        ("Eva", "García", "en")
    );
    let event: UserChanged = shop.event("user.changed").await;
    assert_eq!((event.version, event.language.as_str()), (2, "en"));
    let same = shop.users.update_me(ana.call(change)).await.unwrap().into_inner();
    assert_eq!(same.version, 2, "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_must_have_cannot_be_cleared() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let change = UpdateMeRequest {
        email: Some("x".into()),
        language: Some("fr".into()),
        clear: vec!["first_name".into()],
        ..UpdateMeRequest::default()
    };
    check_fields(shop.users.update_me(ana.call(change)).await, &["email", "language", "firstName"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_another_version_is_refused() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let change = UpdateMeRequest { first_name: Some("Eva".into()), ..UpdateMeRequest::default() };
    let wrong = shop.users.update_me(if_match(ana.call(change.clone()), "7")).await;
    check_refused(wrong, Code::FailedPrecondition, "version_mismatch");
    shop.users.update_me(if_match(ana.call(change), "1")).await.unwrap();
    let deleted = shop.users.delete_me(if_match(ana.call(DeleteMeRequest {}), "1")).await;
    check_refused(deleted, Code::FailedPrecondition, "version_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_account_is_refused() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    shop.register("eva").await;
    let change = UpdateMeRequest { email: Some("EVA@example.com".into()), ..UpdateMeRequest::default() };
    check_refused(shop.users.update_me(ana.call(change)).await, Code::Aborted, "email_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_no_account() {
    let mut shop = Shop::open().await;
    check_refused(shop.users.get_me(GetMeRequest {}).await, Code::Unauthenticated, "unauthenticated");
    check_refused(
        shop.users.update_me(UpdateMeRequest::default()).await,
        Code::Unauthenticated,
        "unauthenticated",
    );
    check_refused(shop.users.delete_me(DeleteMeRequest {}).await, Code::Unauthenticated, "unauthenticated");
    check_refused(shop.users.export_me(ExportMeRequest {}).await, Code::Unauthenticated, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_everything() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    shop.users.create_address(ana.call(address())).await.unwrap();
    shop.users.create_bank_account(ana.call(bank_account(CBU))).await.unwrap();
    shop.users.put_wish(ana.call(PutWishRequest { publication_id: publication(1) })).await.unwrap();
    let device = PutDeviceRequest { token: "tok".into(), ..PutDeviceRequest::default() };
    shop.users.put_device(ana.call(device)).await.unwrap();
    let export = shop.users.export_me(ana.call(ExportMeRequest {})).await.unwrap().into_inner();
    assert_eq!(export.user.unwrap().id, ana.id);
    assert_eq!(
        (export.addresses.len(), export.devices.len(), export.wishlist.len(), export.sessions.len()),
        (1, 1, 1, 1)
    );
    assert_eq!(
        (export.bank_accounts[0].number.as_str(), export.sessions[0].id.as_str()),
        (CBU, ana.session_id.as_str())
    );
    assert_eq!(export.seller.unwrap().id, ana.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_nobody_and_its_names_are_free() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    shop.users.create_address(ana.call(address())).await.unwrap();
    shop.users.create_bank_account(ana.call(bank_account(CBU))).await.unwrap();
    let wished: HashSet<_> = (0..120).map(publication).collect();
    for publication_id in wished.clone() {
        shop.users.put_wish(ana.call(PutWishRequest { publication_id })).await.unwrap();
    }
    let answer = shop.users.delete_me(keyed(ana.call(DeleteMeRequest {}), "k")).await.unwrap();
    assert!(changed(&answer).contains(&format!("session:{}", ana.session_id)));

    check_refused(
        shop.users.get_me(ana.call(GetMeRequest {})).await,
        Code::Unauthenticated,
        "unauthenticated",
    );
    let login = LoginRequest { login: "ana".into(), password: PASSWORD.into() };
    check_refused(shop.users.login(login).await, Code::Unauthenticated, "login_failed");
    check_refused(
        shop.users.get_seller(GetSellerRequest { id: ana.id.clone() }).await,
        Code::NotFound,
        "not_found",
    );
    let session = GetSessionRequest { user_id: ana.id.clone(), session_id: ana.session_id.clone() };
    assert!(!shop.users.get_session(session).await.unwrap().into_inner().active);

    let deleted: UserChanged = shop.event("user.deleted").await;
    assert_eq!((deleted.id.as_str(), deleted.username.as_str()), (ana.id.as_str(), ""));
    let seller: SellerChanged = shop.event("seller.changed").await;
    assert_eq!((seller.id.as_str(), seller.status), (ana.id.as_str(), SellerStatus::Paused.into()));
    let ended: SessionEnded = shop.event("session.ended").await;
    assert_eq!(ended.session_id, "");
    let mut removed = HashSet::new();
    while removed.len() < wished.len() {
        removed.insert(shop.event::<WishlistChanged>("wishlist.removed").await.publication_id);
    }
    assert_eq!(removed, wished);
    shop.users.register(registration("ana")).await.unwrap();
}
