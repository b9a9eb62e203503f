//! RabbitMQ.
//!
//! The supervisor owns the connection: it connects, declares what all share (the exchange `vitrina.events` and the
//! ladder), and does it all again when the connection is lost. Consumers and publishers wait for its link. lapin's own
//! recovery stays off, since it never sends again what was not confirmed. A crash of this process leaves deliveries
//! unacknowledged: RabbitMQ delivers them again.

mod consume;
mod dead;
mod topology;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Connection, ConnectionProperties};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::{Broker, Consumer, DeadLetter, Error, Health, Ladder, Message, Queue, RECOVERY_TOPIC_PREFIX};

/// lapin can wait for ever in the handshake with a server that is just starting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a publisher or consumer waits for a connection before it is told that there is none.
const LINK_TIMEOUT: Duration = Duration::from_secs(10);
/// A quorum queue confirms within milliseconds; longer means that it has no majority.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the supervisor looks at the connection and how soon it tries again: back within 5 s of the server.
const LOOK: Duration = Duration::from_millis(250);

/// What can be set of the RabbitMQ broker.
#[derive(Clone, Debug, Default)]
pub struct RabbitOptions {
    /// The delays between attempts.
    pub ladder: Ladder,
}

/// The RabbitMQ broker. It connects in the background and never fails here.
pub async fn rabbitmq(url: &str, options: RabbitOptions) -> Arc<dyn Broker> {
    let (sender, link) = watch::channel(Link::Down("connecting".to_owned()));
    let (close, closed) = watch::channel(());
    let ladder = Arc::new(options.ladder);
    tokio::spawn(supervise(url.to_owned(), Arc::clone(&ladder), sender, closed));
    Arc::new(Rabbit { shared: Shared { link, ladder }, close: std::sync::Mutex::new(Some(close)) })
}

#[derive(Clone)]
enum Link {
    Down(String),
    Up(Arc<Up>),
    Closed,
}

struct Up {
    connection: Connection,
    publisher: Channel,
}

impl Up {
    fn is_open(&self) -> bool {
        self.connection.status().connected() && self.publisher.status().connected()
    }
}

#[derive(Clone)]
struct Shared {
    link: watch::Receiver<Link>,
    ladder: Arc<Ladder>,
}

struct Rabbit {
    shared: Shared,
    // The supervisor ends when this is dropped.
    close: std::sync::Mutex<Option<watch::Sender<()>>>,
}

impl Shared {
    async fn up(&self) -> Result<Arc<Up>, Error> {
        let mut link = self.link.clone();
        // A link that was lost a moment ago is not used: the supervisor replaces it at its next look.
        let settled = link.wait_for(|link| match link {
            Link::Down(_) => false,
            Link::Up(up) => up.is_open(),
            Link::Closed => true,
        });
        match timeout(LINK_TIMEOUT, settled).await {
            Ok(Ok(link)) => match &*link {
                Link::Up(up) => Ok(Arc::clone(up)),
                Link::Down(cause) => Err(Error::Unavailable(cause.clone())),
                Link::Closed => Err(Error::Closed),
            },
            Ok(Err(_)) => Err(Error::Closed),
            Err(_) => Err(Error::Unavailable("no connection to RabbitMQ".to_owned())),
        }
    }

    /// Resolves once the supervisor has given `up` up.
    async fn lost(&self, up: &Arc<Up>) {
        let mut link = self.link.clone();
        // It fails when the supervisor is gone, and the connection with it.
        let _ = link.wait_for(|link| !matches!(link, Link::Up(now) if Arc::ptr_eq(now, up))).await;
    }

    /// Publishes and waits for the confirm; `Ok(false)` when no queue took the message.
    async fn send(
        &self,
        exchange: &str,
        routing_key: &str,
        message: wire::Outgoing<'_>,
    ) -> Result<bool, Error> {
        let up = self.up().await?;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sending = async {
            let payload = &message.message.payload;
            let properties = message.properties();
            up.publisher
                .basic_publish(exchange.into(), routing_key.into(), options, payload, properties)
                .await?
                .await
        };
        match timeout(CONFIRM_TIMEOUT, sending).await {
            Ok(Ok(Confirmation::Ack(returned))) => Ok(returned.is_none()),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err(Error::Full(routing_key.to_owned()))
            }
            Ok(Err(error)) => Err(Error::Rabbit(error)),
            Err(_) => Err(Error::Unavailable("no confirm in time".to_owned())),
        }
    }
}

#[async_trait]
impl Broker for Rabbit {
    async fn publish(&self, message: Message) -> Result<(), Error> {
        let outgoing = wire::Outgoing { message: &message, attempt: 1, cause: None, queue: None };
        let is_routed = self.shared.send(topology::EXCHANGE, &message.topic, outgoing).await?;
        if !is_routed && message.topic.starts_with(RECOVERY_TOPIC_PREFIX) {
            return Err(Error::Unroutable(message.topic));
        }
        Ok(())
    }

    async fn consume(&self, queue: Queue) -> Result<Consumer, Error> {
        consume::start(self.shared.clone(), queue).await
    }

    fn health(&self) -> Health {
        match &*self.shared.link.borrow() {
            Link::Up(_) => Health { is_up: true, detail: "rabbitmq".to_owned() },
            Link::Down(cause) => Health { is_up: false, detail: cause.clone() },
            Link::Closed => Health { is_up: false, detail: "closed".to_owned() },
        }
    }

    async fn close(&self) {
        let close = self.close.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        drop(close);
        let mut link = self.shared.link.clone();
        // When it takes too long, the process ends without it.
        let _ = timeout(CONNECT_TIMEOUT, link.wait_for(|link| matches!(link, Link::Closed))).await;
    }

    async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        dead::list(&self.shared, queue, limit).await
    }

    async fn replay_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        dead::replay(&self.shared, queue, id).await
    }

    async fn drop_dead_letter(&self, queue: &str, id: &str) -> Result<(), Error> {
        dead::remove(&self.shared, queue, id).await
    }
}

async fn supervise(
    url: String,
    ladder: Arc<Ladder>,
    link: watch::Sender<Link>,
    mut closed: watch::Receiver<()>,
) {
    loop {
        let round = async {
            match timeout(CONNECT_TIMEOUT, connect(&url, &ladder)).await {
                Ok(Ok(up)) => {
                    let up = Arc::new(up);
                    link.send_replace(Link::Up(Arc::clone(&up)));
                    while up.is_open() {
                        tokio::time::sleep(LOOK).await;
                    }
                    tracing::warn!("the connection to RabbitMQ is lost");
                    link.send_replace(Link::Down("the connection was lost".to_owned()));
                    // In the background: a dead connection must not hold the next one up.
                    tokio::spawn(async move { shut(&up).await });
                }
                Ok(Err(error)) => drop(link.send_replace(Link::Down(error.to_string()))),
                Err(_) => drop(link.send_replace(Link::Down("the handshake takes too long".to_owned()))),
            }
            tokio::time::sleep(LOOK).await;
        };
        tokio::select! {
            () = round => {}
            _ = closed.changed() => break,
        }
    }
    if let Link::Up(up) = link.send_replace(Link::Closed) {
        shut(&up).await;
    }
}

async fn connect(url: &str, ladder: &Ladder) -> Result<Up, lapin::Error> {
    let connection =
        Connection::connect(url, ConnectionProperties::default().with_connection_name("vitrina".into()))
            .await?;
    let publisher = connection.create_channel().await?;
    topology::declare_shared(&publisher, ladder).await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(Up { connection, publisher })
}

/// Waits for RabbitMQ's answer, but not for ever: after a lost connection some answers never come.
async fn within<T>(answer: impl Future<Output = Result<T, lapin::Error>>) -> Result<T, Error> {
    match timeout(LINK_TIMEOUT, answer).await {
        Ok(done) => done.map_err(Error::Rabbit),
        Err(_) => Err(Error::Unavailable("RabbitMQ does not answer".to_owned())),
    }
}

async fn shut(up: &Up) {
    // It fails when the connection is gone, which is what is wanted.
    let _ = timeout(CONNECT_TIMEOUT, up.connection.close(200, "closing".into())).await;
}
