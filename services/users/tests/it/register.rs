//! Opening an account.

use tonic::{Code, Request};
use vitrina_proto::events::v1::{TokenRequested, UserChanged};
use vitrina_proto::users::v1::{GetMeRequest, RegisterRequest};

use crate::shop::{Account, Shop, check_fields, check_refused, keyed, registration};

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_opened_with_its_first_session() {
    let mut shop = Shop::open().await;
    let ana = shop.register("Ana").await;
    let user = ana.reply.user.clone().unwrap();
    assert_eq!((user.version, user.email.as_str(), user.username.as_str()), (1, "Ana@example.com", "Ana"));
    assert_eq!((user.email_verified, user.language.as_str(), ana.reply.expires_in), (false, "es", 600));
    assert_eq!(shop.users.get_me(ana.call(GetMeRequest {})).await.unwrap().into_inner(), user);
    let registered: UserChanged = shop.event("user.registered").await;
    assert_eq!((registered.id, registered.username), (ana.id.clone(), "Ana".to_owned()));
    let requested: TokenRequested = shop.event("user.verify_requested").await;
    assert_eq!(requested.user_id, ana.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_field_is_named_at_once() {
    let mut shop = Shop::open().await;
    let empty = shop.users.register(RegisterRequest::default()).await;
    check_fields(empty, &["email", "username", "password", "firstName", "lastName"]);
    let bad = RegisterRequest {
        email: "no address".into(),
        username: "a b".into(),
        password: "short".into(),
        first_name: " ".into(),
        last_name: "x".repeat(101),
        language: Some("fr".into()),
    };
    check_fields(
        shop.users.register(bad).await,
        &["email", "username", "password", "firstName", "lastName", "language"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_usernames_are_unique_without_case() {
    let mut shop = Shop::open().await;
    shop.register("ana").await;
    let email =
        RegisterRequest { username: "other".into(), email: "ANA@example.com".into(), ..registration("ana") };
    check_refused(shop.users.register(email).await, Code::Aborted, "email_taken");
    let username =
        RegisterRequest { username: "ANA".into(), email: "other@example.com".into(), ..registration("ana") };
    check_refused(shop.users.register(username).await, Code::Aborted, "username_taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_registrations_of_one_address_one_wins() {
    let shop = Shop::open().await;
    let attempts: Vec<_> = (0..50)
        .map(|n| {
            let mut users = shop.users.clone();
            let request = RegisterRequest { username: format!("user{n}"), ..registration("same") };
            tokio::spawn(async move { users.register(request).await })
        })
        .collect();
    let mut won = 0;
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(_) => won += 1,
            refused => {
                check_refused(refused, Code::Aborted, "email_taken");
            }
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_registration_gives_the_same_account_and_session() {
    let mut shop = Shop::open().await;
    let first = shop.users.register(keyed(Request::new(registration("ana")), "k1")).await.unwrap();
    let again = shop.users.register(keyed(Request::new(registration("ana")), "k1")).await.unwrap();
    assert!(again.metadata().get("x-vitrina-replayed").is_some());
    let (first, again) = (Account::of(first.into_inner()), Account::of(again.into_inner()));
    assert_eq!((first.id, first.session_id), (again.id, again.session_id));
    assert_eq!(first.reply.refresh_token, again.reply.refresh_token);
    let other = RegisterRequest { password: "another password".into(), ..registration("ana") };
    check_refused(
        shop.users.register(keyed(Request::new(other), "k1")).await,
        Code::AlreadyExists,
        "idempotency_key_reused",
    );
}
