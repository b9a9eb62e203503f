//! A consumer: it declares its queue on every new connection and hands the deliveries on.

use async_trait::async_trait;
use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::FieldTable;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::api::{self, Settle, Verdict};
use crate::rabbit::{LINK_TIMEOUT, LOOK, Shared, topology, wire, within};
use crate::{Consumer, Delivery, Error, Message, Queue, QueueKind};

pub(super) async fn start(shared: Shared, queue: Queue) -> Result<Consumer, Error> {
    let (sender, deliveries) = mpsc::channel(1);
    let (declared, first) = oneshot::channel();
    let feeder = tokio::spawn(feed(shared, queue, sender, declared)).abort_handle();
    let consumer = Consumer::new(deliveries, feeder);
    match timeout(LINK_TIMEOUT, first).await {
        Ok(Ok(())) => Ok(consumer),
        Ok(Err(_)) => Err(Error::Closed),
        Err(_) => Err(Error::Unavailable("the queue could not be declared in time".to_owned())),
    }
}

async fn feed(shared: Shared, queue: Queue, sender: mpsc::Sender<Delivery>, declared: oneshot::Sender<()>) {
    let mut declared = Some(declared);
    loop {
        match feed_once(&shared, &queue, &sender, &mut declared).await {
            Err(Error::Closed) => return,
            Err(error) => {
                tracing::warn!(
                    queue = queue.name,
                    error = &error as &dyn std::error::Error,
                    "the queue is lost for now"
                );
            }
            Ok(()) if sender.is_closed() => return,
            Ok(()) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Feeds until the channel ends. The channel goes with this function, and what was not settled becomes ready again.
async fn feed_once(
    shared: &Shared,
    queue: &Queue,
    sender: &mpsc::Sender<Delivery>,
    declared: &mut Option<oneshot::Sender<()>>,
) -> Result<(), Error> {
    let up = shared.up().await?;
    let opening = async {
        let channel = up.connection.create_channel().await?;
        channel.basic_qos(queue.prefetch.max(1), BasicQosOptions::default()).await?;
        let name = topology::declare_queue(&channel, queue).await?;
        let stream = channel
            .basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await?;
        Ok((channel, stream))
    };
    let (_channel, mut stream) = within(opening).await?;
    if let Some(declared) = declared.take() {
        // Nobody waits any more when the caller was cancelled; the closed sender ends the loop.
        let _ = declared.send(());
    }
    // The stream does not always tell that its connection is gone.
    let lost = shared.lost(&up);
    tokio::pin!(lost);
    loop {
        let next = tokio::select! {
            next = stream.next() => next,
            () = &mut lost => None,
        };
        let Some(delivery) = next else { return Ok(()) };
        let mut source = delivery.map_err(Error::Rabbit)?;
        let data = std::mem::take(&mut source.data);
        let letter = wire::read(&source.properties, source.routing_key.as_str(), data).letter;
        let held = Held {
            shared: shared.clone(),
            queue: queue.name.clone(),
            kind: queue.kind,
            source: Some(source),
        };
        let held = api::Held::Single(Box::new(held));
        let delivery = Delivery { message: letter.message, attempt: letter.attempts, held };
        if sender.send(delivery).await.is_err() {
            return Ok(());
        }
    }
}

/// A delivery that RabbitMQ waits for.
struct Held {
    shared: Shared,
    queue: String,
    kind: QueueKind,
    source: Option<lapin::message::Delivery>,
}

impl Held {
    async fn put(&self, message: &Message, attempt: u32, cause: &str, verdict: Step) -> Result<(), Error> {
        let (exchange, key, attempt) = match verdict {
            Step::Later(delay) => {
                (topology::retry_exchange(delay), self.queue.clone(), attempt.saturating_add(1))
            }
            Step::Dead => (String::new(), topology::dead_queue(&self.queue), attempt),
        };
        let outgoing = wire::Outgoing { message, attempt, cause: Some(cause), queue: Some(&self.queue) };
        match self.shared.send(&exchange, &key, outgoing).await? {
            true => Ok(()),
            false => Err(Error::Unroutable(key)),
        }
    }
}

enum Step {
    Later(std::time::Duration),
    Dead,
}

#[async_trait]
impl Settle for Held {
    async fn ack(mut self: Box<Self>) -> Result<(), Error> {
        let Some(source) = self.source.take() else { return Ok(()) };
        within(source.ack(BasicAckOptions::default())).await?;
        Ok(())
    }

    /// Confirmed at its next place first, acknowledged here afterwards: twice at worst, never lost.
    async fn put_aside(
        self: Box<Self>,
        message: Message,
        attempt: u32,
        verdict: Verdict,
    ) -> Result<(), Error> {
        if self.kind == QueueKind::Durable {
            let (step, cause) = match verdict {
                Verdict::Later(cause) => {
                    (self.shared.ladder.after(attempt).map_or(Step::Dead, Step::Later), cause)
                }
                Verdict::Dead(cause) => (Step::Dead, cause),
            };
            self.put(&message, attempt, &cause, step).await?;
        }
        self.ack().await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let (Some(source), Ok(runtime)) = (self.source.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            // It fails when the channel is gone, which gives the message back as well.
            let _ = source.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await;
        });
    }
}
