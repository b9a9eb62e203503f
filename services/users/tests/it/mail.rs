//! Single-use tokens: verifying an address, resetting a password.

use std::time::Duration;

use tonic::Code;
use vitrina_proto::events::v1::SessionEnded;
use vitrina_proto::users::v1::{
    ForgotPasswordRequest, GetMeRequest, LoginRequest, RefreshRequest, ResetPasswordRequest, UpdateMeRequest,
    VerifyEmailRequest,
};

use crate::shop::{PASSWORD, Shop, changed, check_fields, check_refused, registration};

const NEW_PASSWORD: &str = "another password";

fn forgot(name: &str) -> ForgotPasswordRequest {
    ForgotPasswordRequest { email: format!("{name}@example.com") }
}

fn reset(token: &str) -> ResetPasswordRequest {
    ResetPasswordRequest { token: token.to_owned(), password: NEW_PASSWORD.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_verifies_the_address_once() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let token = shop.token("user.verify_requested").await;
    shop.users.verify_email(VerifyEmailRequest { token: token.clone() }).await.unwrap();
    let me = shop.users.get_me(ana.call(GetMeRequest {})).await.unwrap().into_inner();
    assert_eq!((me.email_verified, me.version), (true, 2));
    check_fields(shop.users.verify_email(VerifyEmailRequest { token }).await, &["token"]);
    check_fields(shop.users.verify_email(VerifyEmailRequest { token: "x".into() }).await, &["token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_has_to_be_verified_again_and_voids_the_old_token() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let old = shop.token("user.verify_requested").await;
    let change = UpdateMeRequest { email: Some("new@example.com".into()), ..UpdateMeRequest::default() };
    shop.users.update_me(ana.call(change)).await.unwrap();
    let new = shop.token("user.verify_requested").await;
    check_fields(shop.users.verify_email(VerifyEmailRequest { token: old }).await, &["token"]);
    shop.users.verify_email(VerifyEmailRequest { token: new }).await.unwrap();
    shop.users.register(registration("ana2")).await.unwrap();
    shop.users
        .login(LoginRequest { login: "new@example.com".into(), password: PASSWORD.into() })
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_expire() {
    let mut shop = Shop::open().await;
    shop.register("ana").await;
    let verify = shop.token("user.verify_requested").await;
    shop.users.forgot_password(forgot("ana")).await.unwrap();
    let token = shop.token("user.password_reset_requested").await;
    shop.context.clock.advance(Duration::from_secs(3600));
    check_fields(shop.users.reset_password(reset(&token)).await, &["token"]);
    shop.context.clock.advance(Duration::from_secs(23 * 3600));
    check_fields(shop.users.verify_email(VerifyEmailRequest { token: verify }).await, &["token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_sets_the_password_once_and_ends_every_session() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    shop.users.forgot_password(forgot("ANA")).await.unwrap();
    let token = shop.token("user.password_reset_requested").await;
    check_fields(shop.users.verify_email(VerifyEmailRequest { token: token.clone() }).await, &["token"]);
    let answer = shop.users.reset_password(reset(&token)).await.unwrap();
    assert!(changed(&answer).contains(&format!("session:{}", ana.session_id)));
    let ended: SessionEnded = shop.event("session.ended").await;
    assert_eq!((ended.user_id, ended.session_id), (ana.id.clone(), String::new()));
    check_fields(shop.users.reset_password(reset(&token)).await, &["token"]);
    let refreshed =
        shop.users.refresh(RefreshRequest { refresh_token: ana.reply.refresh_token.clone() }).await;
    check_refused(refreshed, Code::Unauthenticated, "refresh_token_invalid");
    let old = shop.users.login(LoginRequest { login: "ana".into(), password: PASSWORD.into() }).await;
    check_refused(old, Code::Unauthenticated, "login_failed");
    shop.users.login(LoginRequest { login: "ana".into(), password: NEW_PASSWORD.into() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_an_address_exists_is_not_told() {
    let mut shop = Shop::open().await;
    shop.register("ana").await;
    for name in ["ana", "nobody", "ana", "not an address"] {
        shop.users.forgot_password(forgot(name)).await.unwrap();
    }
    check_fields(shop.users.reset_password(ResetPasswordRequest::default()).await, &["token", "password"]);
}
