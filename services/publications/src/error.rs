//! How it can fail.

use vitrina_chassis::work::Refused;
use vitrina_chassis::{BadRow, Fault, IntoFault};

use crate::model::Refusal;

/// Why a request was not answered with success, or the service did not start.
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
    /// The index failed.
    #[error("the search index failed")]
    Index(#[from] tantivy::TantivyError),
    /// The directory of the index cannot be made or written.
    #[error("the directory of the search index cannot be used")]
    IndexDir(#[from] std::io::Error),
    /// A search was given up by its thread.
    #[error("a search broke off")]
    SearchBroke(#[from] tokio::task::JoinError),
    /// There is no such product, or it is another seller's.
    #[error("no such product")]
    ProductUnknown,
    /// There is no such publication that the caller may see.
    #[error("no such publication")]
    PublicationUnknown,
    /// There is no such question that the caller may see.
    #[error("no such question")]
    QuestionUnknown,
    /// The product has another active publication.
    #[error("the product has an active publication")]
    PublicationActive,
    /// There is no way from this status to that.
    #[error("the status cannot move there")]
    StatusForbidden,
    /// A seller cannot ask himself.
    #[error("own publication")]
    OwnPublication,
    /// The publication is not on sale.
    #[error("the publication is not active")]
    NotActive,
    /// The question has its answer.
    #[error("already answered")]
    AlreadyAnswered,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StatusForbidden => Error::StatusForbidden,
            Refusal::OwnPublication => Error::OwnPublication,
            Refusal::NotActive => Error::NotActive,
            Refusal::AlreadyAnswered => Error::AlreadyAnswered,
        }
    }
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Error::Store(error) => error.fault(),
            Error::Work(refused) => refused.fault(),
            Error::Request(fault) => fault.clone(),
            Error::Row(_) | Error::Index(_) | Error::IndexDir(_) | Error::SearchBroke(_) => Fault::internal(),
            Error::ProductUnknown => {
                Fault::new(vitrina_chassis::Code::NotFound, "product_unknown", "you have no such product")
            }
            Error::PublicationUnknown => Fault::not_found("publication"),
            Error::QuestionUnknown => Fault::not_found("question"),
            Error::PublicationActive => {
                Fault::conflict("publication_active", "the product has another active publication")
            }
            Error::StatusForbidden => {
                Fault::conflict("status_forbidden", "the publication cannot move to this status")
            }
            Error::OwnPublication => Fault::forbidden("own_publication", "you cannot ask yourself"),
            Error::NotActive => Fault::conflict("publication_not_active", "the publication is not active"),
            Error::AlreadyAnswered => Fault::conflict("already_answered", "the question has its answer"),
        }
    }
}
