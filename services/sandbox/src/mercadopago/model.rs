//! What is true of a payment: its states and who may move it where.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a payment stands. `in_mediation` is not reached here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Pending,
    Approved,
    Authorized,
    InProcess,
    Rejected,
    Cancelled,
    Refunded,
    ChargedBack,
}

impl Status {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Authorized => "authorized",
            Self::InProcess => "in_process",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
            Self::ChargedBack => "charged_back",
        }
    }

    /// Whether the outcome is still to come.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::InProcess | Self::Authorized)
    }
}

/// A status with its detail.
pub(super) type Outcome = (Status, &'static str);

/// Whether money is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Capture {
    Now,
    Later,
}

/// A payment. Amounts are hundredths, times milliseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Payment {
    pub(crate) id: u64,
    pub(crate) status: Status,
    pub(crate) detail: String,
    pub(crate) capture: Capture,
    pub(crate) currency: String,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    /// What goes to the marketplace.
    pub(crate) fee: i64,
    pub(crate) external_reference: Option<String>,
    pub(crate) notification_url: Option<String>,
    pub(crate) preference_id: Option<String>,
    /// What was sent and is only shown again: payer, description, metadata …
    pub(crate) sent: Value,
    pub(crate) card: Option<CardToken>,
    pub(crate) created_ms: u64,
    pub(crate) updated_ms: u64,
    pub(crate) approved_ms: Option<u64>,
    pub(crate) refunds: Vec<Refund>,
}

/// Money given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refund {
    pub(crate) id: u64,
    pub(crate) amount: i64,
    pub(crate) created_ms: u64,
}

/// A card, named by a token so that no number goes through the shop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CardToken {
    pub(crate) id: String,
    /// The word of the name on the card that chose the outcome, such as `APRO`.
    pub(crate) holder: String,
    pub(crate) first_six: String,
    pub(crate) last_four: String,
}

/// What a buyer is asked to pay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Preference {
    pub(crate) id: String,
    pub(crate) created_ms: u64,
    /// Sum of the items in hundredths.
    pub(crate) total: i64,
    pub(crate) currency: String,
    /// As it was sent.
    pub(crate) sent: Value,
}

/// Why a payment does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Its status does not allow it.
    Status,
    /// More than what is left, or nothing.
    Amount,
}

/// Names on the test cards and what they stand for.
const HOLDERS: [(&str, Outcome); 8] = [
    ("APRO", (Status::Approved, "accredited")),
    ("CONT", (Status::InProcess, "pending_contingency")),
    ("OTHE", (Status::Rejected, "cc_rejected_other_reason")),
    ("CALL", (Status::Rejected, "cc_rejected_call_for_authorize")),
    ("FUND", (Status::Rejected, "cc_rejected_insufficient_amount")),
    ("SECU", (Status::Rejected, "cc_rejected_bad_filled_security_code")),
    ("EXPI", (Status::Rejected, "cc_rejected_bad_filled_date")),
    ("FORM", (Status::Rejected, "cc_rejected_bad_filled_other")),
];

/// What a card with this holder's name leads to: the name's first word decides, any other name is approved.
pub(super) fn outcome_of_holder(name: &str) -> Outcome {
    known_holder(name).unwrap_or(HOLDERS[0].1)
}

/// As [`outcome_of_holder`]; `None` for a name that stands for nothing.
pub(super) fn known_holder(name: &str) -> Option<Outcome> {
    known(name).map(|(_, outcome)| *outcome)
}

fn known(name: &str) -> Option<&'static (&'static str, Outcome)> {
    let word = name.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    HOLDERS.iter().find(|(holder, _)| word.eq_ignore_ascii_case(holder))
}

impl CardToken {
    /// A card with this name on it. Only the word that chooses the outcome is kept: whose card it is stays out of every file.
    pub(super) fn new(id: String, holder: &str, (first_six, last_four): (String, String)) -> CardToken {
        let holder = known(holder).map_or(HOLDERS[0].0, |(word, _)| word).to_owned();
        CardToken { id, holder, first_six, last_four }
    }

    /// A Mastercard of the documentation.
    pub(super) fn of_test(id: String, holder: &str) -> CardToken {
        CardToken::new(id, holder, ("503175".to_owned(), "0604".to_owned()))
    }
}

impl Payment {
    /// Moves to an outcome.
    pub(super) fn turn(&mut self, (status, detail): Outcome, now_ms: u64) {
        self.status = status;
        self.detail = detail.to_owned();
        self.updated_ms = now_ms;
        if status == Status::Approved {
            self.approved_ms = Some(now_ms);
        }
    }

    /// Takes money that was only authorized, all or a part.
    pub(super) fn capture(&mut self, amount: Option<i64>, now_ms: u64) -> Result<(), Refused> {
        if self.status != Status::Authorized {
            return Err(Refused::Status);
        }
        let amount = amount.unwrap_or(self.amount);
        if amount <= 0 || amount > self.amount {
            return Err(Refused::Amount);
        }
        self.amount = amount;
        self.capture = Capture::Now;
        self.turn((Status::Approved, "accredited"), now_ms);
        Ok(())
    }

    /// Gives up what is still open.
    pub(super) fn cancel(&mut self, now_ms: u64) -> Result<(), Refused> {
        if !self.status.is_open() {
            return Err(Refused::Status);
        }
        self.turn((Status::Cancelled, "by_collector"), now_ms);
        Ok(())
    }

    /// Gives money back; `None` is all that is left.
    pub(super) fn refund(&mut self, id: u64, amount: Option<i64>, now_ms: u64) -> Result<Refund, Refused> {
        if self.status != Status::Approved {
            return Err(Refused::Status);
        }
        let left = self.amount - self.refunded;
        let amount = amount.unwrap_or(left);
        if amount <= 0 || amount > left {
            return Err(Refused::Amount);
        }
        let refund = Refund { id, amount, created_ms: now_ms };
        self.refunds.push(refund.clone());
        self.refunded += amount;
        self.updated_ms = now_ms;
        if self.refunded == self.amount {
            self.turn((Status::Refunded, "refunded"), now_ms);
        } else {
            self.detail = "partially_refunded".to_owned();
        }
        Ok(refund)
    }

    /// What the world outside decides later: a bank, a shop till, a dispute.
    pub(super) fn settle(&mut self, status: Status, now_ms: u64) -> Result<(), Refused> {
        let is_open = self.status.is_open();
        let outcome = match status {
            Status::Approved if is_open => (status, "accredited"),
            Status::Rejected if is_open => (status, "cc_rejected_other_reason"),
            Status::Cancelled if is_open => (status, "expired"),
            Status::ChargedBack if self.status == Status::Approved => (status, "in_process"),
            _ => return Err(Refused::Status),
        };
        self.turn(outcome, now_ms);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(status: Status) -> Payment {
        Payment {
            id: 1,
            status,
            detail: String::new(),
            capture: Capture::Now,
            currency: "ARS".to_owned(),
            amount: 1_000,
            refunded: 0,
            fee: 0,
            external_reference: None,
            notification_url: None,
            preference_id: None,
            sent: Value::Null,
            card: None,
            created_ms: 1,
            updated_ms: 1,
            approved_ms: None,
            refunds: Vec::new(),
        }
    }

    #[test]
    fn the_holder_chooses_the_outcome() {
        assert_eq!(outcome_of_holder("apro Pérez").0, Status::Approved);
        assert_eq!(outcome_of_holder("FUND").1, "cc_rejected_insufficient_amount");
        assert_eq!(outcome_of_holder("Ana").0, Status::Approved);
        assert_eq!(known_holder("APROX"), None);
    }

    #[test]
    fn no_more_is_given_back_than_was_paid() {
        let mut paid = payment(Status::Approved);
        assert!(paid.refund(2, Some(400), 5).is_ok());
        assert_eq!((paid.status, paid.detail.as_str()), (Status::Approved, "partially_refunded"));
        assert_eq!(paid.refund(3, Some(601), 6).err(), Some(Refused::Amount));
        assert_eq!(paid.refund(3, None, 6).map(|refund| refund.amount).ok(), Some(600));
        assert_eq!(paid.status, Status::Refunded);
        assert_eq!(paid.refund(4, None, 7).err(), Some(Refused::Status));
    }

    #[test]
    fn what_is_decided_does_not_move() {
        for status in [Status::Approved, Status::Rejected, Status::Cancelled] {
            assert_eq!(payment(status).cancel(2), Err(Refused::Status));
            assert_eq!(payment(status).capture(None, 2), Err(Refused::Status));
            assert_eq!(payment(status).settle(Status::Approved, 2), Err(Refused::Status));
        }
        assert_eq!(payment(Status::Pending).settle(Status::Approved, 2), Ok(()));
    }
}
