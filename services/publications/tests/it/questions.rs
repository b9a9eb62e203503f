//! Questions and answers.

use tonic::{Code, Request, Response, Status};
use vitrina_chassis::{Caller, UserId};
use vitrina_proto::events::v1::QuestionChanged;
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus::Paused;

use crate::harness::{Shop, as_caller, by, keyed, listen, next_event, product, reason};

async fn answer(shop: &Shop, seller: UserId, id: &str) -> Result<pb::Question, Status> {
    let request = pb::AnswerQuestionRequest { id: id.to_owned(), text: "Sí.".into() };
    shop.client().answer_question(by(seller, request)).await.map(Response::into_inner)
}

async fn delete(shop: &Shop, caller: Caller, id: &str) -> Result<(), Status> {
    let request = pb::DeleteQuestionRequest { id: id.to_owned() };
    shop.client().delete_question(as_caller(caller, request)).await.map(|_| ())
}

async fn list(shop: &Shop, id: &str, limit: u32, cursor: Option<String>) -> pb::QuestionList {
    let request = pb::ListQuestionsRequest { publication_id: id.to_owned(), limit: Some(limit), cursor };
    shop.client().list_questions(Request::new(request)).await.expect("it is public").into_inner()
}

#[tokio::test]
async fn a_question_is_asked_by_name_answered_once_and_told_of() {
    let shop = Shop::open().await;
    let mut events = listen(&shop.ctx, &["question.*"]).await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    // The event comes after the call: it is waited for.
    let (asked, ()) = tokio::join!(shop.ask(eva, &id), async {
        tokio::task::yield_now().await;
        shop.hear_user(eva, 1, "eva").await;
    });
    let asked = asked.unwrap();
    assert_eq!(asked.asked_by.as_ref().unwrap().username, "eva");
    assert_eq!(figures(&shop, ana).await, 1);
    let answered = answer(&shop, ana, &asked.id).await.unwrap();
    assert_eq!((answered.answer.as_ref().unwrap().text.as_str(), answered.version), ("Sí.", 2));
    assert_eq!(reason(answer(&shop, ana, &asked.id).await), "already_answered");
    assert_eq!(list(&shop, &id, 10, None).await.items, std::slice::from_ref(&answered));
    assert_eq!(figures(&shop, ana).await, 0);
    for (wanted, question) in [("question.asked", asked), ("question.answered", answered)] {
        let (topic, event) = next_event::<QuestionChanged>(&mut events).await;
        assert_eq!((topic.as_str(), event.seller_id), (wanted, ana.to_string()));
        assert_eq!(event.question, Some(question));
    }
}

/// Questions that a seller has not answered.
async fn figures(shop: &Shop, seller: UserId) -> u32 {
    let request = pb::GetSellerFiguresRequest { seller_id: seller.to_string() };
    let figures =
        shop.client().get_seller_figures(Request::new(request)).await.expect("they are counted").into_inner();
    figures.unanswered_questions
}

#[tokio::test]
async fn who_stays_unknown_asks_without_a_name() {
    let shop = Shop::waiting(50).await;
    let ana = UserId::generate();
    shop.hear_product(&product(ana)).await;
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    crate::harness::until("the product is known", || async {
        let request = crate::harness::new(&lamp, "Lámpara");
        match shop.client().create_publication(by(ana, request)).await {
            Ok(made) => {
                let asked = shop.ask(UserId::generate(), &made.into_inner().id).await.unwrap();
                assert_eq!(asked.asked_by.unwrap().username, "");
                true
            }
            Err(_) => false,
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_asks_himself_or_about_what_is_not_on_sale() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), shop.user("eva").await);
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    assert_eq!(reason(shop.ask(ana, &id).await), "own_publication");
    shop.put_status(ana, &id, Paused).await.unwrap();
    assert_eq!(reason(shop.ask(eva, &id).await), "publication_not_active");
    assert_eq!(shop.ask(eva, "pub_nothing").await.unwrap_err().code(), Code::NotFound);
    let request = pb::AskQuestionRequest { publication_id: id, text: "?".into() };
    let nobody = shop.client().ask_question(as_caller(Caller::anonymous(), request)).await;
    assert_eq!(nobody.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn only_the_seller_answers() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), shop.user("eva").await);
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let asked = shop.ask(eva, &id).await.unwrap().id;
    assert_eq!(answer(&shop, eva, &asked).await.unwrap_err().code(), Code::NotFound);
    let request = pb::AnswerQuestionRequest { id: asked, text: "Sí.".into() };
    let user = shop.client().answer_question(as_caller(Caller::user(ana), request)).await;
    assert_eq!(user.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_question_is_removed_by_its_asker_until_answered_and_by_an_admin_always() {
    let shop = Shop::open().await;
    let (ana, eva, root) = (UserId::generate(), shop.user("eva").await, UserId::generate());
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let first = shop.ask(eva, &id).await.unwrap().id;
    for stranger in [Caller::seller(ana), Caller::user(root)] {
        assert_eq!(delete(&shop, stranger, &first).await.unwrap_err().code(), Code::NotFound);
    }
    delete(&shop, Caller::user(eva), &first).await.unwrap();
    assert_eq!(delete(&shop, Caller::user(eva), &first).await.unwrap_err().code(), Code::NotFound);
    let second = shop.ask(eva, &id).await.unwrap().id;
    answer(&shop, ana, &second).await.unwrap();
    assert_eq!(reason(delete(&shop, Caller::user(eva), &second).await), "already_answered");
    delete(&shop, Caller::admin(root), &second).await.unwrap();
    assert!(list(&shop, &id, 10, None).await.items.is_empty());
    assert_eq!(figures(&shop, ana).await, 0);
}

#[tokio::test]
async fn questions_come_newest_first_page_by_page() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), shop.user("eva").await);
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let mut asked = Vec::new();
    for _ in 0..7 {
        shop.ctx.clock.advance(std::time::Duration::from_millis(1));
        asked.insert(0, shop.ask(eva, &id).await.unwrap().id);
    }
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = list(&shop, &id, 3, cursor).await;
        assert!(page.items.len() <= 3);
        seen.extend(page.items.into_iter().map(|question| question.id));
        // What is asked meanwhile is newer than the page and does not move it.
        shop.ask(eva, &id).await.unwrap();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, asked);
    let request = pb::ListQuestionsRequest { publication_id: id, cursor: Some("!".into()), limit: Some(0) };
    let bad = shop.client().list_questions(Request::new(request)).await;
    assert_eq!(bad.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn asking_twice_with_one_key_asks_once() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), shop.user("eva").await);
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let ask = || {
        let request = pb::AskQuestionRequest { publication_id: id.clone(), text: "¿?".into() };
        keyed(as_caller(Caller::user(eva), request), "k")
    };
    let first = shop.client().ask_question(ask()).await.unwrap().into_inner();
    assert_eq!(shop.client().ask_question(ask()).await.unwrap().into_inner(), first);
    assert_eq!(list(&shop, &id, 10, None).await.items.len(), 1);
}
