//! Dead letters: looked at by getting them without an acknowledgement; closing the channel puts them back.

use lapin::Channel;
use lapin::message::Delivery as Source;
use lapin::options::{BasicAckOptions, BasicGetOptions};

use crate::rabbit::{Shared, topology, wire, within};
use crate::{DeadLetter, Error};

/// Dead letters that are looked through for one of them.
const SCAN_MAX: usize = 10_000;

pub(super) async fn list(shared: &Shared, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
    let channel = open(shared).await?;
    let mut letters = Vec::new();
    for _ in 0..SCAN_MAX {
        if letters.len() >= limit {
            break;
        }
        let Some((letter, _)) = get(&channel, queue).await? else { break };
        letters.extend(letter);
    }
    close(&channel).await;
    Ok(letters)
}

pub(super) async fn replay(shared: &Shared, queue: &str, id: &str) -> Result<(), Error> {
    let channel = open(shared).await?;
    let done = async {
        let (letter, source) = find(&channel, queue, id).await?;
        let outgoing = wire::Outgoing { message: &letter.message, attempt: 1, cause: None, queue: None };
        if !shared.send("", queue, outgoing).await? {
            return Err(Error::Unroutable(queue.to_owned()));
        }
        within(source.ack(BasicAckOptions::default())).await
    };
    let done = done.await.map(drop);
    close(&channel).await;
    done
}

pub(super) async fn remove(shared: &Shared, queue: &str, id: &str) -> Result<(), Error> {
    let channel = open(shared).await?;
    let done = async {
        let (_, source) = find(&channel, queue, id).await?;
        within(source.ack(BasicAckOptions::default())).await
    };
    let done = done.await.map(drop);
    close(&channel).await;
    done
}

async fn open(shared: &Shared) -> Result<Channel, Error> {
    within(shared.up().await?.connection.create_channel()).await
}

async fn close(channel: &Channel) {
    // It fails when the connection is gone, which puts the messages back as well.
    let _ = within(channel.close(200, "done".into())).await;
}

async fn find(channel: &Channel, queue: &str, id: &str) -> Result<(DeadLetter, Source), Error> {
    for _ in 0..SCAN_MAX {
        match get(channel, queue).await? {
            Some((Some(letter), source)) if letter.message.id == id => return Ok((letter, source)),
            Some(_) => {}
            None => break,
        }
    }
    Err(Error::NoSuchDeadLetter { queue: queue.to_owned(), id: id.to_owned() })
}

/// The next message of the dead queue, with its letter when it is of `queue`.
async fn get(channel: &Channel, queue: &str) -> Result<Option<(Option<DeadLetter>, Source)>, Error> {
    let dead = topology::dead_queue(queue);
    let got = within(channel.basic_get(dead.as_str().into(), BasicGetOptions::default())).await?;
    Ok(got.map(|got| {
        let mut source = got.delivery;
        let data = std::mem::take(&mut source.data);
        let read = wire::read(&source.properties, source.routing_key.as_str(), data);
        let is_of_queue = read.queue.is_none_or(|known| known == queue);
        (is_of_queue.then_some(read.letter), source)
    }))
}
