//! Providers that are down, slow or refuse, devices that are gone, and crashes: what was promised is sent, or ends.

use std::time::Duration;

use serde_json::{Value, json};
use vitrina_chassis::vault::devices_of;
use vitrina_proto::events::v1::DeviceUnregistered;

use crate::desk::{Desk, stranger, vault};
use crate::events::{order, user};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_in_trouble_is_tried_again_and_the_other_is_not_held_up() {
    let troubles: [Value; 4] = [
        json!({ "down": true }),
        json!({ "error_rate": 1.0, "error_status": 429 }),
        json!({ "error_rate": 1.0, "error_status": 500 }),
        json!({ "time_out": "before" }),
    ];
    for trouble in troubles {
        for (broken, whole) in [("sendgrid", "fcm"), ("fcm", "sendgrid")] {
            let desk = Desk::with(|config| config.retry_ms = vec![1000; 100]).await;
            let person = desk.person("ana").await;
            desk.misbehave(broken, trouble.clone()).await;
            desk.publish("user.registered", "u", &user(&person)).await;
            match whole {
                "fcm" => desk.until_pushed("ana-phone", 1).await,
                _ => desk.until_mailed(&person.email, 1).await,
            }
            desk.misbehave(broken, json!({})).await;
            desk.until_mailed(&person.email, 1).await;
            desk.until_pushed("ana-phone", 1).await;
            desk.until_pushed("ana-browser", 1).await;
            assert_eq!(desk.mails(&person.email).await.len(), 1, "{broken} {trouble}");
            assert_eq!(desk.pushes("ana-phone").await.len(), 1, "{broken} {trouble}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ladder_ends() {
    let desk = Desk::with(|config| config.retry_ms = vec![1000; 3]).await;
    let person = desk.person("ana").await;
    desk.misbehave("sendgrid", json!({ "down": true })).await;
    desk.publish("user.registered", "u", &user(&person)).await;
    desk.until_pushed("ana-phone", 1).await;
    // Longer than all steps together, in looks that let each of them happen.
    let end_ms = desk.ctx.clock.now_ms() + 60_000;
    desk.until("the ladder is over", || async { desk.ctx.clock.now_ms() > end_ms }).await;
    desk.misbehave("sendgrid", json!({})).await;
    let (buyer, seller) = (&person, stranger("seller"));
    desk.publish("order.shipped", "ord_1", &order("ord_1", Some(buyer), &seller)).await;
    desk.until_mailed(&person.email, 1).await;
    let end_ms = desk.ctx.clock.now_ms() + 20_000;
    desk.until("nothing more is sent", || async { desk.ctx.clock.now_ms() > end_ms }).await;
    let mails = desk.mails(&person.email).await;
    assert_eq!(mails.len(), 1, "what was given up does not come: {mails:#?}");
    assert_eq!(mails[0]["categories"][0], "order_shipped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_gone_is_removed_and_the_others_go_on() {
    let desk = Desk::open().await;
    let person = stranger("ana");
    let devices =
        [("ana-phone", "token"), ("unregistered-1", "token"), ("invalid-1", "fid"), ("mismatch-1", "token")];
    desk.contact(&person, 1, &devices).await;
    let mut gone = desk
        .ctx
        .broker
        .consume(vitrina_broker::Queue {
            name: "test.inbox".into(),
            topics: vec!["device.unregistered".into()],
            kind: vitrina_broker::QueueKind::Durable,
            prefetch: 10,
        })
        .await
        .expect("the broker has a queue");
    desk.publish("user.registered", "u", &user(&person)).await;
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let delivery = tokio::time::timeout(Duration::from_secs(60), gone.next()).await;
        let delivery = delivery.expect("it is told in time").expect("the queue is open");
        let payload: DeviceUnregistered =
            prost::Message::decode(delivery.message.payload.clone()).expect("it is that event");
        assert_eq!(payload.user_id, person.id.to_string());
        let opened = vault().open(&devices_of(&payload.user_id), &payload.token);
        tokens.push(opened.expect("it is told sealed"));
        delivery.ack().await.expect("the broker takes the acknowledgement");
    }
    tokens.sort();
    assert_eq!(tokens, ["invalid-1", "unregistered-1"]);
    desk.until_pushed("ana-phone", 1).await;
    let seller = stranger("seller");
    desk.publish("order.shipped", "ord_1", &order("ord_1", Some(&person), &seller)).await;
    desk.until_pushed("ana-phone", 2).await;
    desk.until_mailed(&person.email, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_sending_loses_none() {
    let mut desk = Desk::with(|config| {
        config.retry_ms = vec![1000; 100];
        config.sends_max = 4;
    })
    .await;
    let people = [desk.person("ana").await, desk.person("beto").await, desk.person("carla").await];
    desk.misbehave("sendgrid", json!({ "delay_ms": 20 })).await;
    desk.misbehave("fcm", json!({ "delay_ms": 20 })).await;
    let seller = stranger("seller");
    for number in 0..10 {
        for person in &people {
            let id = format!("ord_{}_{number}", person.id);
            desk.publish("order.shipped", &id, &order(&id, Some(person), &seller)).await;
        }
        desk.until_told(&people[0], number + 1).await;
        if number % 3 == 0 {
            desk = desk.crash().await;
        }
    }
    desk.misbehave("sendgrid", json!({})).await;
    desk.misbehave("fcm", json!({})).await;
    for (person, name) in people.iter().zip(["ana", "beto", "carla"]) {
        desk.until_told(person, 10).await;
        assert_eq!(desk.inbox(person).await.items.len(), 10);
        desk.until("every mail has arrived", || async { distinct(&desk.mails(&person.email).await) == 10 })
            .await;
        let phone = format!("{name}-phone");
        desk.until("every push has arrived", || async { distinct(&desk.pushes(&phone).await) == 10 }).await;
    }
}

/// How many there are, those that were sent twice counted once: a mail by our id in it, a push by its notification.
fn distinct(received: &[Value]) -> usize {
    let ids = received.iter().map(|one| match &one["custom_args"]["delivery_id"] {
        Value::Null => one["data"]["notificationId"].to_string(),
        id => id.to_string(),
    });
    ids.collect::<std::collections::HashSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_the_provider_refuses_is_given_up() {
    let desk = Desk::open().await;
    let mut person = stranger("ana");
    person.email = "no address".to_owned();
    desk.contact(&person, 1, &[("ana-phone", "token")]).await;
    desk.publish("user.registered", "u", &user(&person)).await;
    desk.until_pushed("ana-phone", 1).await;
    let end_ms = desk.ctx.clock.now_ms() + 10_000;
    desk.until("the mail had its time", || async { desk.ctx.clock.now_ms() > end_ms }).await;
    person.email = "ana@example.com".to_owned();
    desk.contact(&person, 2, &[("ana-phone", "token")]).await;
    let seller = stranger("seller");
    desk.publish("order.shipped", "ord_1", &order("ord_1", Some(&person), &seller)).await;
    desk.until_mailed(&person.email, 1).await;
    assert_eq!(desk.mails(&person.email).await[0]["categories"][0], "order_shipped");
}
