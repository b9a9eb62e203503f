//! The names of the services.

use clap::ValueEnum;

/// Port of the first service; the others follow.
const FIRST_PORT: u16 = 7001;

/// A service of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// Accounts, sessions, sellers, addresses, wishlists.
    Users,
    /// Products, prices and stock.
    Products,
    /// What is on offer: publications, search, questions.
    Publications,
    /// Pictures of products and people.
    Images,
    /// The inbox, mails and pushes.
    Notifications,
    /// Carts, orders, payments, reviews.
    Orders,
}

impl Name {
    /// Every service, those that others call first.
    pub const ALL: [Name; 6] =
        [Name::Users, Name::Products, Name::Publications, Name::Images, Name::Notifications, Name::Orders];

    /// The name as it is written everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Name::Users => "users",
            Name::Products => "products",
            Name::Publications => "publications",
            Name::Images => "images",
            Name::Notifications => "notifications",
            Name::Orders => "orders",
        }
    }

    /// How far behind the first service's port its own is.
    pub fn port_offset(self) -> u16 {
        match self {
            Name::Users => 0,
            Name::Products => 1,
            Name::Publications => 2,
            Name::Images => 3,
            Name::Notifications => 4,
            Name::Orders => 5,
        }
    }

    /// The port at which it serves unless told otherwise, and at which it is looked for.
    pub fn port(self) -> u16 {
        FIRST_PORT + self.port_offset()
    }
}
