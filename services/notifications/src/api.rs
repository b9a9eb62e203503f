//! Which rpcs there are: each takes the call apart and leaves the rest to `app`.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};
use vitrina_chassis::{Call, respond};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::notifications::v1 as pb;
use vitrina_proto::notifications::v1::notifications_server::Notifications;

use crate::app::App;

/// The gRPC service.
#[derive(Clone)]
pub(crate) struct Api(pub(crate) Arc<App>);

impl Api {
    fn call<T>(&self, request: Request<T>) -> Call<T> {
        Call::from_request(request, &self.0.clock)
    }
}

#[async_trait]
impl Notifications for Api {
    async fn list_notifications(
        &self,
        request: Request<pb::ListNotificationsRequest>,
    ) -> Result<Response<pb::NotificationList>, Status> {
        respond(self.0.list_notifications(&self.call(request)))
    }

    async fn mark_read(
        &self,
        request: Request<pb::MarkReadRequest>,
    ) -> Result<Response<pb::Notification>, Status> {
        respond(self.0.mark_read(self.call(request)).await)
    }

    async fn get_preferences(
        &self,
        request: Request<pb::GetPreferencesRequest>,
    ) -> Result<Response<pb::Preferences>, Status> {
        respond(self.0.get_preferences(&self.call(request)))
    }

    async fn put_preferences(
        &self,
        request: Request<pb::PutPreferencesRequest>,
    ) -> Result<Response<pb::Preferences>, Status> {
        respond(self.0.put_preferences(self.call(request)).await)
    }

    async fn count_unread(
        &self,
        request: Request<pb::CountUnreadRequest>,
    ) -> Result<Response<pb::UnreadCount>, Status> {
        respond(self.0.count_unread(&self.call(request)))
    }

    async fn receive_mail_events(
        &self,
        request: Request<pb::SignedEvent>,
    ) -> Result<Response<Empty>, Status> {
        respond(self.0.receive_mail_events(&self.call(request)).await)
    }
}
