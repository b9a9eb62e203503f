//! What is true: publications, questions, and the rules of their moves. No IO, no clock.

use vitrina_chassis::ids::UserId;

vitrina_chassis::id_type!(
    /// A publication.
    PublicationId, "pub_"
);
vitrina_chassis::id_type!(
    /// A product.
    ProductId, "prd_"
);
vitrina_chassis::id_type!(
    /// A question.
    QuestionId, "qst_"
);

/// Where a publication stands; the numbers are those of the contract and of the stored rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Seen by its seller only.
    Draft = 1,
    /// On sale.
    Active = 2,
    /// Seen, but not on sale.
    Paused = 3,
    /// Over for good.
    Closed = 4,
}

/// A listing of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) id: PublicationId,
    pub(crate) product: ProductId,
    pub(crate) seller: UserId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) tags: Vec<String>,
    /// Numbers of the contract's `PaymentMethod`, each once.
    pub(crate) payment_methods: Vec<i32>,
    pub(crate) status: Status,
    pub(crate) created_at_ms: u64,
    pub(crate) updated_at_ms: u64,
}

/// A question and, once given, its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) id: QuestionId,
    pub(crate) publication: PublicationId,
    pub(crate) seller: UserId,
    pub(crate) asker: UserId,
    /// As known when it was asked; empty when unknown.
    pub(crate) username: String,
    pub(crate) text: String,
    pub(crate) created_at_ms: u64,
    /// Text and time.
    pub(crate) answer: Option<(String, u64)>,
}

/// Why a rule refuses a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no way from this status to that.
    #[error("the status cannot move there")]
    StatusForbidden,
    /// One's own publication.
    #[error("a seller cannot ask himself")]
    OwnPublication,
    /// It is not on sale.
    #[error("the publication is not active")]
    NotActive,
    /// There is an answer already.
    #[error("the question is answered already")]
    AlreadyAnswered,
}

impl Status {
    /// The status of a stored number.
    pub(crate) fn of(number: i32) -> Option<Status> {
        [Status::Draft, Status::Active, Status::Paused, Status::Closed]
            .into_iter()
            .find(|status| *status as i32 == number)
    }

    /// The status after a wanted move: a draft is never come back to, and what is closed stays so.
    pub(crate) fn moved(self, to: Status) -> Result<Status, Refusal> {
        match (self, to) {
            (from, to) if from == to => Ok(to),
            (Status::Closed, _) | (_, Status::Draft) | (Status::Draft, Status::Paused) => {
                Err(Refusal::StatusForbidden)
            }
            (_, to) => Ok(to),
        }
    }

    /// Whether others than the seller may see it.
    pub(crate) fn is_public(self) -> bool {
        matches!(self, Status::Active | Status::Paused)
    }
}

impl Publication {
    /// Whether this user may ask about it.
    pub(crate) fn check_asker(&self, asker: UserId) -> Result<(), Refusal> {
        match self.status {
            _ if self.seller == asker => Err(Refusal::OwnPublication),
            Status::Active => Ok(()),
            Status::Draft | Status::Paused | Status::Closed => Err(Refusal::NotActive),
        }
    }
}

impl Question {
    /// The question with its one answer.
    pub(crate) fn answered(&self, text: &str, now_ms: u64) -> Result<Question, Refusal> {
        match self.answer {
            Some(_) => Err(Refusal::AlreadyAnswered),
            None => Ok(Question { answer: Some((text.to_owned(), now_ms)), ..self.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_publication_stays_closed_and_a_draft_is_left_for_good() {
        assert_eq!(Status::Draft.moved(Status::Active), Ok(Status::Active));
        assert_eq!(Status::Paused.moved(Status::Active), Ok(Status::Active));
        assert_eq!(Status::Active.moved(Status::Closed), Ok(Status::Closed));
        assert_eq!(Status::Closed.moved(Status::Active), Err(Refusal::StatusForbidden));
        assert_eq!(Status::Active.moved(Status::Draft), Err(Refusal::StatusForbidden));
    }
}
