//! Publishing several messages one by one: those of one key after the other, those of different keys at the same time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::PoisonError;

use futures::StreamExt;
use futures::stream;

use crate::{Broker, Error, Message, Published};

/// Keys whose messages are on their way at once: enough to fill a group commit, or the window of a connection.
const KEYS_AT_ONCE: usize = 32;

impl Published {
    /// Nothing is durable yet.
    pub(crate) fn none(count: usize) -> Published {
        Published { is_durable: vec![false; count], failure: None }
    }
}

/// Publishes each for itself. After the first failure, which mostly means that the broker is away, nothing else is begun.
pub(crate) async fn publish_each<B: Broker + ?Sized>(broker: &B, messages: Vec<Message>) -> Published {
    let count = messages.len();
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
    let durable: Vec<Vec<usize>> = stream::iter(by_key(messages))
        .map(|messages| async {
            let mut durable = Vec::with_capacity(messages.len());
            for (place, message) in messages {
                if failed().is_some() {
                    break;
                }
                match broker.publish(message).await {
                    Ok(()) => durable.push(place),
                    Err(error) => {
                        failed().get_or_insert(error);
                        break;
                    }
                }
            }
            durable
        })
        .buffer_unordered(KEYS_AT_ONCE)
        .collect()
        .await;
    let mut published = Published::none(count);
    durable.into_iter().flatten().for_each(|place| published.is_durable[place] = true);
    published.failure = failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    published
}

/// The messages of each key with their places, in their order; keys in the order of their first message.
fn by_key(messages: Vec<Message>) -> Vec<Vec<(usize, Message)>> {
    let mut group_of: HashMap<String, usize> = HashMap::new();
    let mut groups: Vec<Vec<(usize, Message)>> = Vec::new();
    for (place, message) in messages.into_iter().enumerate() {
        match group_of.get(&message.key) {
            Some(&at) => groups[at].push((place, message)),
            None => {
                group_of.insert(message.key.clone(), groups.len());
                groups.push(vec![(place, message)]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_messages_of_a_key_keep_their_order() {
        let message = |key: &str| Message { key: key.to_owned(), ..Message::default() };
        let groups = by_key(["a", "b", "a", "c", "b"].map(message).to_vec());
        let places: Vec<Vec<usize>> =
            groups.iter().map(|group| group.iter().map(|(place, _)| *place).collect()).collect();
        assert_eq!(places, [vec![0, 2], vec![1, 4], vec![3]]);
    }
}
