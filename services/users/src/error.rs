//! How it can fail, and what a caller is told.

use vitrina_chassis::{Code, Fault, IntoFault, Refused};

/// Everything that a request can end with, but success.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] vitrina_storage::Error),
    /// The unit of work was refused: key reused, or too much contention.
    #[error("the work was refused")]
    Refused(#[from] Refused),
    /// The request has wrong fields, names another version, or needs a user.
    #[error("the request was refused")]
    Request(#[from] Fault),
    /// The caller's account does not exist any more.
    #[error("the caller has no account")]
    Unauthenticated,
    /// The login or the password is wrong; which one is not told.
    #[error("the login or the password is wrong")]
    BadLogin,
    /// The refresh token is not good, or not any more.
    #[error("the refresh token is not good")]
    BadRefreshToken,
    /// An old refresh token came back: the session was ended.
    #[error("a refresh token was used again, its session was ended")]
    RefreshTokenReused,
    /// The token from a mail is not good, or not any more.
    #[error("the one-time token is not good")]
    BadOneTimeToken,
    /// Unknown, or another's.
    #[error("the {0} does not exist")]
    NotFound(&'static str),
    /// The caller has no seller profile.
    #[error("the caller is not a seller")]
    NotSeller,
    /// The e-mail address belongs to an account.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The username belongs to an account.
    #[error("the username is taken")]
    UsernameTaken,
    /// The caller has a seller profile already.
    #[error("the caller is a seller already")]
    SellerExists,
    /// The caller has this account number already.
    #[error("the bank account exists already")]
    BankAccountExists,
    /// A list is full.
    #[error("more than {max} {what}")]
    TooMany {
        /// What the list holds.
        what: &'static str,
        /// How many it may hold.
        max: u32,
    },
    /// Too many passwords are being hashed.
    #[error("the turn to hash a password did not come in time")]
    Busy,
    /// A password could not be hashed.
    #[error("password hash: {0}")]
    Hash(String),
    /// A field could not be sealed or opened.
    #[error("sealed field: {reason}")]
    Seal {
        /// What was wrong.
        reason: &'static str,
    },
    /// An index row does not hold an id.
    #[error("a row of the index {table} holds no id")]
    Index {
        /// Which index.
        table: &'static str,
    },
}

impl IntoFault for Error {
    fn fault(&self) -> Fault {
        match self {
            Self::Store(error) => error.fault(),
            Self::Refused(error) => error.fault(),
            Self::Request(fault) => fault.clone(),
            Self::Unauthenticated => Fault::unauthenticated("log in first"),
            Self::BadLogin => {
                Fault::new(Code::Unauthenticated, "login_failed", "the login or the password is wrong")
            }
            Self::BadRefreshToken => {
                Fault::new(Code::Unauthenticated, "refresh_token_invalid", "log in again")
            }
            Self::RefreshTokenReused => Fault::new(
                Code::Unauthenticated,
                "refresh_token_reused",
                "the token was used before: log in again",
            ),
            Self::BadOneTimeToken => {
                Fault::invalid_field("token", "token_invalid", "is wrong, used or expired: ask for a new one")
            }
            Self::NotFound(what) => Fault::not_found(what),
            Self::NotSeller => Fault::forbidden("not_a_seller", "open a seller profile first"),
            Self::EmailTaken => Fault::conflict("email_taken", "an account with this e-mail address exists"),
            Self::UsernameTaken => Fault::conflict("username_taken", "an account with this username exists"),
            Self::SellerExists => Fault::conflict("seller_exists", "the seller profile exists already"),
            Self::BankAccountExists => {
                Fault::conflict("bank_account_exists", "this account number is listed already")
            }
            Self::TooMany { what, max } => {
                Fault::conflict("too_many", format!("there may be at most {max} {what}"))
            }
            Self::Busy => Fault::unavailable("busy", "too many people are logging in at the moment"),
            Self::Hash(_) | Self::Seal { .. } | Self::Index { .. } => Fault::internal(),
        }
    }
}
