//! Preferences by kind and channel.

use tonic::{Code, Status};
use vitrina_chassis::Fault;
use vitrina_proto::notifications::v1 as pb;

use crate::desk::{Desk, Person, by, stranger};
use crate::events::{order, token, user};

fn preference(kind: &str, email: bool, push: bool) -> pb::Preference {
    pb::Preference { kind: kind.to_owned(), email, push }
}

async fn put(desk: &Desk, person: &Person, items: Vec<pb::Preference>) -> Result<pb::Preferences, Status> {
    let request = pb::PutPreferencesRequest { items };
    desk.client().put_preferences(by(person.id, request)).await.map(|reply| reply.into_inner())
}

async fn get(desk: &Desk, person: &Person) -> Vec<pb::Preference> {
    let reply = desk.client().get_preferences(by(person.id, pb::GetPreferencesRequest {})).await;
    reply.expect("preferences are read").into_inner().items
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_does_not_come_and_the_rest_does() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, stranger("seller"));
    let refused = vec![preference("order_shipped", false, true), preference("payment_approved", true, false)];
    put(&desk, &buyer, refused).await.unwrap();
    for topic in ["order.shipped", "order.paid", "order.placed"] {
        desk.publish(topic, "ord_1", &order("ord_1", Some(&buyer), &seller)).await;
    }
    desk.until_told(&buyer, 3).await;
    desk.until_mailed(&buyer.email, 2).await;
    desk.until_pushed("buyer-phone", 2).await;
    let mails = desk.mails(&buyer.email).await;
    assert!(mails.iter().all(|mail| mail["categories"][0] != "order_shipped"), "{mails:#?}");
    let pushes = desk.pushes("buyer-phone").await;
    assert!(pushes.iter().all(|push| push["data"]["kind"] != "payment_approved"), "{pushes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_security_mail_comes_to_who_refuses_everything() {
    let desk = Desk::open().await;
    let person = desk.person("ana").await;
    let nothing = get(&desk, &person).await.into_iter().map(|item| preference(&item.kind, false, false));
    let shown = put(&desk, &person, nothing.collect()).await.unwrap().items;
    let by_mail: Vec<_> = shown.iter().filter(|item| item.email).map(|item| item.kind.as_str()).collect();
    assert_eq!(by_mail, ["verify_email", "password_reset"]);
    assert!(shown.iter().all(|item| !item.push));
    let later_ms = desk.ctx.clock.now_ms() + 3_600_000;
    let key = person.id.to_string();
    desk.publish("user.registered", &key, &user(&person)).await;
    desk.publish("user.password_reset_requested", &key, &token(&person, "t", later_ms)).await;
    desk.publish("user.verify_requested", &key, &token(&person, "t", later_ms)).await;
    desk.until_told(&person, 3).await;
    desk.until_mailed(&person.email, 2).await;
    let mails = desk.mails(&person.email).await;
    assert!(mails.iter().all(|mail| mail["categories"][0] != "welcome"), "{mails:#?}");
    assert!(desk.pushes("ana-phone").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn preferences_are_replaced_as_a_whole() {
    let desk = Desk::open().await;
    let person = stranger("ana");
    assert!(get(&desk, &person).await.iter().all(|item| item.email && item.push), "yes by default");
    put(&desk, &person, vec![preference("welcome", false, false)]).await.unwrap();
    let after = put(&desk, &person, vec![preference("price_drop", false, true)]).await.unwrap().items;
    assert_eq!(after, get(&desk, &person).await);
    let refused: Vec<_> = after.iter().filter(|item| !item.email || !item.push).cloned().collect();
    assert_eq!(refused, [preference("price_drop", false, true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_kind_is_named_at_once() {
    let desk = Desk::open().await;
    let person = stranger("ana");
    let items = ["welcome", "no_such_kind", "", "welcome"].map(|kind| preference(kind, true, true));
    let refused = put(&desk, &person, items.to_vec()).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let fields = Fault::from_status(&refused).fields;
    let named: Vec<_> = fields.iter().map(|wrong| (wrong.field.as_str(), wrong.code.as_ref())).collect();
    let wrong = [("items[1].kind", "unknown"), ("items[2].kind", "required"), ("items[3].kind", "duplicate")];
    assert_eq!(named, wrong);
    assert!(put(&desk, &person, Vec::new()).await.is_err(), "nothing is no preference");
    let many = vec![preference("x", true, true); 1000];
    assert!(Fault::from_status(&put(&desk, &person, many).await.unwrap_err()).fields.len() <= 50);
}
