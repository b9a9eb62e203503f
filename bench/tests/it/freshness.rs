//! What was written is read: at once through the same edge, soon through another.

use futures::future::join_all;
use vitrina_bench::freshness::{Subject, seen_elsewhere, write_then_read};
use vitrina_bench::{Shop, Way, story};

/// Writers side by side, each on a publication of its own.
const WRITERS: usize = 4;

fn writes() -> u64 {
    std::env::var("WRITES").map_or(100, |writes| writes.parse().expect("WRITES is a number"))
}

async fn subjects(shop: &Shop) -> Vec<Subject> {
    let seller = story::seller(&shop.client(), "fresh").await;
    let mut subjects = Vec::new();
    for number in 0..WRITERS {
        let (product, publication) = story::publication(&seller, &format!("Auriculares {number}")).await;
        subjects.push(Subject { seller: seller.clone(), product, publication });
    }
    subjects
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_read_at_once_through_the_same_edge() {
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let subjects = subjects(&shop).await;
    let stale =
        join_all(subjects.iter().map(|subject| write_then_read(subject, &client, writes()))).await.concat();
    assert_eq!(stale, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_read_soon_through_another_edge() {
    let shop = Shop::start(Way::Processes).await;
    let subjects = subjects(&shop).await;
    // It comes to its end only when each write is seen.
    let lags = seen_elsewhere(&subjects[0], &shop.other_client(), 20).await;
    println!("last older byte after the answer: {lags:?}");
}
