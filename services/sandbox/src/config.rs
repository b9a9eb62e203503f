//! What can be set.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Settings of the sandbox.
///
/// The keys are no secrets: they open nothing but a sandbox. Their defaults are documented so that whoever tries the
/// shop out can call the stand-ins by hand.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// Folder of everything that is kept: the journal and the objects. Made if absent; one sandbox a folder.
    pub data: PathBuf,
    /// Where MercadoPago, SendGrid, FCM, the knobs and the pages for people are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where S3 is served; port 0 takes a free one.
    pub s3_listen: SocketAddr,
    /// Base of the links given to people (`init_point`), without a trailing slash; `None` is the listener's own address.
    pub public_url: Option<String>,
    /// Access token of the MercadoPago account.
    pub mercadopago_token: String,
    /// Secret that notifications of MercadoPago are signed with.
    pub webhook_secret: String,
    /// Where payments are notified whose own `notification_url` is absent; `None` is nowhere.
    pub notification_url: Option<String>,
    /// API key of SendGrid.
    pub sendgrid_key: String,
    /// Where SendGrid's events are sent; `None` is nowhere. It can be changed at run time
    /// ([`Running::send_mail_events_to`](crate::Running::send_mail_events_to)).
    pub sendgrid_events_url: Option<String>,
    /// Access key of S3.
    pub s3_access_key: String,
    /// Secret key of S3.
    pub s3_secret_key: String,
    /// Bucket that exists from the start.
    pub s3_bucket: String,
    /// Waits before a notification that was not answered by 2xx is sent again; after the last it is given up. MercadoPago
    /// waits 15 min to 96 h (its documentation, November 2026); here a person is watching.
    pub ladder: Vec<Duration>,
    /// Longest wait for the answer to a notification. MercadoPago waits 22 s.
    pub notification_timeout: Duration,
}

impl SandboxConfig {
    /// The defaults: free ports of the loopback interface and the documented keys.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            data: data.into(),
            listen: free_port,
            s3_listen: free_port,
            public_url: None,
            mercadopago_token: "TEST-vitrina".to_owned(),
            webhook_secret: "vitrina-webhook-secret".to_owned(),
            notification_url: None,
            sendgrid_key: "SG.vitrina".to_owned(),
            sendgrid_events_url: None,
            s3_access_key: "vitrina".to_owned(),
            s3_secret_key: "vitrina-secret".to_owned(),
            s3_bucket: "vitrina".to_owned(),
            ladder: [200, 1_000, 5_000, 15_000, 60_000].map(Duration::from_millis).to_vec(),
            notification_timeout: Duration::from_secs(22),
        }
    }
}
