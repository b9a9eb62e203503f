//! Who may pass.

use http::HeaderMap;
use prost::Message as _;
use vitrina_broker::Message;
use vitrina_edge::EdgeConfig;
use vitrina_proto::common::v1::Empty;
use vitrina_proto::events::v1::SessionEnded;
use vitrina_proto::users::v1::{
    BankAccountList, GetKeysRequest, GetSessionRequest, ListBankAccountsRequest, LogoutRequest, SessionState,
};

use crate::support::{LIMIT, Shop, check_problem, key_set, token, token_of};

const SESSION: &str = "vitrina.users.v1.Users/GetSession";

#[tokio::test(flavor = "multi_thread")]
async fn a_route_for_users_needs_a_token() {
    let shop = Shop::open().await;
    let answer = shop.get("/v1/me").await;
    assert_eq!(answer.headers()["www-authenticate"], "Bearer");
    check_problem(answer, 401, "unauthenticated").await;
    let answer = shop.get_as("/v1/me", "no-token").await;
    check_problem(answer, 401, "token_invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_told_who_calls_by_the_edge_alone() {
    let shop = Shop::open().await;
    let answer = shop
        .http
        .get(shop.url("/v1/me"))
        .bearer_auth(token("ses_1", &["seller"]))
        .header("x-vitrina-user", "usr_eve")
        .header("x-vitrina-roles", "admin")
        .header("x-request-id", "req-7")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-request-id"], "req-7");
    let seen = shop.scripts.seen("vitrina.users.v1.Users/GetMe").remove(0);
    assert_eq!(seen["x-vitrina-user"], "usr_ana");
    assert_eq!(seen["x-vitrina-roles"], "seller");
    assert_eq!(seen["x-vitrina-session"], "ses_1");
    assert_eq!(seen["x-vitrina-request-id"], "req-7");
    assert!(seen.contains_key("grpc-timeout"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_or_forged_token_is_refused() {
    let shop = Shop::open().await;
    check_problem(shop.get_as("/v1/me", &token_of(1, "ses_1", &[], -60)).await, 401, "token_expired").await;
    check_problem(shop.get_as("/v1/me", &token_of(2, "ses_1", &[], 60)).await, 401, "token_invalid").await;
    let forged = token_of(2, "ses_1", &[], 60).replace("key-2", "key-1");
    check_problem(shop.get_as("/v1/me", &forged).await, 401, "token_invalid").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let shop = Shop::open().await;
    assert_eq!(shop.get_as("/v1/me", &token("ses_1", &[])).await.status(), 200);
    shop.scripts.on("vitrina.users.v1.Users/GetKeys", |_: GetKeysRequest| Ok(key_set(&[1, 2])));
    let rotated = token_of(2, "ses_2", &[], 600);
    let answered = async {
        // Unknown keys are asked for once a second at most.
        while shop.get_as("/v1/me", &rotated).await.status() != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LIMIT, answered).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_the_answer_of_its_log_out() {
    let shop = Shop::open().await;
    shop.scripts.on_with("vitrina.users.v1.Users/Logout", |_: LogoutRequest, _| {
        let mut headers = HeaderMap::new();
        headers.insert("x-vitrina-changed", "user:usr_ana,session:ses_1".parse().unwrap());
        Ok((Empty {}, headers))
    });
    let (first, second) = (token("ses_1", &[]), token("ses_2", &[]));
    assert_eq!(shop.get_as("/v1/me", &first).await.status(), 200);
    let logout = shop.http.post(shop.url("/v1/auth/logout")).bearer_auth(&first).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    check_problem(shop.get_as("/v1/me", &first).await, 401, "session_ended").await;
    assert_eq!(shop.get_as("/v1/me", &second).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_at_another_edge_ends_here() {
    let dir = tempfile::tempdir().unwrap();
    let store = vitrina_storage::Store::open(dir.path(), vitrina_storage::Options::default()).unwrap();
    let broker = vitrina_broker::embedded(store);
    let shop = Shop::open_with(EdgeConfig::default(), Some(broker.clone())).await;
    let token = token("ses_1", &[]);
    assert_eq!(shop.get_as("/v1/me", &token).await.status(), 200);
    let ended = SessionEnded { user_id: "usr_ana".into(), session_id: "ses_1".into(), ended_at: None };
    let refused = async {
        // The edge's queue may not be there yet: publish until it is heard.
        while shop.get_as("/v1/me", &token).await.status() != 401 {
            let message = Message {
                id: uuid::Uuid::now_v7().to_string(),
                topic: "session.ended".into(),
                key: "usr_ana".into(),
                payload: ended.encode_to_vec().into(),
                headers: vec![],
            };
            broker.publish(message).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, refused).await.unwrap();
    shop.edge.drain().await;
    broker.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_asks_about_sessions_older_than_itself() {
    let shop = Shop::open().await;
    shop.scripts.on(SESSION, |_: GetSessionRequest| Ok(SessionState { active: false, is_seller: false }));
    check_problem(shop.get_as("/v1/me", &token("ses_1", &[])).await, 401, "session_ended").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_route_asks_whether_the_user_has_become_one() {
    let shop = Shop::open().await;
    let list = "vitrina.users.v1.Users/ListBankAccounts";
    shop.scripts.on(list, |_: ListBankAccountsRequest| Ok(BankAccountList::default()));
    let token = token("ses_1", &[]);
    check_problem(shop.get_as("/v1/me/bank-accounts", &token).await, 403, "seller_required").await;
    shop.scripts.on(SESSION, |_: GetSessionRequest| Ok(SessionState { active: true, is_seller: true }));
    assert_eq!(shop.get_as("/v1/me/bank-accounts", &token).await.status(), 200);
    assert_eq!(shop.scripts.seen(list)[0]["x-vitrina-roles"], "seller");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_checked_is_no_wrong_token() {
    let shop = Shop::open().await;
    let faults = serde_json::json!({"users": {"down": true}});
    shop.http
        .put(shop.admin("/admin/faults"))
        .json(&faults)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let unknown = token_of(9, "ses_1", &[], 600);
    let unsure = async {
        // Within a second of the last fetch the known keys are taken for all there are.
        loop {
            let answer = shop.get_as("/v1/me", &unknown).await;
            if answer.status() != 401 {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let answer = tokio::time::timeout(LIMIT, unsure).await.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    check_problem(answer, 503, "unavailable").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_calls_too_often_is_told_to_wait() {
    let mut config = EdgeConfig::default();
    config.rates.read = vitrina_edge::Rate { per_s: 1, burst: 2 };
    let shop = Shop::open_with(config, None).await;
    let token = token("ses_1", &[]);
    let first = shop.get_as("/v1/me", &token).await;
    assert_eq!(first.headers()["ratelimit"], "\"read\";r=1;t=1");
    assert_eq!(first.headers()["ratelimit-policy"], "\"read\";q=2;w=2");
    let refused = async {
        loop {
            let answer = shop.get_as("/v1/me", &token).await;
            if answer.status() == 429 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(LIMIT, refused).await.unwrap();
    assert!(answer.headers().contains_key("retry-after"));
    assert!(answer.headers()["ratelimit"].to_str().unwrap().starts_with("\"read\";r=0"));
    check_problem(answer, 429, "too_many_requests").await;
}
