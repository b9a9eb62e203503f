//! ListNotifications, MarkRead and CountUnread.

use vitrina_chassis::{Answer, Call, Decision, page, unit};
use vitrina_proto::notifications::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use crate::error::Error;
use crate::model::kind::Kind;
use crate::model::{Notification, NotificationId, UserId};
use crate::store::rows::BadRow;
use crate::text::Language;
use crate::{store, wire};

const READ_RPC: &str = "vitrina.notifications.v1.Notifications/MarkRead";

impl App {
    /// The caller's inbox, newest first, in his language.
    pub(crate) fn list_notifications(
        &self,
        call: &Call<pb::ListNotificationsRequest>,
    ) -> Result<Answer<pb::NotificationList>, Error> {
        let user = call.caller.require_user()?;
        let limit = page::limit(call.request.limit)?;
        let after = page::after::<NotificationId>(call.request.cursor())?;
        let rows = store::inbox(&self.store, user, after, limit + 1)?;
        let (rows, next_cursor) = page::cut(rows, limit, |(id, _)| id);
        let language = self.reads(user, call.language.as_deref())?;
        let items = rows.iter().map(|(id, entry)| self.shown(*id, entry, language));
        Ok(Answer::new(pb::NotificationList {
            items: items.collect::<Result<_, _>>()?,
            next_cursor,
            unread: u32::try_from(store::unread(&self.store, user)?).unwrap_or(u32::MAX),
        }))
    }

    /// Marks one of the caller's as read; a second time changes nothing.
    pub(crate) async fn mark_read(
        &self,
        call: Call<pb::MarkReadRequest>,
    ) -> Result<Answer<pb::Notification>, Error> {
        let user = call.caller.require_user()?;
        let id: NotificationId = call.request.id.parse().map_err(|_| Error::Unknown("notification"))?;
        let language = self.reads(user, call.language.as_deref())?;
        unit(&self.store, &call, READ_RPC, || {
            let row = store::notification(&self.store, &(user, id))?;
            let row = row.ok_or(Error::Unknown("notification"))?;
            if row.value.read_at_ms.is_some() {
                return Ok(Decision::unchanged(Answer::new(self.shown(id, &row.value, language)?)));
            }
            let mut commit = Commit::new();
            let after = store::read(&mut commit, &(user, id), &row, call.now_ms);
            Ok(Decision::new(commit, Answer::new(self.shown(id, &after, language)?)))
        })
        .await
    }

    /// How many of a user's are unread; for himself, for whom the edge asks, and for other services.
    pub(crate) fn count_unread(
        &self,
        call: &Call<pb::CountUnreadRequest>,
    ) -> Result<Answer<pb::UnreadCount>, Error> {
        let user: UserId = call.request.user_id.parse().map_err(|_| Error::Unknown("user"))?;
        if !call.caller.is_user(user) {
            call.caller.require_system()?;
        }
        let unread = u32::try_from(store::unread(&self.store, user)?).unwrap_or(u32::MAX);
        Ok(Answer::new(pb::UnreadCount { unread }))
    }

    /// The language that a user reads: his own, else that of the request.
    fn reads(&self, user: UserId, asked: Option<&str>) -> Result<Language, Error> {
        let contact = store::contact(&self.store, user)?;
        let own = contact.as_ref().map(|row| row.value.language.as_str());
        Ok(self.language(own.into_iter().chain(asked)))
    }

    fn shown(
        &self,
        id: NotificationId,
        entry: &Notification,
        language: Language,
    ) -> Result<pb::Notification, Error> {
        let kind = Kind::named(&entry.kind).ok_or(BadRow("kind"))?;
        let told = self.texts.told(kind, &entry.facts, language)?;
        Ok(wire::notification(id, entry, (told.title, told.body)))
    }
}
