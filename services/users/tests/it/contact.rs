//! What others are told of how a user is reached.

use tokio::task::JoinSet;
use vitrina_proto::events::v1::{ContactChanged, DeviceUnregistered};
use vitrina_proto::users::v1::{
    DeleteDeviceRequest, DeleteMeRequest, LoginRequest, PutDeviceRequest, PutWishRequest, UpdateMeRequest,
};

use crate::shop::{Account, PASSWORD, Shop, open_device, seal_device};

const TOPIC: &str = "user.contact_changed";

async fn put_device(shop: &mut Shop, account: &Account, token: &str, name: Option<&str>) {
    let request = PutDeviceRequest {
        token: token.to_owned(),
        name: name.map(ToOwned::to_owned),
        ..PutDeviceRequest::default()
    };
    shop.users.put_device(account.call(request)).await.unwrap();
}

/// The tokens of an event's devices, in alphabetical order; they are told sealed.
fn tokens(account: &Account, contact: &ContactChanged) -> Vec<String> {
    let devices = contact.devices.iter();
    let mut tokens: Vec<String> = devices.map(|device| open_device(account, &device.token)).collect();
    tokens.sort();
    tokens
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_is_told_with_its_address_and_language() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let contact: ContactChanged = shop.event(TOPIC).await;
    let expected = ContactChanged {
        user_id: ana.id.clone(),
        version: 1,
        email: "ana@example.com".into(),
        first_name: "Ana".into(),
        language: "es".into(),
        devices: vec![],
    };
    assert_eq!(contact, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_address_name_language_or_device_is_told_with_the_next_version() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let mut contact: ContactChanged = shop.event(TOPIC).await;
    let changes = [
        UpdateMeRequest { email: Some("new@example.com".into()), ..UpdateMeRequest::default() },
        UpdateMeRequest { first_name: Some("Anita".into()), ..UpdateMeRequest::default() },
        UpdateMeRequest { language: Some("en".into()), ..UpdateMeRequest::default() },
    ];
    for change in changes {
        shop.users.update_me(ana.call(change)).await.unwrap();
        let next: ContactChanged = shop.event(TOPIC).await;
        assert_eq!(next.version, contact.version + 1);
        contact = next;
    }
    assert_eq!(
        (contact.email.as_str(), contact.first_name.as_str(), contact.language.as_str()),
        ("new@example.com", "Anita", "en")
    );
    put_device(&mut shop, &ana, "tok:1", None).await;
    put_device(&mut shop, &ana, "tok:2", Some("Phone")).await;
    shop.users.delete_device(ana.call(DeleteDeviceRequest { token: "tok:1".into() })).await.unwrap();
    for (version, expected) in [(5, vec!["tok:1"]), (6, vec!["tok:1", "tok:2"]), (7, vec!["tok:2"])] {
        let contact: ContactChanged = shop.event(TOPIC).await;
        assert_eq!(contact.version, version);
        assert_eq!(tokens(&ana, &contact), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_change_how_a_user_is_reached_is_not_told_as_such() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    put_device(&mut shop, &ana, "tok:1", Some("Phone")).await;
    let other = UpdateMeRequest { last_name: Some("Gómez".into()), ..UpdateMeRequest::default() };
    shop.users.update_me(ana.call(other)).await.unwrap();
    put_device(&mut shop, &ana, "tok:1", Some("Phone")).await;
    let wish = PutWishRequest { publication_id: format!("pub_{}", "0".repeat(32)) };
    shop.users.put_wish(ana.call(wish)).await.unwrap();
    shop.users.login(LoginRequest { login: "ana".into(), password: PASSWORD.into() }).await.unwrap();
    put_device(&mut shop, &ana, "tok:1", Some("Tablet")).await;
    for version in 1..=3 {
        let contact: ContactChanged = shop.event(TOPIC).await;
        assert_eq!(contact.version, version);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_added_at_once_are_all_in_the_last_version() {
    const DEVICES: u32 = 8;
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let mut puts = JoinSet::new();
    for n in 0..DEVICES {
        let mut users = shop.users.clone();
        let request = ana.call(PutDeviceRequest { token: format!("tok:{n}"), ..PutDeviceRequest::default() });
        puts.spawn(async move { users.put_device(request).await.unwrap() });
    }
    puts.join_all().await;
    for version in 1..=DEVICES + 1 {
        let contact: ContactChanged = shop.event(TOPIC).await;
        assert_eq!((contact.version, contact.devices.len() as u32), (version, version - 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_account_is_told_as_out_of_reach() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    put_device(&mut shop, &ana, "tok:1", None).await;
    shop.users.delete_me(ana.call(DeleteMeRequest {})).await.unwrap();
    for _ in 1..=2 {
        shop.event::<ContactChanged>(TOPIC).await;
    }
    let contact: ContactChanged = shop.event(TOPIC).await;
    assert_eq!(contact, ContactChanged { user_id: ana.id, version: 3, ..ContactChanged::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_its_provider_does_not_know_any_more_is_removed() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    shop.event::<ContactChanged>(TOPIC).await;
    for token in ["gone", "kept"] {
        put_device(&mut shop, &ana, token, None).await;
        shop.event::<ContactChanged>(TOPIC).await;
    }
    let gone = DeviceUnregistered { user_id: ana.id.clone(), token: seal_device(&ana, "gone") };
    shop.hear("device.unregistered", "1", &gone).await;
    let contact: ContactChanged = shop.event(TOPIC).await;
    assert_eq!((tokens(&ana, &contact), contact.version), (vec!["kept".to_owned()], 4));
    // Told again, there is nothing to remove.
    shop.hear("device.unregistered", "2", &gone).await;
    let other = DeviceUnregistered { user_id: ana.id.clone(), token: seal_device(&ana, "kept") };
    shop.hear("device.unregistered", "3", &other).await;
    let contact: ContactChanged = shop.event(TOPIC).await;
    assert_eq!((tokens(&ana, &contact), contact.version), (Vec::new(), 5));
}
