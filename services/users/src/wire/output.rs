//! Rows to replies.

use vitrina_proto::Timestamp;
use vitrina_proto::users::v1 as proto;

use crate::keys::{AddressId, BankAccountId, PublicationId, SessionId, UserId};
use crate::secret::access::PublicKey;
use crate::store::rows::{AddressRow, BankAccountRow, DeviceRow, SellerRow, SessionRow, UserRow, WishRow};

/// An account.
pub(crate) fn user(user_id: UserId, row: &UserRow) -> proto::User {
    proto::User {
        id: user_id.to_string(),
        version: row.version,
        email: row.email.clone(),
        username: row.username.clone(),
        first_name: row.first_name.clone(),
        last_name: row.last_name.clone(),
        email_verified: row.is_email_verified,
        created_at: time(row.created_at_ms),
        avatar: row.avatar.clone(),
        language: row.language.clone(),
    }
}

/// A seller.
pub(crate) fn seller(user_id: UserId, row: &SellerRow) -> proto::Seller {
    let status = if row.is_paused { proto::SellerStatus::Paused } else { proto::SellerStatus::Active };
    proto::Seller {
        id: user_id.to_string(),
        version: row.version,
        display_name: row.display_name.clone(),
        status: status.into(),
        score: score(row),
        avatar: row.avatar.clone(),
        created_at: time(row.created_at_ms),
        payment_connected: false,
    }
}

/// A seller's score; none before the first review.
pub(crate) fn score(row: &SellerRow) -> Option<proto::Score> {
    (row.score_count > 0).then_some(proto::Score { mean: row.score_mean, count: row.score_count })
}

/// An address.
pub(crate) fn address(id: AddressId, row: &AddressRow) -> proto::Address {
    proto::Address {
        id: id.to_string(),
        version: row.version,
        recipient: row.recipient.clone(),
        street: row.street.clone(),
        extra: row.extra.clone(),
        city: row.city.clone(),
        region: row.region.clone(),
        postal_code: row.postal_code.clone(),
        country: row.country.clone(),
        phone: row.phone.clone(),
    }
}

/// A device.
pub(crate) fn device_of(token: &str, row: &DeviceRow) -> proto::Device {
    proto::Device {
        token: token.to_owned(),
        kind: row.kind.clone(),
        name: row.name.clone(),
        created_at: time(row.created_at_ms),
    }
}

/// A bank account with the number and the holder's identity as they are to be shown.
pub(crate) fn bank(
    id: BankAccountId,
    row: &BankAccountRow,
    number: String,
    identity_number: String,
) -> proto::BankAccount {
    proto::BankAccount {
        id: id.to_string(),
        version: row.version,
        bank_name: row.bank_name.clone(),
        holder_name: row.holder_name.clone(),
        holder_identity: Some(proto::HolderIdentity {
            r#type: row.identity_type.clone(),
            number: identity_number,
        }),
        account_type: row.account_type.clone(),
        scheme: row.scheme,
        number,
    }
}

/// A wish.
pub(crate) fn wish(id: PublicationId, row: &WishRow) -> proto::Wish {
    proto::Wish { publication_id: id.to_string(), created_at: time(row.created_at_ms) }
}

/// A session.
pub(crate) fn session_of(id: SessionId, row: &SessionRow) -> proto::Session {
    proto::Session {
        id: id.to_string(),
        created_at: time(row.created_at_ms),
        last_used_at: time(row.rotated_at_ms),
    }
}

/// The published keys.
pub(crate) fn key_set(keys: Vec<PublicKey>) -> proto::KeySet {
    let keys = keys.into_iter().map(|key| proto::Key {
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        kid: key.kid,
        x: key.x,
        alg: "EdDSA".to_owned(),
        r#use: "sig".to_owned(),
    });
    proto::KeySet { keys: keys.collect() }
}

fn time(ms: u64) -> Option<Timestamp> {
    Some(Timestamp::from_unix_ms(ms))
}
