//! How it can fail.

use vitrina_chassis::vault::Closed;
use vitrina_chassis::work::Refused;
use vitrina_chassis::{Fault, IntoFault};

use crate::provider::Misconfigured;
use crate::store::rows::BadRow;

/// Why a request was not answered with success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed, or another was faster.
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    /// The unit of work was not done.
    #[error("the unit of work was not done")]
    Work(#[from] Refused),
    /// The request is wrong, or its caller may not.
    #[error("the request is refused")]
    Request(#[from] Fault),
    /// A stored row that cannot be read.
    #[error("a stored row cannot be read")]
    Row(#[from] BadRow),
    /// A key of a provider is none.
    #[error("a provider cannot be used as it is configured")]
    Config(#[from] Misconfigured),
    /// The HTTP client cannot be made.
    #[error("the client of the providers cannot be made")]
    Client(#[source] reqwest::Error),
    /// A text cannot be put together.
    #[error("the text of {kind} cannot be made")]
    Text {
        /// Of which kind.
        kind: &'static str,
        /// What its template lacks.
        #[source]
        source: minijinja::Error,
    },
    /// A token does not open: the master key is another, or the row was changed.
    #[error("a sealed token does not open")]
    Sealed(#[from] Closed),
    /// There is no such thing, or it is another's.
    #[error("no such {0}")]
    Unknown(&'static str),
    /// What is to be changed moved all the time.
    #[error("what was read is out of date")]
    Outdated,
    /// Events that their sender did not sign.
    #[error("the signature is wrong")]
    Forged,
    /// Events that were signed too long ago.
    #[error("the signature is stale")]
    Stale,
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Work(refused) => refused.fault(),
            Error::Request(fault) => fault.clone(),
            Error::Row(_) | Error::Config(_) | Error::Client(_) | Error::Text { .. } | Error::Sealed(_) => {
                Fault::internal()
            }
            Error::Unknown(what) => Fault::not_found(what),
            Error::Outdated => Fault::unavailable("contended", "too many are changing this at the moment"),
            Error::Forged => Fault::unauthenticated("the signature is wrong"),
            Error::Stale => Fault::unauthenticated("the signature is too old"),
        }
    }
}
