//! What happens to the orders of a generated shop: a story for each state that an order can rest in.
//!
//! CREATED and REFUNDING are passed in moments and stand in the timelines; EXPIRED comes by itself, half an hour later, to what
//! waits for an automatic payment.

use self::Kind::{Provider, ProviderRefuses, Transfer};
use self::Step::{
    AcceptReturn, AskReturn, Cancel, ChargeBack, Confirm, Finish, Pay, PayTooLate, RefundAll, RefundQuarter,
    RefuseReturn, Review, Ship,
};

/// An order and what becomes of it.
pub(super) struct Story {
    /// Its part of the idempotency keys.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) steps: &'static [Step],
}

/// How it is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Transfer,
    Provider,
    /// At the provider, which takes no payment for it: the order stays reserved.
    ProviderRefuses,
}

/// What somebody does with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The buyer presses this button of the pay page: `approved`, `pending` or `rejected`.
    Pay(&'static str),
    /// The buyer cancels with the pay page open, and pays.
    PayTooLate,
    /// The bank takes the money back.
    ChargeBack,
    /// The seller has the money of a transfer.
    Confirm,
    Ship,
    Finish,
    Cancel,
    RefundAll,
    RefundQuarter,
    AskReturn,
    AcceptReturn,
    RefuseReturn,
    Review(u32, &'static str),
}

/// Told by the first buyer. The first of them finds out where the pay page is.
pub(super) const STORIES: [Story; 21] = [
    story("waiting", Provider, &[]),
    story("pending", Provider, &[Pay("pending")]),
    story("rejected", Provider, &[Pay("rejected")]),
    story("paid", Provider, &[Pay("approved")]),
    story("shipped", Provider, &[Pay("approved"), Ship]),
    story("finished", Provider, &[Pay("approved"), Ship, Finish, Review(5, "Llegó antes de lo pensado.")]),
    story("refunded", Provider, &[Pay("approved"), RefundAll]),
    story("refunded-in-part", Provider, &[Pay("approved"), Ship, RefundQuarter]),
    story("returned", Provider, &[Pay("approved"), Ship, Finish, AskReturn, AcceptReturn]),
    story("paid-too-late", Provider, &[PayTooLate]),
    story("charged-back", Provider, &[Pay("approved"), ChargeBack]),
    story("refused-by-provider", ProviderRefuses, &[]),
    story("transfer-waiting", Transfer, &[]),
    story("transfer-cancelled", Transfer, &[Cancel]),
    story("transfer-paid", Transfer, &[Confirm]),
    story("transfer-shipped", Transfer, &[Confirm, Ship]),
    story("transfer-finished", Transfer, &[Confirm, Ship, Finish, Review(3, "Es más chico que en la foto.")]),
    story("transfer-refunded", Transfer, &[Confirm, RefundAll]),
    story("transfer-return-asked", Transfer, &[Confirm, Ship, Finish, AskReturn]),
    story(
        "transfer-return-refused",
        Transfer,
        &[Confirm, Ship, Finish, AskReturn, RefuseReturn, Review(1, "No aceptan devoluciones.")],
    ),
    story("transfer-returned", Transfer, &[Confirm, Ship, AskReturn, AcceptReturn]),
];

/// What the other buyers say of the sellers, in turn.
pub(super) const PRAISES: [Story; 5] = [
    story("praise", Transfer, &[Confirm, Ship, Finish, Review(5, "Excelente atención, muy recomendable.")]),
    story("praise", Transfer, &[Confirm, Ship, Finish, Review(4, "Todo bien, tardó un poco.")]),
    story("praise", Transfer, &[Confirm, Ship, Finish, Review(5, "Tal cual la descripción.")]),
    story("praise", Transfer, &[Confirm, Ship, Finish, Review(2, "Vino con un golpe.")]),
    story("praise", Transfer, &[Confirm, Ship, Finish, Review(4, "Buen precio.")]),
];

const fn story(name: &'static str, kind: Kind, steps: &'static [Step]) -> Story {
    Story { name, kind, steps }
}
