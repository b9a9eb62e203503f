//! The kinds of notifications, and what one is about.

/// Most characters of a title or a text of somebody's that a notification repeats; the rest is a click away.
const QUOTE_CHARS_MAX: usize = 280;

/// What a notification tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Welcome,
    VerifyEmail,
    PasswordReset,
    OrderPlaced,
    OrderReceived,
    PaymentApproved,
    PaymentRejected,
    OrderCancelled,
    OrderExpired,
    OrderShipped,
    OrderFinished,
    OrderRefunded,
    QuestionAsked,
    QuestionAnswered,
    ReviewReceived,
    PriceDrop,
    BackInStock,
    OperationFailed,
}

/// What a notification is about; which of the fields are set depends on the kind.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Facts {
    #[prost(string, tag = "1")]
    pub(crate) order_id: String,
    #[prost(string, tag = "2")]
    pub(crate) publication_id: String,
    /// Of what is sold.
    #[prost(string, tag = "3")]
    pub(crate) title: String,
    /// Items of the order beside the one that the title names.
    #[prost(uint32, tag = "4")]
    pub(crate) others: u32,
    #[prost(int64, tag = "5")]
    pub(crate) amount_minor: i64,
    #[prost(string, tag = "6")]
    pub(crate) currency: String,
    /// What somebody wrote: a question, an answer, a review.
    #[prost(string, tag = "7")]
    pub(crate) text: String,
    /// Who wrote it.
    #[prost(string, tag = "8")]
    pub(crate) author: String,
    /// 1 to 5.
    #[prost(uint32, tag = "9")]
    pub(crate) rating: u32,
    /// Told to the seller of the order, not to its buyer.
    #[prost(bool, tag = "10")]
    pub(crate) is_to_seller: bool,
    #[prost(string, tag = "11")]
    pub(crate) operation_id: String,
}

impl Kind {
    /// Every kind, in the order in which preferences list them.
    pub(crate) const ALL: [Kind; 18] = [
        Kind::Welcome,
        Kind::VerifyEmail,
        Kind::PasswordReset,
        Kind::OrderPlaced,
        Kind::OrderReceived,
        Kind::PaymentApproved,
        Kind::PaymentRejected,
        Kind::OrderCancelled,
        Kind::OrderExpired,
        Kind::OrderShipped,
        Kind::OrderFinished,
        Kind::OrderRefunded,
        Kind::QuestionAsked,
        Kind::QuestionAnswered,
        Kind::ReviewReceived,
        Kind::PriceDrop,
        Kind::BackInStock,
        Kind::OperationFailed,
    ];

    /// The name on the wire, in rows and in the files of texts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Welcome => "welcome",
            Kind::VerifyEmail => "verify_email",
            Kind::PasswordReset => "password_reset",
            Kind::OrderPlaced => "order_placed",
            Kind::OrderReceived => "order_received",
            Kind::PaymentApproved => "payment_approved",
            Kind::PaymentRejected => "payment_rejected",
            Kind::OrderCancelled => "order_cancelled",
            Kind::OrderExpired => "order_expired",
            Kind::OrderShipped => "order_shipped",
            Kind::OrderFinished => "order_finished",
            Kind::OrderRefunded => "order_refunded",
            Kind::QuestionAsked => "question_asked",
            Kind::QuestionAnswered => "question_answered",
            Kind::ReviewReceived => "review_received",
            Kind::PriceDrop => "price_drop",
            Kind::BackInStock => "back_in_stock",
            Kind::OperationFailed => "operation_failed",
        }
    }

    /// The kind of a name; `None` for a word that is none.
    pub(crate) fn named(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether its mail goes whatever the preferences say, since the account is lost or stolen without it.
    pub(crate) fn is_security(self) -> bool {
        matches!(self, Kind::VerifyEmail | Kind::PasswordReset)
    }
}

/// A text of somebody's on one line, cut to what a notification repeats of it.
pub(crate) fn quote(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTE_CHARS_MAX) {
        None => line,
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_reads_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
        assert_eq!(Kind::named("Welcome"), None);
    }

    #[test]
    fn a_quote_is_one_line_and_short() {
        assert_eq!(quote(" ¿Anda\r\nbien? "), "¿Anda bien?");
        let long = quote(&"ñandú ".repeat(100));
        assert_eq!((long.chars().count(), long.ends_with('…')), (QUOTE_CHARS_MAX + 1, true));
        assert_eq!(quote(&"é".repeat(280)).chars().count(), 280);
    }
}
