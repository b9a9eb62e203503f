//! Every kind reaches the inbox, the mailbox and every device, in the reader's language.

use serde_json::Value;
use vitrina_proto::events::v1 as events;

use crate::desk::{Desk, Person, stranger};
use crate::events::{operation, order, product, question, review, token, user, wish};

/// Tells everything that can happen to a buyer and a seller.
async fn everything(desk: &Desk, buyer: &Person, seller: &Person) {
    let later_ms = desk.ctx.clock.now_ms() + 3_600_000;
    let key = buyer.id.to_string();
    desk.publish("user.registered", &key, &user(buyer)).await;
    desk.publish("user.verify_requested", &key, &token(buyer, "verify-secret", later_ms)).await;
    desk.publish("user.password_reset_requested", &key, &token(buyer, "reset-secret", later_ms)).await;
    for topic in [
        "order.placed",
        "order.payment_rejected",
        "order.paid",
        "order.shipped",
        "order.finished",
        "order.refunded",
    ] {
        desk.publish(topic, "ord_1", &order("ord_1", Some(buyer), seller)).await;
    }
    desk.publish("order.cancelled", "ord_2", &order("ord_2", Some(buyer), seller)).await;
    desk.publish("order.expired", "ord_3", &order("ord_3", Some(buyer), seller)).await;
    desk.publish("question.asked", "qst_1", &question(buyer, seller, None)).await;
    desk.publish("question.answered", "qst_1", &question(buyer, seller, Some("Sí, dos AA."))).await;
    desk.publish("review.created", &seller.id.to_string(), &review(seller)).await;
    desk.publish("operation.failed", "opr_1", &operation(buyer)).await;
    desk.publish("wishlist.added", &key, &wish(buyer)).await;
    // Events of different keys overtake one another, so the price falls until the wish is known.
    desk.until("the price is told", || async {
        desk.publish("product.changed", "prd_1", &product((900, 5), Some((1000, 5)))).await;
        desk.kinds(buyer).await.iter().any(|kind| kind == "price_drop")
    })
    .await;
    desk.publish("product.stock_changed", "prd_1", &product((900, 5), Some((900, 0)))).await;
}

const BUYER: [&str; 15] = [
    "back_in_stock",
    "operation_failed",
    "order_cancelled",
    "order_expired",
    "order_finished",
    "order_placed",
    "order_refunded",
    "order_shipped",
    "password_reset",
    "payment_approved",
    "payment_rejected",
    "price_drop",
    "question_answered",
    "verify_email",
    "welcome",
];
const SELLER: [&str; 8] = [
    "order_cancelled",
    "order_expired",
    "order_finished",
    "order_received",
    "order_refunded",
    "payment_approved",
    "question_asked",
    "review_received",
];

fn sorted(values: &[Value], field: fn(&Value) -> &Value) -> Vec<String> {
    let mut words: Vec<String> =
        values.iter().map(|value| field(value).as_str().unwrap_or_default().to_owned()).collect();
    words.sort();
    words
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_arrives_by_every_channel() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, desk.person("seller").await);
    everything(&desk, &buyer, &seller).await;
    for (person, name, kinds) in [(&buyer, "buyer", &BUYER[..]), (&seller, "seller", &SELLER[..])] {
        desk.until_told(person, kinds.len()).await;
        assert_eq!(desk.kinds(person).await, kinds);
        desk.until_mailed(&person.email, kinds.len()).await;
        let mails = desk.mails(&person.email).await;
        assert_eq!(sorted(&mails, |mail| &mail["categories"][0]), kinds, "mails of {name}");
        for (device, target) in [(format!("{name}-phone"), "token"), (format!("{name}-browser"), "fid")] {
            desk.until_pushed(&device, kinds.len()).await;
            let pushes = desk.pushes(&device).await;
            assert_eq!(sorted(&pushes, |push| &push["data"]["kind"]), kinds, "pushes of {device}");
            assert!(pushes.iter().all(|push| push["target"] == target), "{pushes:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_written_for_people_and_escaped_for_browsers() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, stranger("seller"));
    desk.publish("order.shipped", "ord_1", &order("ord_00aa11bb", Some(&buyer), &seller)).await;
    desk.until_mailed(&buyer.email, 1).await;
    let mail = &desk.mails(&buyer.email).await[0];
    assert_eq!(mail["subject"], "Tu pedido #00AA11BB está en camino");
    let (text, html) = (mail["text"].as_str().unwrap(), mail["html"].as_str().unwrap());
    assert!(text.contains("Hola, Ana") && text.contains("«Radio <b>de viaje</b>» y 1 más"), "{text}");
    assert!(text.contains("https://shop.example/orders/ord_00aa11bb"), "{text}");
    assert!(html.contains("Radio &lt;b&gt;de viaje") && !html.contains("<b>de"), "{html}");
    let entry = desk.inbox(&buyer).await.items.remove(0);
    assert_eq!(entry.title, mail["subject"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_language_is_the_readers_also_when_he_changes_it() {
    let desk = Desk::open().await;
    let (buyer, seller) = (stranger("buyer"), stranger("seller"));
    desk.reach(&buyer, 1, "en", &[("buyer-phone", "token")]).await;
    desk.publish("order.placed", "ord_1", &order("ord_00aa11bb", Some(&buyer), &seller)).await;
    desk.until_mailed(&buyer.email, 1).await;
    assert_eq!(desk.mails(&buyer.email).await[0]["subject"], "We have your order #00AA11BB");
    desk.until_pushed("buyer-phone", 1).await;
    assert_eq!(desk.pushes("buyer-phone").await[0]["title"], "We have your order #00AA11BB");
    assert_eq!(desk.inbox(&buyer).await.items[0].title, "We have your order #00AA11BB");
    desk.reach(&buyer, 2, "es", &[]).await;
    desk.until("the inbox is in Spanish", || async {
        desk.inbox(&buyer).await.items[0].title == "Recibimos tu pedido #00AA11BB"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_gets_his_mail_without_a_link() {
    let desk = Desk::open().await;
    let seller = desk.person("seller").await;
    let placed = events::OrderChanged {
        guest_email: Some("guest@example.com".to_owned()),
        ..order("ord_1", None, &seller)
    };
    desk.publish("order.placed", "ord_1", &placed).await;
    desk.until_mailed("guest@example.com", 1).await;
    let mail = &desk.mails("guest@example.com").await[0];
    assert_eq!(mail["categories"][0], "order_placed");
    assert!(!mail["text"].as_str().unwrap().contains("https://shop.example"), "{mail:#?}");
    desk.until_told(&seller, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_security_carries_its_token_and_nothing_else_does() {
    let desk = Desk::open().await;
    let person = desk.person("ana").await;
    let later_ms = desk.ctx.clock.now_ms() + 3_600_000;
    desk.publish("user.password_reset_requested", "u", &token(&person, "a-secret-token", later_ms)).await;
    desk.until_mailed(&person.email, 1).await;
    desk.until_pushed("ana-phone", 1).await;
    let mail = &desk.mails(&person.email).await[0];
    let link = "https://shop.example/reset-password?token=a-secret-token";
    assert!(mail["text"].as_str().unwrap().contains(link), "{mail:#?}");
    assert!(mail["html"].as_str().unwrap().contains("token=a-secret-token"), "{mail:#?}");
    let push = desk.pushes("ana-phone").await.remove(0);
    let told = desk.inbox(&person).await;
    assert!(!push.to_string().contains("a-secret") && !format!("{told:?}").contains("a-secret"));
    // Neither while it waits nor afterwards does it lie in the store as it is.
    desk.misbehave("sendgrid", serde_json::json!({ "down": true })).await;
    desk.publish("user.verify_requested", "u", &token(&person, "b-secret-token", later_ms)).await;
    desk.until_told(&person, 2).await;
    let files = desk.files().await;
    let holds = |word: &[u8]| files.windows(word.len()).any(|part| part == word);
    assert!(holds(b"password_reset"), "these are the files of the store");
    assert!(!holds(b"a-secret-token") && !holds(b"b-secret-token"));
    assert!(!holds(b"ana-phone") && !holds(b"ana-browser"), "nor does the token of a device");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_whose_time_is_over_is_not_sent() {
    let desk = Desk::open().await;
    let (late, known) = (stranger("late"), desk.person("known").await);
    let soon_ms = desk.ctx.clock.now_ms() + 500;
    desk.publish("user.verify_requested", "u", &token(&late, "too-late", soon_ms)).await;
    desk.until_told(&late, 1).await;
    desk.ctx.clock.advance(std::time::Duration::from_secs(1));
    // Only now can he be reached.
    desk.contact(&late, 1, &[]).await;
    desk.publish("user.registered", "v", &user(&late)).await;
    desk.publish("user.registered", "w", &user(&known)).await;
    desk.until_mailed(&late.email, 1).await;
    assert_eq!(desk.mails(&late.email).await[0]["categories"][0], "welcome");
}
