//! What outlives the end of the broker.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::sync::Arc;

use tempfile::TempDir;
use vitrina_broker::testing::RabbitServer;
use vitrina_broker::{Broker, Queue, QueueKind, RabbitOptions, embedded_with, rabbitmq};
use vitrina_storage::{Options, Store};

use crate::conformance::{consume, ladder, message, next};

fn queue() -> Queue {
    Queue {
        name: "notes.inbox".to_owned(),
        topics: vec!["note.#".to_owned()],
        kind: QueueKind::Durable,
        prefetch: 10,
    }
}

#[tokio::test]
async fn the_embedded_broker_keeps_bindings_and_messages() {
    let dir = TempDir::new().unwrap();
    let open = || embedded_with(Store::open(dir.path(), Options::default()).unwrap(), ladder());
    let broker = open();
    let mut consumer = broker.consume(queue()).await.unwrap();
    broker.publish(message("note.made", "1")).await.unwrap();
    let held = next(&mut consumer).await;
    broker.close().await;
    drop((held, consumer, broker));

    let broker = open();
    broker.publish(message("note.made", "2")).await.unwrap();
    let mut consumer = broker.consume(queue()).await.unwrap();
    for id in ["1", "2"] {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message.id, id);
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn rabbitmq_keeps_what_it_confirmed_and_the_consumer_comes_back() {
    let mut server = RabbitServer::start().await;
    let broker = rabbitmq(server.url(), RabbitOptions { ladder: ladder() }).await;
    let mut consumer = consume(&broker, queue()).await;
    server.registered(&queue().name).await;
    let confirmed: BTreeSet<String> = (0..20).map(|id| id.to_string()).collect();
    for id in &confirmed {
        broker.publish(message("note.made", id)).await.unwrap();
    }
    server.kill();
    assert!(TcpStream::connect(("127.0.0.1", port(server.url()))).is_err(), "the server is still there");
    server.restart().await;

    // What was delivered before the kill cannot be acknowledged any more and comes twice.
    let mut seen = BTreeSet::new();
    while seen != confirmed {
        let delivery = next(&mut consumer).await;
        let id = delivery.message.id.clone();
        if delivery.ack().await.is_ok() {
            seen.insert(id);
        }
    }
    publish(&broker, "later").await;
    while next(&mut consumer).await.message.id != "later" {}
}

/// Publishes, and tries again as an outbox does.
async fn publish(broker: &Arc<dyn Broker>, id: &str) {
    for _ in 0..6 {
        if broker.publish(message("note.made", id)).await.is_ok() {
            return;
        }
    }
    panic!("{id} cannot be published: {:?}", broker.health());
}

fn port(url: &str) -> u16 {
    let digits = url.rsplit_once(':').unwrap().1.trim_end_matches("/%2f");
    digits.parse().unwrap()
}
