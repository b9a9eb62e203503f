//! The orderly end.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use vitrina_chassis::{Drained, Fault, start, testing};
use vitrina_storage::{Options, Store};

use crate::faulty::Faulty;
use crate::notes::{NOTES, Notes, call_put, eventually, note};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_finishes_what_was_taken_and_loses_nothing() {
    let (ctx, dir) = testing::context();
    let notes = Notes::new(ctx.clone());
    let mut running = start(ctx.clone(), notes.service()).unwrap();
    let address = running.serve(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let direct = running.in_process();
    let in_flight = [
        tokio::spawn(call_put(channel, tonic::Request::new(note("wait", "tcp")))),
        tokio::spawn({
            let direct = direct.clone();
            async move { call_put(direct, tonic::Request::new(note("wait", "direct"))).await }
        }),
    ];
    eventually("both calls in flight", || running.calls_in_flight() == 2).await;

    let draining = tokio::spawn(running.drain(Duration::from_secs(60)));
    loop {
        match call_put(direct.clone(), tonic::Request::new(note("late", ""))).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(status) => {
                assert_eq!(Fault::from_status(&status).reason, "draining");
                break;
            }
        }
    }
    notes.gate.add_permits(2);
    for call in in_flight {
        call.await.unwrap().unwrap();
    }
    assert_eq!(draining.await.unwrap(), Drained { calls_left: 0, events_left: 0 });

    drop((ctx, notes, direct));
    let store = reopened(&dir.path().join("store")).await;
    assert_eq!(NOTES.get(&store, &"wait".to_owned()).unwrap().unwrap().version, 2);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_relayed_in_time_stays_in_the_outbox() {
    let (mut ctx, dir) = testing::context();
    let broker = Arc::new(Faulty::new(Arc::clone(&ctx.broker)));
    broker.set_down();
    ctx.broker = broker;
    let running = start(ctx.clone(), Notes::new(ctx.clone()).service()).unwrap();
    call_put(running.in_process(), tonic::Request::new(note("a", "x"))).await.unwrap();
    let drained = running.drain(Duration::from_millis(300)).await;
    assert_eq!(drained, Drained { calls_left: 0, events_left: 1 });

    drop(ctx);
    let store = reopened(&dir.path().join("store")).await;
    assert_eq!(store.outbox().pending(0, 10).unwrap().len(), 1);
    store.close().await;
}

/// Opens the store again, once the last handle of the drained service is gone.
async fn reopened(dir: &std::path::Path) -> Store {
    let mut store = None;
    eventually("the store is free", || {
        store = Store::open(dir, Options::default()).ok();
        store.is_some()
    })
    .await;
    store.unwrap()
}
