//! The values of the tables. Times are milliseconds since the epoch; `version` is the entity's, which clients see.

/// An account.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UserRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// As given; empty once deleted.
    #[prost(string, tag = "2")]
    pub(crate) email: String,
    /// As given; empty once deleted.
    #[prost(string, tag = "3")]
    pub(crate) username: String,
    #[prost(string, tag = "4")]
    pub(crate) first_name: String,
    #[prost(string, tag = "5")]
    pub(crate) last_name: String,
    #[prost(string, tag = "6")]
    pub(crate) language: String,
    /// PHC form; empty once deleted, which no password matches.
    #[prost(string, tag = "7")]
    pub(crate) password_hash: String,
    #[prost(bool, tag = "8")]
    pub(crate) is_email_verified: bool,
    #[prost(uint64, tag = "9")]
    pub(crate) created_at_ms: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) updated_at_ms: u64,
    /// Absent while the account lives.
    #[prost(uint64, optional, tag = "11")]
    pub(crate) deleted_at_ms: Option<u64>,
    /// Only sessions of this epoch stand: raising it ends all of them by one write, also one that is opened meanwhile.
    #[prost(uint32, tag = "12")]
    pub(crate) session_epoch: u32,
    /// Grows with each change of how the user is reached: address, first name, language, devices.
    #[prost(uint32, tag = "13")]
    pub(crate) contact_version: u32,
    /// The avatar's image id; absent: none.
    #[prost(string, optional, tag = "14")]
    pub(crate) avatar: Option<String>,
    /// Version of the album that the avatar was heard with; 0: nothing was heard.
    #[prost(uint32, tag = "15")]
    pub(crate) album_version: u32,
}

/// Whose an index entry is.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OwnerRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) user_id: Vec<u8>,
}

/// A session that was not ended: ending one removes its row.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SessionRow {
    #[prost(uint32, tag = "1")]
    pub(crate) epoch: u32,
    /// Of the newest refresh token.
    #[prost(uint32, tag = "2")]
    pub(crate) generation: u32,
    /// What the session's refresh tokens are made with, together with the master key.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) nonce: Vec<u8>,
    /// Keyed hash of who got the newest token.
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) client: Vec<u8>,
    #[prost(uint64, tag = "5")]
    pub(crate) created_at_ms: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) rotated_at_ms: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) expires_at_ms: u64,
}

/// The one live token of a purpose.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct OneTimeRow {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) hash: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) created_at_ms: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) expires_at_ms: u64,
}

/// A seller's profile.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SellerRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) display_name: String,
    #[prost(bool, tag = "3")]
    pub(crate) is_paused: bool,
    #[prost(uint64, tag = "4")]
    pub(crate) created_at_ms: u64,
    /// Mean of the reviews, 1 to 5; 0 without any.
    #[prost(double, tag = "5")]
    pub(crate) score_mean: f64,
    /// How many reviews.
    #[prost(uint32, tag = "6")]
    pub(crate) score_count: u32,
    /// The account's avatar, here too so that a seller is shown by one row.
    #[prost(string, optional, tag = "7")]
    pub(crate) avatar: Option<String>,
}

/// An address.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AddressRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) recipient: String,
    #[prost(string, tag = "3")]
    pub(crate) street: String,
    #[prost(string, optional, tag = "4")]
    pub(crate) extra: Option<String>,
    #[prost(string, tag = "5")]
    pub(crate) city: String,
    #[prost(string, tag = "6")]
    pub(crate) region: String,
    #[prost(string, tag = "7")]
    pub(crate) postal_code: String,
    #[prost(string, tag = "8")]
    pub(crate) country: String,
    #[prost(string, optional, tag = "9")]
    pub(crate) phone: Option<String>,
}

/// A push device.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeviceRow {
    #[prost(string, tag = "1")]
    pub(crate) kind: String,
    #[prost(string, optional, tag = "2")]
    pub(crate) name: Option<String>,
    #[prost(uint64, tag = "3")]
    pub(crate) created_at_ms: u64,
}

/// A bank account; what identifies it or its holder is sealed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BankAccountRow {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    #[prost(string, tag = "2")]
    pub(crate) bank_name: String,
    #[prost(string, tag = "3")]
    pub(crate) holder_name: String,
    #[prost(string, tag = "4")]
    pub(crate) identity_type: String,
    /// Sealed as field `identity`.
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) identity_number: Vec<u8>,
    #[prost(string, tag = "6")]
    pub(crate) account_type: String,
    /// The number of the scheme in the contract.
    #[prost(int32, tag = "7")]
    pub(crate) scheme: i32,
    /// Sealed as field `number`.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) number: Vec<u8>,
    #[prost(string, tag = "9")]
    pub(crate) last_four: String,
    #[prost(uint32, tag = "10")]
    pub(crate) number_chars: u32,
    /// Key of its row in the bank numbers.
    #[prost(bytes = "vec", tag = "11")]
    pub(crate) blind_index: Vec<u8>,
}

/// A wish.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WishRow {
    #[prost(uint64, tag = "1")]
    pub(crate) created_at_ms: u64,
}

/// How many rows a list has.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BookRow {
    #[prost(uint32, tag = "1")]
    pub(crate) rows: u32,
}

/// That a deleted account's wishes and sessions are still to be removed.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DepartedRow {
    #[prost(uint64, tag = "1")]
    pub(crate) departed_at_ms: u64,
}
