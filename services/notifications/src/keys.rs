//! Where it is kept.
//!
//! | table | key | value |
//! |---|---|---|
//! | `notifications` | user, notification | an entry of an inbox; backwards it is "newest first", as ids sort by creation |
//! | `unread` | user, notification | nothing; those that were not read |
//! | `ages` | notification | whose it is and what it told; the oldest are forgotten first |
//! | `told` | what was told to whom | nothing; nobody is told the same twice |
//! | `deliveries` | delivery | where it is, and what sending it needs |
//! | `due` | channel, time in ms, delivery | nothing; those that are to be sent, first due first |
//! | `contacts` | user | how he is reached, as heard from users |
//! | `preferences` | user | what he does not want |
//! | `watches` | publication, user | that he watches it, and what he was told of it |
//! | `alerts` | publication, kind | news for those who watch it, and how far they were told |
//! | `purges` | user | nothing; he left, and his inbox is still to be removed |

use vitrina_storage::Table;

use crate::model::contact::Contact;
use crate::model::delivery::Delivery;
use crate::model::preference::Preferences;
use crate::model::watch::{Alert, Watch};
use crate::model::{DeliveryId, Notification, NotificationId, PublicationId, UserId};
use crate::store::rows::{AgeRow, MarkRow};

/// The key of an inbox's entry.
pub(crate) type EntryKey = (UserId, NotificationId);
/// A publication and the name of a kind.
pub(crate) type AlertKey = (PublicationId, String);

pub(crate) const NOTIFICATIONS: Table<EntryKey, Notification> = Table::new(0x10, "notifications");
pub(crate) const UNREAD: Table<EntryKey, MarkRow> = Table::new(0x11, "unread");
pub(crate) const AGES: Table<NotificationId, AgeRow> = Table::new(0x12, "ages");
pub(crate) const TOLD: Table<String, MarkRow> = Table::new(0x13, "told");
pub(crate) const DELIVERIES: Table<DeliveryId, Delivery> = Table::new(0x14, "deliveries");
pub(crate) const DUE: Table<(u8, u64, DeliveryId), MarkRow> = Table::new(0x15, "due");
pub(crate) const CONTACTS: Table<UserId, Contact> = Table::new(0x16, "contacts");
pub(crate) const PREFERENCES: Table<UserId, Preferences> = Table::new(0x17, "preferences");
pub(crate) const WATCHES: Table<(PublicationId, UserId), Watch> = Table::new(0x18, "watches");
pub(crate) const ALERTS: Table<AlertKey, Alert> = Table::new(0x19, "alerts");
pub(crate) const PURGES: Table<UserId, MarkRow> = Table::new(0x1A, "purges");
