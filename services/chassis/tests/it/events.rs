//! Events: from the outbox to the effect elsewhere, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prost::Message as _;
use vitrina_broker::{Message, Queue, QueueKind};
use vitrina_chassis::{Call, Caller, Service, start, testing};
use vitrina_storage::Commit;

use crate::faulty::Faulty;
use crate::notes::{Error, NOTES, Notes, TOPIC, count_up, counted, eventually, inbox_queue, note, put};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_takes_effect() {
    let (ctx, _dir) = testing::context();
    let running = start(ctx.clone(), Notes::new(ctx.clone()).service()).unwrap();
    running.listening().await;
    for _ in 0..3 {
        put(&ctx.store, &Call::new(Caller::anonymous(), note("a", "x"), 1)).await.unwrap();
    }
    eventually("three effects", || counted(&ctx.store, "a") == 3).await;
    eventually("an empty outbox", || ctx.store.outbox().pending_count() == 0).await;
    running.drain(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_outage_of_the_broker_all_events_arrive_in_order() {
    let (mut ctx, _dir) = testing::context();
    let broker = Arc::new(Faulty::new(Arc::clone(&ctx.broker)));
    ctx.broker = broker.clone();
    broker.set_down();
    let seen: Arc<Mutex<HashMap<String, Vec<String>>>> = Arc::default();
    let service = {
        let seen = Arc::clone(&seen);
        Service::new("notes").inbox(inbox_queue(), move |message: &Message| {
            let note: crate::notes::Note = vitrina_chassis::decode(message)?;
            seen.lock().unwrap().entry(note.name).or_default().push(note.text);
            Ok::<_, Error>(Some(Commit::new()))
        })
    };
    let running = start(ctx.clone(), service).unwrap();
    running.listening().await;
    for number in 0..10 {
        for name in ["a", "b", "c"] {
            let call = Call::new(Caller::anonymous(), note(name, &number.to_string()), 1);
            put(&ctx.store, &call).await.unwrap();
        }
    }
    eventually("a failed attempt", || broker.refused() > 1).await;
    assert_eq!(ctx.store.outbox().pending_count(), 30);
    assert!(seen.lock().unwrap().is_empty());
    broker.set_up();
    eventually("all events", || seen.lock().unwrap().values().map(Vec::len).sum::<usize>() == 30).await;
    let expected: Vec<String> = (0..10).map(|number: u32| number.to_string()).collect();
    for (name, texts) in seen.lock().unwrap().iter() {
        assert_eq!(*texts, expected, "{name}");
    }
    running.drain(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_key_each_event_is_decided_after_the_one_before() {
    const ROUNDS: u32 = 20;
    let (ctx, _dir) = testing::context();
    let store = ctx.store.clone();
    // Removing what is not there is no effect at all: decided before the adding is written, it would be lost.
    let service = Service::new("notes").inbox(inbox_queue(), move |message: &Message| {
        let note: crate::notes::Note = vitrina_chassis::decode(message)?;
        let is_there = NOTES.get(&store, &note.name)?.is_some();
        let mut commit = Commit::new();
        match (note.text.as_str(), is_there) {
            ("add", _) => commit.put(&NOTES, &note.name, &note),
            (_, true) => commit.delete(&NOTES, &note.name),
            (_, false) => return Ok::<_, Error>(None),
        };
        Ok(Some(commit))
    });
    let running = start(ctx.clone(), service).unwrap();
    running.listening().await;
    let names: Vec<String> = (0..10).map(|name| format!("name-{name}")).collect();
    let message = |name: &str, text: &str, number: u32| Message {
        id: format!("{name}-{text}-{number}"),
        topic: TOPIC.to_owned(),
        key: name.to_owned(),
        payload: note(name, text).encode_to_vec().into(),
        headers: Vec::new(),
    };
    let mut messages = Vec::new();
    for number in 0..ROUNDS {
        for name in &names {
            messages.extend([message(name, "add", number), message(name, "remove", number)]);
        }
    }
    assert!(ctx.broker.publish_all(messages).await.failure.is_none());
    let last = |name: &String| ctx.store.is_handled(&format!("{name}-remove-{}", ROUNDS - 1)).unwrap();
    eventually("the last removals", || names.iter().all(last)).await;
    for name in &names {
        assert!(NOTES.get(&ctx.store, name).unwrap().is_none(), "{name}");
    }
    running.drain(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_comes_twice_has_one_effect() {
    let (mut ctx, _dir) = testing::context();
    let broker = Arc::new(Faulty::new(Arc::clone(&ctx.broker)));
    broker.publish_twice();
    ctx.broker = broker.clone();
    let running = start(ctx.clone(), Notes::new(ctx.clone()).service()).unwrap();
    running.listening().await;
    for _ in 0..3 {
        put(&ctx.store, &Call::new(Caller::anonymous(), note("a", "x"), 1)).await.unwrap();
    }
    eventually("an empty outbox", || ctx.store.outbox().pending_count() == 0).await;
    // Behind all deliveries of this key: once it is handled, so are the second ones.
    let fence = Message {
        id: "fence".to_owned(),
        topic: TOPIC.to_owned(),
        key: "a".to_owned(),
        payload: note("fence", "").encode_to_vec().into(),
        headers: Vec::new(),
    };
    ctx.broker.publish(fence).await.unwrap();
    eventually("the fence", || counted(&ctx.store, "fence") == 1).await;
    assert_eq!(counted(&ctx.store, "a"), 3);
    running.drain(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_does_not_decode_is_parked() {
    let (ctx, _dir) = testing::context();
    let running = start(ctx.clone(), Notes::new(ctx.clone()).service()).unwrap();
    running.listening().await;
    let message = Message {
        id: "bad-1".to_owned(),
        topic: "notes.put".to_owned(),
        key: "a".to_owned(),
        payload: bytes::Bytes::from_static(b"\xff\xff"),
        headers: Vec::new(),
    };
    ctx.broker.publish(message).await.unwrap();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while ctx.broker.dead_letters("notes.inbox", 10).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.drain(Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_fails_or_panics_gets_the_message_again() {
    let (ctx, _dir) = testing::context();
    let attempts = Arc::new(AtomicU32::new(0));
    let service = {
        let (store, attempts) = (ctx.store.clone(), Arc::clone(&attempts));
        let queue = Queue { kind: QueueKind::Durable, ..inbox_queue() };
        Service::new("notes").inbox(queue, move |message: &Message| {
            match attempts.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("a defect, as asked for"),
                _ => count_up(&store, message).map(Some),
            }
        })
    };
    let running = start(ctx.clone(), service).unwrap();
    running.listening().await;
    put(&ctx.store, &Call::new(Caller::anonymous(), note("a", "x"), 1)).await.unwrap();
    eventually("the effect", || counted(&ctx.store, "a") == 1).await;
    assert!(attempts.load(Ordering::SeqCst) >= 2);
    running.drain(Duration::from_secs(30)).await;
}
