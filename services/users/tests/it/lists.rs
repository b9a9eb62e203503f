//! Addresses, devices and the wishlist.

use std::time::Duration;

use tonic::Code;
use vitrina_proto::events::v1::WishlistChanged;
use vitrina_proto::users::v1::{
    CreateAddressRequest, DeleteAddressRequest, DeleteDeviceRequest, DeleteWishRequest, ListAddressesRequest,
    ListDevicesRequest, ListWishlistRequest, PutDeviceRequest, PutWishRequest, UpdateAddressRequest,
};

use crate::shop::{Account, Shop, check_fields, check_refused, if_match, keyed};

pub(crate) fn address() -> CreateAddressRequest {
    CreateAddressRequest {
        recipient: "Ana García".into(),
        street: "Av. Corrientes 1234".into(),
        extra: Some("3 B".into()),
        city: "Buenos Aires".into(),
        region: "CABA".into(),
        postal_code: "C1043".into(),
        country: "AR".into(),
        phone: None,
    }
}

pub(crate) fn publication(n: u32) -> String {
    format!("pub_{n:032x}")
}

fn wish(n: u32) -> PutWishRequest {
    PutWishRequest { publication_id: publication(n) }
}

fn device(token: &str) -> PutDeviceRequest {
    PutDeviceRequest { token: token.to_owned(), ..PutDeviceRequest::default() }
}

async fn wished(
    shop: &mut Shop,
    account: &Account,
    limit: u32,
    cursor: Option<String>,
) -> (Vec<String>, Option<String>) {
    let request = ListWishlistRequest { limit: Some(limit), cursor };
    let page = shop.users.list_wishlist(account.call(request)).await.unwrap().into_inner();
    (page.items.into_iter().map(|wish| wish.publication_id).collect(), page.next_cursor)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_added_changed_and_removed() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let made = shop.users.create_address(ana.call(address())).await.unwrap().into_inner();
    let change = UpdateAddressRequest {
        id: made.id.clone(),
        street: Some("Rivadavia 1".into()),
        clear: vec!["extra".into()],
        ..UpdateAddressRequest::default()
    };
    let stale = shop.users.update_address(if_match(ana.call(change.clone()), "2")).await;
    check_refused(stale, Code::FailedPrecondition, "version_mismatch");
    let changed = shop.users.update_address(if_match(ana.call(change), "1")).await.unwrap().into_inner();
    assert_eq!((changed.version, changed.street.as_str(), changed.extra.clone()), (2, "Rivadavia 1", None));
    assert_eq!(changed.city, made.city);
    let list = shop.users.list_addresses(ana.call(ListAddressesRequest {})).await.unwrap().into_inner();
    assert_eq!(list.items, [changed]);
    shop.users.delete_address(ana.call(DeleteAddressRequest { id: made.id.clone() })).await.unwrap();
    let again = shop.users.delete_address(ana.call(DeleteAddressRequest { id: made.id })).await;
    check_refused(again, Code::NotFound, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_of_an_address_is_named() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let empty = shop.users.create_address(ana.call(CreateAddressRequest::default())).await;
    check_fields(empty, &["recipient", "street", "city", "region", "postalCode", "country"]);
    let id = shop.users.create_address(ana.call(address())).await.unwrap().into_inner().id;
    let bad = UpdateAddressRequest {
        id,
        country: Some("Argentina".into()),
        phone: Some("1".repeat(33)),
        clear: vec!["postal_code".into()],
        ..UpdateAddressRequest::default()
    };
    check_fields(shop.users.update_address(ana.call(bad)).await, &["country", "phone", "postalCode"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_address_does_not_exist() {
    let mut shop = Shop::open().await;
    let (ana, eva) = (shop.register("ana").await, shop.register("eva").await);
    let id = shop.users.create_address(ana.call(address())).await.unwrap().into_inner().id;
    let change =
        UpdateAddressRequest { id: id.clone(), city: Some("X".into()), ..UpdateAddressRequest::default() };
    check_refused(shop.users.update_address(eva.call(change)).await, Code::NotFound, "not_found");
    check_refused(
        shop.users.delete_address(eva.call(DeleteAddressRequest { id })).await,
        Code::NotFound,
        "not_found",
    );
    check_refused(shop.users.create_address(address()).await, Code::Unauthenticated, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_addresses_added_at_once_twenty_are_kept() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    // With one there already, the calls meet on the row that counts them, not on its absence.
    shop.users.create_address(ana.call(address())).await.unwrap();
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let (mut users, request) = (shop.users.clone(), ana.call(address()));
            tokio::spawn(async move { users.create_address(request).await })
        })
        .collect();
    let mut kept = 1;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => kept += 1,
            refused => {
                check_refused(refused, Code::Aborted, "too_many");
            }
        }
    }
    let list = shop.users.list_addresses(ana.call(ListAddressesRequest {})).await.unwrap().into_inner();
    assert_eq!((kept, list.items.len()), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyed_address_is_added_once() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let first = shop.users.create_address(keyed(ana.call(address()), "k")).await.unwrap().into_inner();
    let again = shop.users.create_address(keyed(ana.call(address()), "k")).await.unwrap().into_inner();
    assert_eq!(first, again);
    let other = CreateAddressRequest { city: "Rosario".into(), ..address() };
    let reused = shop.users.create_address(keyed(ana.call(other), "k")).await;
    check_refused(reused, Code::AlreadyExists, "idempotency_key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_added_renamed_and_removed() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    shop.users.put_device(ana.call(device("tok:1"))).await.unwrap();
    let renamed =
        PutDeviceRequest { kind: Some("fid".into()), name: Some("Phone".into()), ..device("tok:1") };
    shop.users.put_device(ana.call(renamed)).await.unwrap();
    let list = shop.users.list_devices(ana.call(ListDevicesRequest {})).await.unwrap().into_inner().items;
    assert_eq!((list.len(), list[0].kind.as_str(), list[0].name.as_deref()), (1, "fid", Some("Phone")));
    let bad = PutDeviceRequest { kind: Some("x".into()), name: Some("n".repeat(101)), token: "a b".into() };
    check_fields(shop.users.put_device(ana.call(bad)).await, &["token", "kind", "name"]);
    for n in 2..=20 {
        shop.users.put_device(ana.call(device(&format!("tok:{n}")))).await.unwrap();
    }
    check_refused(shop.users.put_device(ana.call(device("tok:21"))).await, Code::Aborted, "too_many");
    shop.users.delete_device(ana.call(DeleteDeviceRequest { token: "tok:1".into() })).await.unwrap();
    let gone = shop.users.delete_device(ana.call(DeleteDeviceRequest { token: "tok:1".into() })).await;
    check_refused(gone, Code::NotFound, "not_found");
    shop.users.put_device(ana.call(device("tok:21"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wishlist_is_newest_first_and_paged() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    for n in 1..=5 {
        shop.context.clock.advance(Duration::from_secs(1));
        shop.users.put_wish(ana.call(wish(n))).await.unwrap();
    }
    shop.users.put_wish(ana.call(wish(1))).await.unwrap();
    let (first, cursor) = wished(&mut shop, &ana, 2, None).await;
    assert_eq!(first, [publication(5), publication(4)]);
    shop.users.delete_wish(ana.call(DeleteWishRequest { publication_id: publication(4) })).await.unwrap();
    let (second, cursor) = wished(&mut shop, &ana, 2, cursor).await;
    assert_eq!(second, [publication(3), publication(2)]);
    assert_eq!(wished(&mut shop, &ana, 2, cursor).await, (vec![publication(1)], None));
    let added: WishlistChanged = shop.event("wishlist.added").await;
    assert_eq!((added.user_id, added.publication_id), (ana.id.clone(), publication(1)));
    let removed: WishlistChanged = shop.event("wishlist.removed").await;
    assert_eq!(removed.publication_id, publication(4));
    shop.users.delete_wish(ana.call(DeleteWishRequest { publication_id: publication(4) })).await.unwrap();
    let unknown = PutWishRequest { publication_id: "prd_1".into() };
    check_refused(shop.users.put_wish(ana.call(unknown)).await, Code::NotFound, "not_found");
    let bad = ListWishlistRequest { limit: Some(101), cursor: None };
    check_fields(shop.users.list_wishlist(ana.call(bad)).await, &["limit"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wishlist_holds_five_hundred() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    for n in 0..500 {
        shop.users.put_wish(ana.call(wish(n))).await.unwrap();
    }
    check_refused(shop.users.put_wish(ana.call(wish(500))).await, Code::Aborted, "too_many");
    shop.users.put_wish(ana.call(wish(0))).await.unwrap();
}
