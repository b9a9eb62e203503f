//! Every rpc that is somebody's own refuses who is nobody.

use tonic::{Code, Request};
use vitrina_proto::notifications::v1 as pb;
use vitrina_proto::routes::{Auth, ROUTES, Service};

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_let_in() {
    let desk = Desk::open().await;
    let mut tested = Vec::new();
    macro_rules! refuses {
        ($($rpc:ident $name:literal $request:expr),* $(,)?) => {$(
            let refused = desk.client().$rpc(Request::new($request)).await.map(drop).unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, $name);
            tested.push($name);
        )*};
    }
    refuses!(
        list_notifications "ListNotifications" pb::ListNotificationsRequest::default(),
        mark_read "MarkRead" pb::MarkReadRequest::default(),
        get_preferences "GetPreferences" pb::GetPreferencesRequest::default(),
        put_preferences "PutPreferences" pb::PutPreferencesRequest::default(),
    );
    let wanted =
        ROUTES.iter().filter(|route| route.service == Service::Notifications && route.auth == Auth::User);
    let untested: Vec<_> = wanted
        .map(|route| route.rpc)
        .filter(|rpc| !tested.iter().any(|name| rpc.ends_with(&format!("/{name}"))))
        .collect();
    assert_eq!(untested, Vec::<&str>::new());
}
