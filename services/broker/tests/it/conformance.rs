//! What both implementations hold to.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::timeout;
use vitrina_broker::testing::RabbitServer;
use vitrina_broker::{
    Broker, Consumer, Delivery, Error, Ladder, Message, Queue, QueueKind, RabbitOptions, embedded_with,
    rabbitmq,
};
use vitrina_storage::{Options, Store};

static SERVER: OnceCell<RabbitServer> = OnceCell::const_new();

pub(crate) fn ladder() -> Ladder {
    Ladder(vec![Duration::from_millis(50), Duration::from_millis(100)])
}

/// A case, with a name of its own for queues and topics.
struct Case {
    broker: Arc<dyn Broker>,
    name: String,
    _dir: TempDir,
}

impl Case {
    async fn embedded() -> Case {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        Case { broker: embedded_with(store, ladder()), name: unique(), _dir: dir }
    }

    async fn rabbit() -> Case {
        let server = SERVER.get_or_init(RabbitServer::start).await;
        let broker = rabbitmq(server.url(), RabbitOptions { ladder: ladder() }).await;
        Case { broker, name: unique(), _dir: TempDir::new().unwrap() }
    }

    fn queue(&self, kind: QueueKind) -> Queue {
        Queue {
            name: format!("{}.inbox", self.name),
            topics: vec![format!("{}.*", self.name)],
            kind,
            prefetch: 10,
        }
    }

    async fn consume(&self) -> Consumer {
        consume(&self.broker, self.queue(QueueKind::Durable)).await
    }

    async fn publish(&self, id: &str) {
        self.broker.publish(message(&format!("{}.changed", self.name), id)).await.unwrap();
    }
}

/// Consumes, and tries again as services do while the broker is starting.
pub(crate) async fn consume(broker: &Arc<dyn Broker>, queue: Queue) -> Consumer {
    for _ in 0..6 {
        if let Ok(consumer) = broker.consume(queue.clone()).await {
            return consumer;
        }
    }
    panic!("{} cannot be consumed: {:?}", queue.name, broker.health());
}

pub(crate) fn message(topic: &str, id: &str) -> Message {
    Message {
        id: id.to_owned(),
        topic: topic.to_owned(),
        key: "key".to_owned(),
        payload: "payload".into(),
        headers: vec![("traceparent".to_owned(), "00-1-2-01".to_owned())],
    }
}

pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    timeout(Duration::from_secs(60), consumer.next())
        .await
        .expect("a delivery in time")
        .expect("an open consumer")
}

fn unique() -> String {
    format!("t{}", uuid::Uuid::now_v7().simple())
}

macro_rules! both {
    ($($name:ident => $check:ident),* $(,)?) => {
        mod embedded {
            $(#[tokio::test] async fn $name() { super::$check(super::Case::embedded().await).await; })*
        }
        mod rabbit {
            $(#[tokio::test] async fn $name() { super::$check(super::Case::rabbit().await).await; })*
        }
    };
}

both! {
    a_message_arrives_whole_and_in_order => check_order,
    messages_that_go_together_arrive_whole_and_in_order => check_together,
    a_command_that_nobody_takes_holds_up_no_other => check_one_of_many,
    a_message_waits_for_a_consumer_that_is_away => check_away,
    a_message_put_off_comes_again_and_dies_after_the_last_step => check_ladder,
    a_dead_letter_is_replayed_or_dropped => check_dead,
    a_delivery_that_was_dropped_comes_again => check_dropped,
    a_transient_queue_hears_what_happens => check_transient,
    an_event_without_a_queue_is_fine_and_a_command_is_not => check_unroutable,
}

async fn check_order(case: Case) {
    let mut consumer = case.consume().await;
    for id in 0..30 {
        case.publish(&id.to_string()).await;
    }
    for id in 0..30 {
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.message, message(&format!("{}.changed", case.name), &id.to_string()));
        assert_eq!(delivery.attempt, 1);
        delivery.ack().await.unwrap();
    }
}

async fn check_together(case: Case) {
    let mut consumer = case.consume().await;
    let topic = format!("{}.changed", case.name);
    let ids: Vec<String> = (0..300).map(|id| id.to_string()).collect();
    let messages = ids.iter().map(|id| message(&topic, id)).collect();
    let published = case.broker.publish_all(messages).await;
    assert!(published.failure.is_none(), "{published:?}");
    assert_eq!(published.is_durable, vec![true; ids.len()]);
    for ids in ids.chunks(10) {
        let mut deliveries = Vec::new();
        for id in ids {
            let delivery = next(&mut consumer).await;
            assert_eq!(delivery.message, message(&topic, id));
            deliveries.push(delivery);
        }
        Delivery::ack_all(deliveries).await.unwrap();
    }
    assert!(consumer.try_next().is_none());
    drop(consumer);
    // What was acknowledged does not come again.
    case.publish("last").await;
    assert_eq!(next(&mut case.consume().await).await.message.id, "last");
}

async fn check_one_of_many(case: Case) {
    let mut consumer = case.consume().await;
    let topic = format!("{}.changed", case.name);
    let command = Message { key: "other".to_owned(), ..message(&format!("recovery.{}", case.name), "2") };
    let messages = vec![message(&topic, "1"), command];
    let mut published = case.broker.publish_all(messages.clone()).await;
    // A broker that is only just starting is asked again, as an outbox does.
    while let Some(Error::Unavailable(_)) = published.failure {
        published = case.broker.publish_all(messages.clone()).await;
    }
    assert!(matches!(published.failure, Some(Error::Unroutable(_))), "{published:?}");
    assert_eq!(published.is_durable, [true, false]);
    assert_eq!(next(&mut consumer).await.message.id, "1");
}

async fn check_away(case: Case) {
    drop(case.consume().await);
    case.publish("1").await;
    let mut consumer = case.consume().await;
    assert_eq!(next(&mut consumer).await.message.id, "1");
}

async fn check_ladder(case: Case) {
    let mut consumer = case.consume().await;
    case.publish("1").await;
    for attempt in 1..=3 {
        let delivery = next(&mut consumer).await;
        assert_eq!(
            (delivery.attempt, delivery.message.topic.as_str()),
            (attempt, format!("{}.changed", case.name).as_str())
        );
        delivery.retry_later("not now").await.unwrap();
    }
    let dead = case.broker.dead_letters(&case.queue(QueueKind::Durable).name, 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].cause.as_str(), dead[0].attempts, dead[0].message.id.as_str()), ("not now", 3, "1"));
}

async fn check_dead(case: Case) {
    let queue = case.queue(QueueKind::Durable).name;
    let mut consumer = case.consume().await;
    case.publish("1").await;
    next(&mut consumer).await.dead("poison").await.unwrap();
    case.broker.replay_dead_letter(&queue, "1").await.unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((again.attempt, again.message.id.as_str()), (1, "1"));
    again.dead("poison").await.unwrap();
    case.broker.drop_dead_letter(&queue, "1").await.unwrap();
    assert!(case.broker.dead_letters(&queue, 10).await.unwrap().is_empty());
    let missing = case.broker.drop_dead_letter(&queue, "1").await;
    assert!(matches!(missing, Err(Error::NoSuchDeadLetter { .. })), "{missing:?}");
}

async fn check_dropped(case: Case) {
    let mut consumer = case.consume().await;
    case.publish("1").await;
    drop(next(&mut consumer).await);
    next(&mut consumer).await.ack().await.unwrap();
}

async fn check_transient(case: Case) {
    let mut first = consume(&case.broker, case.queue(QueueKind::Transient)).await;
    let mut second = consume(&case.broker, case.queue(QueueKind::Transient)).await;
    case.publish("1").await;
    for consumer in [&mut first, &mut second] {
        next(consumer).await.ack().await.unwrap();
    }
    case.broker.close().await;
    assert!(timeout(Duration::from_secs(60), first.next()).await.unwrap().is_none());
}

async fn check_unroutable(case: Case) {
    case.publish("1").await;
    let command = case.broker.publish(message(&format!("recovery.{}", case.name), "2")).await;
    assert!(matches!(command, Err(Error::Unroutable(_))), "{command:?}");
}
