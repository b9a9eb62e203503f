//! What outlives the end of the broker.

use tempfile::TempDir;
use vitrina_broker::testing::RabbitServer;
use vitrina_broker::{Queue, QueueKind, RabbitOptions, embedded_with, rabbitmq};
use vitrina_storage::{Options, Store};

use crate::conformance::{consume, ladder, message, next};

fn queue() -> Queue {
    Queue { name: "notes.inbox".to_owned(), topics: vec!["note.#".to_owned()], kind: QueueKind::Durable, prefetch: 10 }
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
    broker.publish(message("note.made", "1")).await.unwrap();
    server.kill();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port(server.url()))).is_err(), "the server is still there");
    server.restart().await;
    let delivery = next(&mut consumer).await;
    assert_eq!(delivery.message.id, "1");
}

fn port(url: &str) -> u16 {
    let digits = url.rsplit_once(':').unwrap().1.trim_end_matches("/%2f");
    digits.parse().unwrap()
}
