//! How many imported products a second the service takes in. Printed and never asserted: timings belong to the machine.
//!
//! `EVENTS=20000 cargo test -p vitrina-publications --test it -- --nocapture imported_products` measures for longer.

use std::time::Instant;

use tonic::Request;
use vitrina_chassis::UserId;
use vitrina_proto::events::v1::ProductPublished;
use vitrina_proto::publications::v1 as pb;

use crate::harness::{PublicationId, Shop, product, until};

/// Events when nothing else is asked for: enough to see a rate, few enough for every run of the suite.
const EVENTS: usize = 1000;
/// Who publishes at once: the relay of products sends in batches.
const PUBLISHERS: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn imported_products_are_taken_in_at_a_rate() {
    let count = std::env::var("EVENTS").ok().and_then(|events| events.parse().ok()).unwrap_or(EVENTS);
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let remains = shop.crash().await;
    let ids: Vec<String> = (0..count).map(|_| PublicationId::generate().to_string()).collect();
    let sending = Instant::now();
    remains
        .publish(PUBLISHERS, &ids, |id| {
            let product = product(ana);
            ProductPublished {
                publication_id: id.to_owned(),
                title: format!("Lámpara {id}"),
                tags: vec!["importado".to_owned()],
                product: Some(product),
            }
        })
        .await;
    println!("published: {:.0} events/s", rate(count, sending));
    let taking = Instant::now();
    let shop = remains.open().await;
    for some in ids.chunks(100) {
        until("it is heard", || async {
            let request = pb::BatchGetPublicationsRequest { ids: some.to_vec() };
            let known = shop.client().batch_get_publications(Request::new(request)).await;
            known.expect("a batch is read").into_inner().items.len() == some.len()
        })
        .await;
    }
    println!("taken in: {:.0} events/s", rate(count, taking));
    shop.until_found(u32::try_from(count).unwrap()).await;
    println!("found: {:.0} events/s", rate(count, taking));
}

fn rate(count: usize, since: Instant) -> f64 {
    count as f64 / since.elapsed().as_secs_f64()
}
