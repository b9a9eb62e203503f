//! The inbox: pages, reading, and events that come twice, in any order and in bursts.

use tonic::Code;
use vitrina_proto::notifications::v1 as pb;

use crate::desk::{Desk, Person, by, message, stranger};
use crate::events::{order, user};

async fn count(desk: &Desk, person: &Person) -> u32 {
    let request = pb::CountUnreadRequest { user_id: person.id.to_string() };
    desk.client().count_unread(by(person.id, request)).await.expect("a count is read").into_inner().unread
}

/// Tells of so many orders to one buyer, each its own.
async fn orders(desk: &Desk, buyer: &Person, seller: &Person, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let id = format!("ord_{number}");
        desk.publish("order.shipped", &id, &order(&id, Some(buyer), seller)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_is_read_page_by_page_newest_first() {
    let desk = Desk::with(|config| (config.sendgrid, config.fcm) = (None, None)).await;
    let (buyer, seller) = (stranger("buyer"), stranger("seller"));
    for number in 0..5 {
        orders(&desk, &buyer, &seller, number..number + 1).await;
        desk.until_told(&buyer, number as usize + 1).await;
    }
    let (mut ids, mut cursor) = (Vec::new(), None);
    loop {
        let request = pb::ListNotificationsRequest { limit: Some(2), cursor };
        let page = desk.client().list_notifications(by(buyer.id, request)).await.unwrap().into_inner();
        assert!(page.items.len() <= 2);
        assert_eq!(page.unread, 5);
        ids.extend(page.items.into_iter().map(|item| item.id));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut sorted = ids.clone();
    sorted.sort_by(|one, other| other.cmp(one));
    sorted.dedup();
    assert_eq!((ids.len(), &ids), (5, &sorted));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_not_unread_and_is_ones_own() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, stranger("seller"));
    orders(&desk, &buyer, &seller, 0..3).await;
    desk.until_told(&buyer, 3).await;
    assert_eq!(count(&desk, &buyer).await, 3);
    let id = desk.inbox(&buyer).await.items[1].id.clone();
    let read = || pb::MarkReadRequest { id: id.clone() };
    let other = desk.client().mark_read(by(seller.id, read())).await.unwrap_err();
    assert_eq!(other.code(), Code::NotFound, "another's is not there");
    let first = desk.client().mark_read(by(buyer.id, read())).await.unwrap().into_inner();
    assert!(first.read_at.is_some());
    desk.ctx.clock.advance(std::time::Duration::from_secs(5));
    let again = desk.client().mark_read(by(buyer.id, read())).await.unwrap().into_inner();
    assert_eq!(first.read_at, again.read_at, "it was read the first time");
    let inbox = desk.inbox(&buyer).await;
    assert_eq!((inbox.unread, count(&desk, &buyer).await), (2, 2));
    assert_eq!(inbox.items.iter().filter(|item| item.read_at.is_some()).count(), 1);
    let foreign = pb::CountUnreadRequest { user_id: buyer.id.to_string() };
    let refused = desk.client().count_unread(by(seller.id, foreign)).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "another's count is not for him");
    let unknown = pb::MarkReadRequest { id: "ntf_1".into() };
    assert_eq!(desk.client().mark_read(by(buyer.id, unknown)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_twice_and_in_the_wrong_order_is_told_once() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, desk.person("seller").await);
    let told = order("ord_1", Some(&buyer), &seller);
    let mut messages: Vec<_> = ["order.finished", "order.shipped", "order.paid", "order.placed"]
        .into_iter()
        .map(|topic| message(topic, "ord_1", &told))
        .collect();
    // The same messages again, and the same facts in messages of their own.
    messages.extend(messages.clone());
    messages.extend(["order.paid", "order.placed"].map(|topic| message(topic, "ord_1", &told)));
    for message in &messages {
        desk.tell(message).await;
    }
    let last = message("user.registered", "ord_1", &user(&buyer));
    desk.tell(&last).await;
    desk.until("the last one is told", || async {
        desk.kinds(&buyer).await.iter().any(|kind| kind == "welcome")
    })
    .await;
    let kinds = ["order_finished", "order_placed", "order_shipped", "payment_approved", "welcome"];
    assert_eq!(desk.kinds(&buyer).await, kinds);
    desk.until_mailed(&buyer.email, 5).await;
    desk.until_pushed("buyer-phone", 5).await;
    assert_eq!((desk.mails(&buyer.email).await.len(), desk.pushes("buyer-phone").await.len()), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_contact_does_not_replace_a_newer_one() {
    let desk = Desk::open().await;
    let mut buyer = stranger("new");
    desk.contact(&buyer, 2, &[("new-phone", "token")]).await;
    buyer.email = "old@example.com".to_owned();
    desk.contact(&buyer, 1, &[("old-phone", "token")]).await;
    desk.publish("user.registered", &buyer.id.to_string(), &user(&buyer)).await;
    desk.until_mailed("new@example.com", 1).await;
    desk.until_pushed("new-phone", 1).await;
    assert!(desk.mails("old@example.com").await.is_empty() && desk.pushes("old-phone").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_yet_is_told_once_he_is() {
    let desk = Desk::open().await;
    let buyer = stranger("buyer");
    desk.publish("user.registered", "u", &user(&buyer)).await;
    desk.until_told(&buyer, 1).await;
    desk.contact(&buyer, 1, &[("buyer-phone", "token"), ("buyer-tablet", "token")]).await;
    desk.until_mailed(&buyer.email, 1).await;
    desk.until_pushed("buyer-phone", 1).await;
    desk.until_pushed("buyer-tablet", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_is_told_nothing_and_leaves_nothing() {
    let desk = Desk::open().await;
    let (buyer, seller) = (desk.person("buyer").await, stranger("seller"));
    orders(&desk, &buyer, &seller, 0..3).await;
    desk.until_told(&buyer, 3).await;
    let gone = vitrina_proto::events::v1::UserChanged { username: String::new(), version: 9, ..user(&buyer) };
    desk.publish("user.deleted", &buyer.id.to_string(), &gone).await;
    desk.until("the inbox is empty", || async { desk.inbox(&buyer).await.items.is_empty() }).await;
    // A late word of how he was reached does not bring him back.
    desk.contact(&buyer, 7, &[("buyer-phone", "token")]).await;
    orders(&desk, &buyer, &seller, 3..4).await;
    orders(&desk, &seller, &seller, 4..5).await;
    desk.until_told(&seller, 1).await;
    assert!(desk.inbox(&buyer).await.items.is_empty());
    assert_eq!(count(&desk, &buyer).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_all_arrive_once() {
    const BURST: u32 = 1000;
    let desk = Desk::with(|config| (config.sendgrid, config.fcm) = (None, None)).await;
    let (buyer, seller) = (stranger("buyer"), stranger("seller"));
    let messages: Vec<_> = (0..BURST)
        .map(|number| {
            let id = format!("ord_{number}");
            message("order.shipped", &id, &order(&id, Some(&buyer), &seller))
        })
        .collect();
    let twice = messages.iter().chain(&messages);
    futures::future::join_all(twice.map(|message| desk.tell(message))).await;
    desk.until("all are told", || async { count(&desk, &buyer).await >= BURST }).await;
    // What came twice has been settled once another event behind it is.
    let last = message("user.registered", "ord_0", &user(&buyer));
    desk.tell(&last).await;
    desk.until("the last one is told", || async { desk.inbox(&buyer).await.items[0].kind == "welcome" })
        .await;
    assert_eq!(count(&desk, &buyer).await, BURST + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_is_forgotten() {
    let desk = Desk::with(|config| config.keep_ms = 60_000).await;
    let (buyer, seller) = (desk.person("buyer").await, stranger("seller"));
    orders(&desk, &buyer, &seller, 0..2).await;
    desk.until_mailed(&buyer.email, 2).await;
    desk.ctx.clock.advance(std::time::Duration::from_secs(61));
    desk.until("the inbox is empty", || async { desk.inbox(&buyer).await.items.is_empty() }).await;
    assert_eq!(count(&desk, &buyer).await, 0);
}
