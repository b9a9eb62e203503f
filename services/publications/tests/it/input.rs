//! Bad input: every wrong field is named at once, by its name in JSON.

use tonic::Request;
use vitrina_chassis::{Caller, UserId};
use vitrina_proto::publications::v1 as pb;

use crate::harness::{Shop, as_caller, by, new, product, wrong_fields};

#[tokio::test]
async fn a_new_publication_names_all_that_is_wrong() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let create = |request| async { wrong_fields(shop.client().create_publication(by(ana, request)).await) };
    let named = create(pb::CreatePublicationRequest {
        product_id: "prd_1".into(),
        title: " ".into(),
        description: Some("x".repeat(2001)),
        tags: vec!["fine".into(), String::new(), "x".repeat(41)],
        payment_methods: Vec::new(),
        status: Some(pb::PublicationStatus::Closed.into()),
    });
    let all = ["description", "paymentMethods", "productId", "status", "tags[1]", "tags[2]", "title"];
    assert_eq!(named.await, all);
    let fine = new(&product(ana), "Lámpara");
    let many = pb::CreatePublicationRequest { tags: vec!["x".into(); 11], ..fine.clone() };
    assert_eq!(create(many).await, ["tags"]);
    let unknown = pb::CreatePublicationRequest { payment_methods: vec![1, 9], ..fine };
    assert_eq!(create(unknown).await, ["paymentMethods"]);
}

#[tokio::test]
async fn a_change_names_all_that_is_wrong_and_changes_nothing() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let made = shop.publish(&product(ana), "Lámpara").await;
    let request = pb::UpdatePublicationRequest {
        id: made.id.clone(),
        title: Some(String::new()),
        description: Some("\u{7}".into()),
        tags: vec![String::new()],
        payment_methods: vec![0],
        clear: vec!["status".into()],
    };
    let named = wrong_fields(shop.client().update_publication(by(ana, request)).await);
    assert_eq!(named, ["description", "paymentMethods", "status", "tags[0]", "title"]);
    assert_eq!(shop.get(Caller::anonymous(), &made.id).await.unwrap(), made);
    let request = pb::PutStatusRequest { id: made.id, status: 0 };
    assert_eq!(wrong_fields(shop.client().put_status(by(ana, request)).await), ["status"]);
}

#[tokio::test]
async fn questions_and_lists_name_what_is_wrong() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), shop.user("eva").await);
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let ask = pb::AskQuestionRequest { publication_id: id.clone(), text: "x".repeat(1001) };
    assert_eq!(wrong_fields(shop.client().ask_question(as_caller(Caller::user(eva), ask)).await), ["text"]);
    let answer = pb::AnswerQuestionRequest { id: "qst_1".into(), text: String::new() };
    assert_eq!(wrong_fields(shop.client().answer_question(by(ana, answer)).await), ["text"]);
    let mine = pb::ListMyPublicationsRequest { limit: Some(101), ..Default::default() };
    assert_eq!(wrong_fields(shop.client().list_my_publications(by(ana, mine)).await), ["limit"]);
    let related = pb::ListRelatedRequest { id, limit: Some(0) };
    assert_eq!(wrong_fields(shop.client().list_related(Request::new(related)).await), ["limit"]);
    let suggest = pb::SuggestRequest { q: String::new(), limit: Some(21) };
    assert_eq!(wrong_fields(shop.client().suggest(Request::new(suggest)).await), ["limit", "q"]);
    let batch = pb::BatchGetPublicationsRequest { ids: vec![String::new(); 101] };
    assert_eq!(wrong_fields(shop.client().batch_get_publications(Request::new(batch)).await), ["ids"]);
}

#[tokio::test]
async fn a_search_names_all_that_is_wrong() {
    let shop = Shop::open().await;
    let request = pb::SearchRequest {
        q: Some("x".repeat(201)),
        category: Some("x".repeat(201)),
        brand: Some("x".repeat(101)),
        seller: Some("ana".into()),
        sort: Some("best".into()),
        limit: Some(0),
        cursor: Some("!".into()),
        min_price: Some(2),
        max_price: Some(1),
        ..Default::default()
    };
    let named = wrong_fields(shop.client().search(Request::new(request)).await);
    assert_eq!(named, ["brand", "category", "cursor", "limit", "maxPrice", "q", "seller", "sort"]);
}
