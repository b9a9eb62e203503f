//! Who is served when not all can be.

use vitrina_proto::routes::RateClass;

/// How much a request matters; more is later in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Searches: a visitor tries again.
    Search,
    /// Other reads.
    Read,
    /// Writes and log-ins.
    Write,
    /// Orders, payments, calls of providers, and what the edge asks for every request: these are money.
    Checkout,
}

impl Priority {
    /// From what goes first to what stays longest.
    pub(crate) const ALL: [Priority; 4] =
        [Priority::Search, Priority::Read, Priority::Write, Priority::Checkout];

    pub(crate) fn of(class: RateClass) -> Self {
        match class {
            RateClass::Search => Priority::Search,
            RateClass::Read => Priority::Read,
            RateClass::Write | RateClass::Auth => Priority::Write,
            RateClass::Checkout | RateClass::Webhook => Priority::Checkout,
        }
    }

    /// Of a rate class by its name in the configuration.
    pub(crate) fn named(class: &str) -> Self {
        match class {
            "search" => Priority::Search,
            "write" | "auth" => Priority::Write,
            "checkout" | "webhook" => Priority::Checkout,
            _ => Priority::Read,
        }
    }

    /// As operators read it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Priority::Search => "search",
            Priority::Read => "read",
            Priority::Write => "write",
            Priority::Checkout => "checkout",
        }
    }

    /// Percent of a limit that it may use.
    pub(super) fn share(self) -> usize {
        match self {
            Priority::Search => 70,
            Priority::Read => 85,
            Priority::Write => 95,
            Priority::Checkout => 100,
        }
    }
}
