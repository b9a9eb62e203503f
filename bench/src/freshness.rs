//! Writes, and reads of what they changed: is an older state ever seen, and for how long by another edge?

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Client;
use crate::story::{self, Person};

/// How long another edge may take on a loaded machine before it counts as never.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

/// Writes of one session.
const SESSION_WRITES: u64 = 2_000;

/// A publication that one writer changes, over and over.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Who changes it.
    pub seller: Person,
    /// `prd_…`.
    pub product: String,
    /// `pub_…`.
    pub publication: String,
}

impl Subject {
    /// Changes the title, when `number` is even, or the price, and waits for the answer of success.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn write(&self, number: u64) {
        if number.is_multiple_of(2) {
            let body = json!({"title": title(number)});
            self.seller
                .client
                .patch(&format!("/v1/publications/{}", self.publication), &body)
                .await
                .expect(200);
        } else {
            let body = json!({"price": {"minor": price_minor(number), "currency": "ARS"}});
            self.seller.client.patch(&format!("/v1/products/{}", self.product), &body).await.expect(200);
        }
    }

    /// The page that shows both.
    pub fn page(&self) -> String {
        format!("/v1/pages/publications/{}", self.publication)
    }
}

/// Writes `writes` times, reads the whole page (as `reader`) and the entity itself after each, and gives what was read in an older
/// state.
///
/// # Panics
/// When a write or a read is refused.
pub async fn write_then_read(subject: &Subject, reader: &Client, writes: u64) -> Vec<String> {
    let mut stale = Vec::new();
    let mut subject = subject.clone();
    for number in 0..writes {
        if number % SESSION_WRITES == SESSION_WRITES - 1 {
            // A token lasts for some minutes only.
            subject.seller = story::login(reader, &subject.seller).await;
        }
        subject.write(number).await;
        let page = reader.get(&subject.page()).await.expect(200);
        let is_title = number.is_multiple_of(2);
        let entity = if is_title {
            reader.get(&format!("/v1/publications/{}", subject.publication)).await
        } else {
            subject.seller.client.get(&format!("/v1/products/{}", subject.product)).await
        };
        let entity = entity.expect(200);
        let seen = if is_title {
            is_at(&entity.json, "/title", &json!(title(number)))
        } else {
            is_at(&entity.json, "/price/minor", &json!(price_minor(number)))
        };
        if !seen || !page_shows(&page.json, number) {
            stale.push(format!("write {number}: {} {}", page.text, entity.text));
        }
    }
    stale
}

/// Writes `writes` times, asks another edge for the page until it shows the write, and gives how long after the write's answer
/// the last older byte came; zero when none came.
///
/// # Panics
/// When a write or a read is refused, or a write is never seen.
pub async fn seen_elsewhere(subject: &Subject, other: &Client, writes: u64) -> Vec<Duration> {
    let mut lags = Vec::new();
    for number in 0..writes {
        // The other edge has to keep the state from before, or there is nothing that could be stale.
        other.get(&subject.page()).await.expect(200);
        other.get(&subject.page()).await.expect(200);
        subject.write(number).await;
        let answered = Instant::now();
        let mut lag = Duration::ZERO;
        loop {
            let page = other.get(&subject.page()).await.expect(200);
            if page_shows(&page.json, number) {
                break;
            }
            lag = answered.elapsed();
            assert!(lag < SEEN_WITHIN, "write {number} is never seen: {}", page.text);
        }
        lags.push(lag);
    }
    lags
}

fn title(number: u64) -> String {
    format!("Auriculares {number}")
}

fn price_minor(number: u64) -> u64 {
    100_000 + number
}

/// Whether the page is in the state after that write, as far as the write changed it.
fn page_shows(page: &Value, number: u64) -> bool {
    if number.is_multiple_of(2) {
        is_at(page, "/publication/title", &json!(title(number)))
    } else {
        is_at(page, "/product/price/minor", &json!(price_minor(number)))
    }
}

fn is_at(json: &Value, pointer: &str, expected: &Value) -> bool {
    json.pointer(pointer) == Some(expected)
}
