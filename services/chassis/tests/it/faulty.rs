//! A broker that can be made to be away, or to deliver twice, around a real one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use vitrina_broker::{Broker, Consumer, DeadLetter, Error, Health, Message, Queue};

pub(crate) struct Faulty {
    inner: Arc<dyn Broker>,
    is_down: AtomicBool,
    is_doubling: AtomicBool,
    refused: AtomicU32,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Broker>) -> Faulty {
        Faulty {
            inner,
            is_down: AtomicBool::new(false),
            is_doubling: AtomicBool::new(false),
            refused: AtomicU32::new(0),
        }
    }

    pub(crate) fn set_down(&self) {
        self.is_down.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_up(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }

    pub(crate) fn publish_twice(&self) {
        self.is_doubling.store(true, Ordering::SeqCst);
    }

    pub(crate) fn refused(&self) -> u32 {
        self.refused.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Broker for Faulty {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        if self.is_down.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(Error::Closed);
        }
        if self.is_doubling.load(Ordering::SeqCst) {
            self.inner.publish(message.clone()).await?;
        }
        self.inner.publish(message).await
    }

    async fn consume(&self, queue: Queue) -> Result<Consumer, Error> {
        self.inner.consume(queue).await
    }

    fn health(&self) -> Health {
        self.inner.health()
    }

    async fn close(&self) {
        self.inner.close().await;
    }

    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        self.inner.dead_letters(queue, limit).await
    }

    async fn replay_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        self.inner.replay_dead_letter(queue, id).await
    }

    async fn drop_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        self.inner.drop_dead_letter(queue, id).await
    }
}
