//! The unit of work: once for a key, and never half.

use std::sync::Arc;

use vitrina_chassis::{Call, Caller, Code, IntoFault, UserId, testing};
use vitrina_storage::Commit;

use crate::notes::{COUNTS, Count, Error, NOTES, PUT, note, put};

#[tokio::test]
async fn the_same_key_gives_the_same_answer_and_one_effect() {
    let (ctx, _dir) = testing::context();
    let call = Call::new(Caller::user(UserId::generate()), note("a", "x"), ctx.clock.now_ms()).keyed("k1");
    let first = put(&ctx.store, &call).await.unwrap();
    let again = put(&ctx.store, &call).await.unwrap();
    assert!(!first.is_replayed && again.is_replayed);
    assert_eq!((&again.reply, &again.changed, again.version), (&first.reply, &first.changed, first.version));
    assert_eq!(NOTES.get(&ctx.store, &"a".to_owned()).unwrap().unwrap().version, 1);
    assert_eq!(ctx.store.outbox().pending_count(), 1);
}

#[tokio::test]
async fn another_payload_under_the_key_is_refused() {
    let (ctx, _dir) = testing::context();
    let call = Call::new(Caller::user(UserId::generate()), note("a", "x"), 1).keyed("k1");
    put(&ctx.store, &call).await.unwrap();
    let error = put(&ctx.store, &call.with(note("a", "y"))).await.unwrap_err();
    assert_eq!(error.fault().code, Code::KeyReused);
    assert_eq!(NOTES.get(&ctx.store, &"a".to_owned()).unwrap().unwrap().value.text, "x");
}

#[tokio::test]
async fn a_key_belongs_to_its_caller() {
    let (ctx, _dir) = testing::context();
    for _ in 0..2 {
        let call = Call::new(Caller::user(UserId::generate()), note("a", "x"), 1).keyed("k1");
        assert!(!put(&ctx.store, &call).await.unwrap().is_replayed);
    }
}

#[tokio::test]
async fn without_a_key_every_call_has_its_effect() {
    let (ctx, _dir) = testing::context();
    let call = Call::new(Caller::anonymous(), note("a", "x"), 1);
    for version in 1..=3 {
        assert_eq!(put(&ctx.store, &call).await.unwrap().version, Some(version));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_at_once_with_one_key_have_one_effect() {
    let (ctx, _dir) = testing::context();
    let call = Arc::new(Call::new(Caller::user(UserId::generate()), note("a", "x"), 1).keyed("k1"));
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let (store, call) = (ctx.store.clone(), Arc::clone(&call));
            tokio::spawn(async move { put(&store, &call).await.unwrap() })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        fresh += usize::from(!answer.is_replayed);
        assert_eq!(answer.reply.count, 1);
    }
    assert_eq!(fresh, 1);
    assert_eq!(ctx.store.outbox().pending_count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_conflicts_decides_again_until_all_are_through() {
    let (ctx, _dir) = testing::context();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let store = ctx.store.clone();
            tokio::spawn(async move {
                put(&store, &Call::new(Caller::anonymous(), note("hot", "x"), 1))
                    .await
                    .unwrap()
                    .version
                    .unwrap()
            })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=100).collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_conflicts_for_ever_is_given_up() {
    let (ctx, _dir) = testing::context();
    let call = Call::new(Caller::anonymous(), note("a", "x"), 1);
    let mut attempts = 0;
    let result: Result<_, Error> = vitrina_chassis::unit(&ctx.store, &call, PUT, || {
        attempts += 1;
        let mut commit = Commit::new();
        commit.expect(&COUNTS, &"nobody".to_owned(), 7).put(
            &COUNTS,
            &"nobody".to_owned(),
            &Count { count: 1 },
        );
        Ok(vitrina_chassis::Decision::new(commit, vitrina_chassis::Answer::new(Count::default())))
    })
    .await;
    assert_eq!(result.unwrap_err().fault().reason, "contended");
    assert!(attempts > 1);
    assert!(COUNTS.get(&ctx.store, &"nobody".to_owned()).unwrap().is_none());
}
