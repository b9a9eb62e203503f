//! proto ↔ model; all validation of input ends here.

use std::collections::HashSet;

use vitrina_chassis::Fault;
use vitrina_chassis::check::Fields;
use vitrina_proto::Timestamp;
use vitrina_proto::notifications::v1 as pb;

use crate::model::delivery::Channel;
use crate::model::kind::Kind;
use crate::model::preference::{Preferences, Wish};
use crate::model::{Notification, NotificationId};

/// Reads what a user says of the kinds.
///
/// # Errors
/// With every kind that is none or named twice.
pub(crate) fn wishes(request: &pb::PutPreferencesRequest) -> Result<Vec<Wish>, Fault> {
    let mut fields = Fields::new();
    fields.count("items", request.items.len(), 1..=Kind::ALL.len());
    let (mut wishes, mut seen) = (Vec::new(), HashSet::new());
    for (index, item) in request.items.iter().enumerate() {
        let field = format!("items[{index}].kind");
        match Kind::named(&item.kind) {
            None if item.kind.is_empty() => drop(fields.required::<()>(&field, None)),
            None => drop(fields.wrong(&field, "unknown", "is no kind of notification")),
            Some(kind) if !seen.insert(kind) => drop(fields.wrong(&field, "duplicate", "is named twice")),
            Some(kind) => wishes.push(Wish { kind, email: item.email, push: item.push }),
        }
    }
    fields.finish()?;
    Ok(wishes)
}

/// Preferences as they are told: every kind, in a fixed order.
pub(crate) fn preferences(preferences: &Preferences) -> pb::Preferences {
    let items = Kind::ALL.map(|kind| pb::Preference {
        kind: kind.name().to_owned(),
        email: preferences.wants(kind, Channel::Email),
        push: preferences.wants(kind, Channel::Push),
    });
    pb::Preferences { items: items.to_vec() }
}

/// An entry of an inbox with its texts.
pub(crate) fn notification(
    id: NotificationId,
    notification: &Notification,
    (title, body): (String, String),
) -> pb::Notification {
    pb::Notification {
        id: id.to_string(),
        kind: notification.kind.clone(),
        title,
        body,
        created_at: Some(Timestamp::from_unix_ms(notification.created_at_ms)),
        read_at: notification.read_at_ms.map(Timestamp::from_unix_ms),
    }
}
