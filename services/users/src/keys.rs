//! Where it is kept.
//!
//! | prefix | table | key | holds |
//! |---|---|---|---|
//! | `10` | users | user | the account; stays, anonymised, after deletion |
//! | `11` | emails | folded address | whose it is |
//! | `12` | usernames | folded name | whose it is |
//! | `13` | sessions | user, session | the newest refresh token's generation and nonce |
//! | `14` | one-time | user, purpose | hash of the one live token of a purpose |
//! | `15` | sellers | user | the public profile |
//! | `16` | addresses | user, address | |
//! | `17` | devices | user, sealed push token | |
//! | `18` | bank accounts | user, account | number and identity sealed |
//! | `19` | bank numbers | user, blind index | that the user has the number |
//! | `1A` | wishes | user, publication | since when |
//! | `1B` | books | user, book | how many rows one of the user's lists has |
//! | `1C` | departed | user | that rows of a deleted account are still to be removed |
//!
//! A user's rows are one range in each table. Whoever adds to a list or takes from it rewrites its book, so that the
//! list's bound and the deletion of the account are decided by the version of one row.

use vitrina_chassis::id_type;
pub(crate) use vitrina_chassis::ids::UserId;
use vitrina_storage::{Id16, Table};

use crate::model;
use crate::store::rows::{
    AddressRow, BankAccountRow, BookRow, DepartedRow, DeviceRow, OneTimeRow, OwnerRow, SellerRow, SessionRow,
    UserRow, WishRow,
};

id_type!(
    /// A session: a family of refresh tokens.
    SessionId, "ses_"
);
id_type!(
    /// An address of a user.
    AddressId, "adr_"
);
id_type!(
    /// A bank account of a seller.
    BankAccountId, "bnk_"
);
id_type!(
    /// A publication, owned by the publications service.
    PublicationId, "pub_"
);

pub(crate) const USERS: Table<UserId, UserRow> = Table::new(0x10, "users");
pub(crate) const EMAILS: Table<String, OwnerRow> = Table::new(0x11, "emails");
pub(crate) const USERNAMES: Table<String, OwnerRow> = Table::new(0x12, "usernames");
pub(crate) const SESSIONS: Table<(UserId, SessionId), SessionRow> = Table::new(0x13, "sessions");
pub(crate) const ONE_TIME: Table<(UserId, u8), OneTimeRow> = Table::new(0x14, "one-time");
pub(crate) const SELLERS: Table<UserId, SellerRow> = Table::new(0x15, "sellers");
pub(crate) const ADDRESSES: Table<(UserId, AddressId), AddressRow> = Table::new(0x16, "addresses");
pub(crate) const DEVICES: Table<(UserId, String), DeviceRow> = Table::new(0x17, "devices");
pub(crate) const BANK_ACCOUNTS: Table<(UserId, BankAccountId), BankAccountRow> =
    Table::new(0x18, "bank accounts");
pub(crate) const BANK_NUMBERS: Table<(UserId, Id16), OwnerRow> = Table::new(0x19, "bank numbers");
pub(crate) const WISHES: Table<(UserId, PublicationId), WishRow> = Table::new(0x1A, "wishes");
pub(crate) const BOOKS: Table<(UserId, u8), BookRow> = Table::new(0x1B, "books");
pub(crate) const DEPARTED: Table<UserId, DepartedRow> = Table::new(0x1C, "departed");

/// What a one-time token is good for; the number is part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Verifying the e-mail address.
    Verify = 1,
    /// Setting a new password.
    Reset = 2,
}

/// A list of a user whose length is bounded; the number is part of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Book {
    Addresses = 1,
    Devices = 2,
    BankAccounts = 3,
    Wishes = 4,
}

impl Book {
    /// Every list.
    pub(crate) const ALL: [Self; 4] = [Self::Addresses, Self::Devices, Self::BankAccounts, Self::Wishes];

    /// Most rows of the list.
    pub(crate) fn rows_max(self) -> u32 {
        match self {
            Self::Addresses => model::ADDRESSES_MAX,
            Self::Devices => model::DEVICES_MAX,
            Self::BankAccounts => model::BANK_ACCOUNTS_MAX,
            Self::Wishes => model::WISHES_MAX,
        }
    }

    /// What the list holds, for people.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Addresses => "addresses",
            Self::Devices => "devices",
            Self::BankAccounts => "bank accounts",
            Self::Wishes => "publications on the wishlist",
        }
    }
}
