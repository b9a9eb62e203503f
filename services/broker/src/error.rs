//! How the broker can fail.

/// Why a message was not taken or settled. After any of these the caller may try again: an id makes it harmless.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker was closed by this process.
    #[error("the broker is closed")]
    Closed,
    /// The broker cannot be reached or did not confirm in time; the message may or may not be there.
    #[error("the broker is not available: {0}")]
    Unavailable(String),
    /// RabbitMQ answered with an error.
    #[error("RabbitMQ refuses")]
    Rabbit(#[source] lapin::Error),
    /// The store of the embedded broker failed.
    #[error("the broker's store fails")]
    Storage(#[from] vitrina_storage::Error),
    /// A command has no queue: its service never ran.
    #[error("nobody listens to {0:?}")]
    Unroutable(String),
    /// A queue is full; the publisher has to wait.
    #[error("the queue {0:?} is full")]
    Full(String),
    /// There is no such dead letter.
    #[error("the queue {queue:?} has no dead letter {id:?}")]
    NoSuchDeadLetter {
        /// The queue.
        queue: String,
        /// The id of the message.
        id: String,
    },
}
