//! Write paths that fail: all of a request is kept, or nothing.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;

use tempfile::TempDir;
use tonic::{Request, Response, Status};
use vitrina_chassis::{Clock, Context, testing};
use vitrina_proto::events::v1::WishlistChanged;
use vitrina_proto::users::v1::{
    CreateSellerRequest, DeleteMeRequest, ExportMeRequest, GetMeRequest, LoginRequest, PutWishRequest,
    RegisterRequest, UpdateMeRequest, UserExport,
};
use vitrina_storage::fault::{self, Faults, When};
use vitrina_storage::{Options, Store};

use crate::bank::{CBU, bank_account};
use crate::lists::{address, publication};
use crate::shop::{Account, PASSWORD, Shop, config, keyed, registration};

async fn faulty() -> (Shop, Faults) {
    let dir = TempDir::new().unwrap();
    let (store, faults) = fault::open(&dir.path().join("store")).unwrap();
    let broker =
        vitrina_broker::embedded(Store::open(&dir.path().join("broker"), Options::default()).unwrap());
    let context = Context::new(store, Clock::manual(testing::START_MS), broker);
    (Shop::over(context, dir).await, faults)
}

/// Calls until the store is healed.
async fn healed<T, F>(mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<Response<T>, Status>>,
{
    for _ in 0..3_000 {
        match call().await {
            Ok(response) => return response.into_inner(),
            Err(status) => assert_eq!(status.code(), tonic::Code::Unavailable, "{status:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the store did not heal");
}

async fn held(shop: &Shop, ana: &Account) -> UserExport {
    shop.users.clone().export_me(ana.call(ExportMeRequest {})).await.unwrap().into_inner()
}

/// Fails the call with a full disk and checks that nothing was kept; then lets it through, with the same key.
macro_rules! check_all_or_nothing {
    ($shop:ident, $faults:ident, $ana:ident, $rpc:ident, $message:expr) => {{
        let before = held(&$shop, &$ana).await;
        $faults.fail_all(ErrorKind::StorageFull);
        let request = keyed($ana.call($message), stringify!($rpc));
        let status = $shop.users.$rpc(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unavailable, "{}", stringify!($rpc));
        assert_eq!(held(&$shop, &$ana).await, before, "{}", stringify!($rpc));
        $faults.heal();
        healed(|| {
            let (mut users, request) = ($shop.users.clone(), keyed($ana.call($message), stringify!($rpc)));
            async move { users.$rpc(request).await }
        })
        .await
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_keeps_nothing() {
    let (mut shop, faults) = faulty().await;
    let ana = shop.register("ana").await;
    check_all_or_nothing!(
        shop,
        faults,
        ana,
        create_seller,
        CreateSellerRequest { display_name: "Ana's".into() }
    );
    check_all_or_nothing!(shop, faults, ana, create_address, address());
    check_all_or_nothing!(shop, faults, ana, create_bank_account, bank_account(CBU));
    check_all_or_nothing!(shop, faults, ana, put_wish, PutWishRequest { publication_id: publication(1) });
    let change = UpdateMeRequest { email: Some("new@example.com".into()), ..UpdateMeRequest::default() };
    check_all_or_nothing!(shop, faults, ana, update_me, change.clone());
    let all = held(&shop, &ana).await;
    assert_eq!((all.addresses.len(), all.bank_accounts.len(), all.wishlist.len()), (1, 1, 1));
    check_all_or_nothing!(shop, faults, ana, delete_me, DeleteMeRequest {});
    shop.users
        .register(RegisterRequest { email: "new@example.com".into(), ..registration("ana") })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_fails_leaves_its_names_free() {
    let (mut shop, faults) = faulty().await;
    faults.fail_all(ErrorKind::StorageFull);
    shop.users.register(keyed(Request::new(registration("ana")), "k")).await.unwrap_err();
    faults.heal();
    let reply = healed(|| {
        let mut users = shop.users.clone();
        async move { users.register(keyed(Request::new(registration("ana")), "k")).await }
    })
    .await;
    let login = LoginRequest { login: "ana".into(), password: PASSWORD.into() };
    let again = shop.users.login(login).await.unwrap().into_inner();
    assert_eq!(Account::of(again).id, Account::of(reply).id);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_got_lost_is_given_again() {
    let (mut shop, faults) = faulty().await;
    let ana = shop.register("ana").await;
    for n in 1..=3 {
        faults.fail(n, When::AfterWrite);
        // The relay writes to the store too, so the failure may strike it instead; either way nothing is done twice.
        let _ = shop.users.create_address(keyed(ana.call(address()), &format!("k{n}"))).await;
        healed(|| {
            let (mut users, request) = (shop.users.clone(), keyed(ana.call(address()), &format!("k{n}")));
            async move { users.create_address(request).await }
        })
        .await;
        faults.heal();
    }
    assert_eq!(held(&shop, &ana).await.addresses.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_fails_at_any_step_is_finished_later() {
    for n in 1..=4 {
        let (mut shop, faults) = faulty().await;
        let ana = shop.register("ana").await;
        shop.users.create_address(ana.call(address())).await.unwrap();
        let wished: HashSet<_> = (0..110).map(publication).collect();
        for publication_id in wished.clone() {
            shop.users.put_wish(ana.call(PutWishRequest { publication_id })).await.unwrap();
        }
        faults.fail(n, When::BeforeWrite);
        let deleted = shop.users.delete_me(keyed(ana.call(DeleteMeRequest {}), "k")).await;
        faults.heal();
        if deleted.is_err() {
            let all = held(&shop, &ana).await;
            assert_eq!(
                (all.addresses.len(), all.wishlist.len(), all.sessions.len()),
                (1, 110, 1),
                "step {n}"
            );
            healed(|| {
                let (mut users, request) = (shop.users.clone(), keyed(ana.call(DeleteMeRequest {}), "k"));
                async move { users.delete_me(request).await }
            })
            .await;
        }
        assert!(shop.users.get_me(ana.call(GetMeRequest {})).await.is_err(), "step {n}");
        let service = vitrina_users::start(shop.context.clone(), config()).unwrap();
        shop.running = vitrina_chassis::start(shop.context.clone(), service).unwrap();
        let mut removed = HashSet::new();
        while removed.len() < wished.len() {
            removed.insert(shop.event::<WishlistChanged>("wishlist.removed").await.publication_id);
        }
        assert_eq!(removed, wished, "step {n}");
    }
}
