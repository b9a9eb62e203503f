//! What a service gave up lies in RabbitMQ until an operator has it sent again, or forgotten.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vitrina_bench::{Answer, Client, Shop, Way, story};
use vitrina_broker::{Broker, Message, Queue, QueueKind, RabbitOptions};

/// How long the broker may take on a loaded machine.
const WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_given_up_has_its_effect_once_it_is_sent_again() {
    let mut shop = Shop::start(Way::Processes).await;
    let client = shop.client();
    let seller = story::seller(&client, "letters").await;
    let (product, publication) = story::publication(&seller, "Bandoneon").await;
    let found = format!("/v1/publications?q=bandoneon&seller={}", seller.id);
    client.get_until(&found, |answer| answer.text.contains(&publication)).await;

    shop.kill("publications").await;
    let price = json!({"price": {"minor": 123_400, "currency": "ARS"}});
    seller.client.patch(&format!("/v1/products/{product}"), &price).await.expect(200);
    let given_up = give_up(&shop, "publications.inbox", &product).await;
    shop.restart("publications");
    client.get_until("/readyz", |answer| answer.status == 200).await;

    let letters = shop.admin().get("/admin/dead-letters").await.expect(200);
    let letter = letter(&letters, &given_up).expect("the letter is shown");
    assert_eq!(
        (&letter["queue"], &letter["key"]),
        (&json!("publications.inbox"), &json!(product)),
        "{letter}"
    );
    assert_eq!(
        (&letter["topic"], &letter["cause"]),
        (&json!("product.changed"), &json!("by hand")),
        "{letter}"
    );
    assert!(letter["payloadBytes"].as_u64() > Some(0) && letter["attempts"].as_u64() > Some(0), "{letter}");
    assert!(!letters.text.contains("Bandoneon"), "its content is not shown: {}", letters.text);
    assert_eq!(price_in(&client.get(&found).await), Some(598_000), "it has had no effect");

    let replay = format!("/admin/dead-letters/{given_up}/replay");
    shop.admin().post(&replay, &json!({})).await.expect(204);
    client.get_until(&found, |answer| price_in(answer) == Some(123_400)).await;
    let left = shop.admin().get("/admin/dead-letters").await.expect(200);
    assert!(self::letter(&left, &given_up).is_none(), "{}", left.text);
    shop.admin().post(&replay, &json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_read_is_given_up_and_can_be_forgotten() {
    let shop = Shop::start(Way::Processes).await;
    let (admin, id) = (shop.admin(), "0198c0de-0000-7000-8000-000000000001");
    let broker = connected(shop.broker_url()).await;
    let message = Message {
        id: id.to_owned(),
        topic: "product.changed".to_owned(),
        key: "prd_none".to_owned(),
        payload: vec![0xff; 8].into(),
        headers: Vec::new(),
    };
    broker.publish(message).await.expect("the broker takes it");
    broker.close().await;
    let shown = |answer: &Answer| letter(answer, id).is_some();
    admin.get_until("/admin/dead-letters", shown).await;
    admin.get("/admin/dead-letters?limit=0").await.expect(400);

    // Sent again it is given up again.
    admin.post(&format!("/admin/dead-letters/{id}/replay"), &json!({})).await.expect(204);
    admin.get_until("/admin/dead-letters", shown).await;
    forget_all(&admin, id).await;
    let left = admin.get("/admin/dead-letters").await.expect(200);
    assert!(letter(&left, id).is_none(), "{}", left.text);
}

async fn connected(url: &str) -> Arc<dyn Broker> {
    let broker = vitrina_broker::rabbitmq(url, RabbitOptions::default()).await;
    let up = async {
        while !broker.health().is_up {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WITHIN, up).await.expect("RabbitMQ is there");
    broker
}

/// Forgets a letter in each queue that has it, also where it comes back a moment later.
async fn forget_all(admin: &Client, id: &str) {
    let forgetting = async {
        let mut misses = 0;
        while misses < 10 {
            let answer = admin.delete(&format!("/admin/dead-letters/{id}")).await;
            match answer.status {
                204 => misses = 0,
                404 => misses += 1,
                _ => panic!("{answer:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, forgetting).await.expect("they are forgotten");
}

/// Takes a change of `key` out of a queue whose service is away, and gives it up as a service would. Gives its id.
async fn give_up(shop: &Shop, queue: &str, key: &str) -> String {
    let broker = connected(shop.broker_url()).await;
    let queue = Queue { name: queue.to_owned(), topics: Vec::new(), kind: QueueKind::Durable, prefetch: 16 };
    let taking = async {
        let mut consumer = broker.consume(queue).await.expect("the queue is there");
        loop {
            let delivery = consumer.next().await.expect("the broker is there");
            if delivery.message.topic == "product.changed" && delivery.message.key == key {
                let id = delivery.message.id.clone();
                delivery.dead("by hand").await.expect("it is parked");
                return id;
            }
            delivery.ack().await.expect("it is settled");
        }
    };
    let id = tokio::time::timeout(WITHIN, taking).await.expect("the change is in the queue");
    broker.close().await;
    id
}

fn letter<'l>(letters: &'l Answer, id: &str) -> Option<&'l Value> {
    letters.json.as_array()?.iter().find(|letter| letter["id"] == id)
}

fn price_in(answer: &Answer) -> Option<u64> {
    answer.json.pointer("/items/0/price/minor")?.as_u64()
}
