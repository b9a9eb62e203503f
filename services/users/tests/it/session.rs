//! Sessions: tokens, rotation, logout.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use tonic::{Code, Request};
use vitrina_proto::events::v1::SessionEnded;
use vitrina_proto::users::v1::{
    GetKeysRequest, GetSessionRequest, IssueTokenRequest, LoginRequest, LogoutRequest, RefreshRequest,
    SessionReply,
};

use crate::shop::{Account, PASSWORD, Shop, changed, check_fields, check_refused, claims, with};

fn login(login: &str, password: &str) -> LoginRequest {
    LoginRequest { login: login.to_owned(), password: password.to_owned() }
}

fn refresh(token: &str, client: &str) -> Request<RefreshRequest> {
    with(Request::new(RefreshRequest { refresh_token: token.to_owned() }), "x-vitrina-client", client)
}

async fn is_active(shop: &mut Shop, account: &Account) -> bool {
    let request = GetSessionRequest { user_id: account.id.clone(), session_id: account.session_id.clone() };
    shop.users.get_session(request).await.unwrap().into_inner().active
}

async fn rotate(shop: &mut Shop, token: &str, client: &str) -> SessionReply {
    shop.users.refresh(refresh(token, client)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_logs_in_by_address_or_username() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    for name in ["ana", "ANA", "ana@example.com", "Ana@Example.com"] {
        let reply = shop.users.login(login(name, PASSWORD)).await.unwrap().into_inner();
        assert_eq!(Account::of(reply).id, ana.id, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_login_and_a_wrong_password_look_the_same() {
    let mut shop = Shop::open().await;
    shop.register("ana").await;
    let wrong = check_refused(
        shop.users.login(login("ana", "wrong password")).await,
        Code::Unauthenticated,
        "login_failed",
    );
    for name in ["nobody", "nobody@example.com", "ünbekannt"] {
        let unknown = check_refused(
            shop.users.login(login(name, PASSWORD)).await,
            Code::Unauthenticated,
            "login_failed",
        );
        assert_eq!(unknown, wrong);
    }
    check_fields(shop.users.login(login("", "")).await, &["login", "password"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_verify_with_the_published_key() {
    let mut shop = Shop::open().await;
    let ana = shop.seller("ana").await;
    let token = shop.users.login(login("ana", PASSWORD)).await.unwrap().into_inner().access_token;
    let keys = shop.users.get_keys(GetKeysRequest {}).await.unwrap().into_inner().keys;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(signed.split('.').next().unwrap()).unwrap()).unwrap();
    assert_eq!((header["alg"].as_str(), header["typ"].as_str()), (Some("EdDSA"), Some("JWT")));
    let key = keys.iter().find(|key| Some(key.kid.as_str()) == header["kid"].as_str()).unwrap();
    assert_eq!((key.kty.as_str(), key.crv.as_str()), ("OKP", "Ed25519"));
    let key = VerifyingKey::from_bytes(&URL_SAFE_NO_PAD.decode(&key.x).unwrap().try_into().unwrap()).unwrap();
    let signature = Signature::from_slice(&URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    key.verify(signed.as_bytes(), &signature).unwrap();
    assert!(key.verify(&signed.as_bytes()[1..], &signature).is_err());
    let claims = claims(&token);
    assert_eq!((claims["iss"].as_str(), claims["sub"].as_str()), (Some("vitrina"), Some(ana.id.as_str())));
    assert_eq!(claims["roles"], serde_json::json!(["seller"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_rotated_at_each_use() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let mut token = ana.reply.refresh_token.clone();
    for _ in 0..3 {
        shop.context.clock.advance(Duration::from_secs(60));
        let reply = rotate(&mut shop, &token, "phone").await;
        assert_ne!(reply.refresh_token, token);
        assert_eq!(Account::of(reply.clone()).session_id, ana.session_id);
        token = reply.refresh_token;
    }
    assert!(is_active(&mut shop, &ana).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_grace_the_same_client_gets_the_same_successor() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let first = rotate(&mut shop, &ana.reply.refresh_token, "phone").await;
    shop.context.clock.advance(Duration::from_secs(20));
    let again = rotate(&mut shop, &ana.reply.refresh_token, "phone").await;
    assert_eq!(again.refresh_token, first.refresh_token);
    let refused = shop.users.refresh(refresh(&ana.reply.refresh_token, "laptop")).await;
    check_refused(refused, Code::Unauthenticated, "refresh_token_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refreshes_of_one_client_get_one_successor() {
    let shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (mut users, request) = (shop.users.clone(), refresh(&ana.reply.refresh_token, "phone"));
            tokio::spawn(async move { users.refresh(request).await.unwrap().into_inner().refresh_token })
        })
        .collect();
    let mut tokens = std::collections::HashSet::new();
    for call in calls {
        tokens.insert(call.await.unwrap());
    }
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_of_an_old_token_ends_its_family() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let newest = rotate(&mut shop, &ana.reply.refresh_token, "phone").await.refresh_token;
    shop.context.clock.advance(Duration::from_secs(21));
    let reused = shop.users.refresh(refresh(&ana.reply.refresh_token, "phone")).await;
    check_refused(reused, Code::Unauthenticated, "refresh_token_reused");
    check_refused(
        shop.users.refresh(refresh(&newest, "phone")).await,
        Code::Unauthenticated,
        "refresh_token_invalid",
    );
    assert!(!is_active(&mut shop, &ana).await);
    let ended: SessionEnded = shop.event("session.ended").await;
    assert_eq!((ended.user_id, ended.session_id), (ana.id, ana.session_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_and_expired_tokens_are_refused_and_end_nothing() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let mut bytes = URL_SAFE_NO_PAD.decode(&ana.reply.refresh_token).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    for bad in ["x", &URL_SAFE_NO_PAD.encode(&bytes), &ana.reply.access_token] {
        check_refused(
            shop.users.refresh(refresh(bad, "phone")).await,
            Code::Unauthenticated,
            "refresh_token_invalid",
        );
    }
    assert!(is_active(&mut shop, &ana).await);
    shop.context.clock.advance(Duration::from_secs(30 * 24 * 3600));
    let expired = shop.users.refresh(refresh(&ana.reply.refresh_token, "phone")).await;
    check_refused(expired, Code::Unauthenticated, "refresh_token_invalid");
    assert!(!is_active(&mut shop, &ana).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_at_once() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let other = Account::of(shop.users.login(login("ana", PASSWORD)).await.unwrap().into_inner());
    let by_token = LogoutRequest { refresh_token: Some(ana.reply.refresh_token.clone()) };
    let answer = shop.users.logout(by_token.clone()).await.unwrap();
    assert_eq!(changed(&answer), format!("session:{}", ana.session_id));
    let ended: SessionEnded = shop.event("session.ended").await;
    assert_eq!(ended.session_id, ana.session_id);
    assert!(!is_active(&mut shop, &ana).await);
    assert!(is_active(&mut shop, &other).await);
    shop.users.logout(by_token).await.unwrap();
    shop.users.logout(other.call(LogoutRequest::default())).await.unwrap();
    assert!(!is_active(&mut shop, &other).await);
    check_refused(
        shop.users.logout(LogoutRequest::default()).await,
        Code::Unauthenticated,
        "unauthenticated",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_sessions_the_least_recently_used_is_ended() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let mut newest = ana.clone();
    for _ in 0..50 {
        shop.context.clock.advance(Duration::from_secs(1));
        newest = Account::of(shop.users.login(login("ana", PASSWORD)).await.unwrap().into_inner());
    }
    assert!(!is_active(&mut shop, &ana).await);
    assert!(is_active(&mut shop, &newest).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_opens_a_session_by_id_or_login() {
    let mut shop = Shop::open().await;
    let ana = shop.register("ana").await;
    for login in [ana.id.as_str(), "ana", "ana@example.com"] {
        let reply =
            shop.users.issue_token(IssueTokenRequest { login: login.to_owned() }).await.unwrap().into_inner();
        assert_eq!(Account::of(reply).id, ana.id);
    }
    let unknown = shop.users.issue_token(IssueTokenRequest { login: "nobody".into() }).await;
    check_refused(unknown, Code::NotFound, "not_found");
}
