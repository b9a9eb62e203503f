//! Starting and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Parts};
use crate::config::SandboxConfig;
use crate::error::Error;
use crate::fcm::{self, Tokens};
use crate::knobs::Provider;
use crate::ledger::Ledger;
use crate::sendgrid::MailSigner;
use crate::{JOURNAL, MAIL_KEY, OBJECTS, console, disk, mercadopago, notice, s3, sendgrid};

/// How long requests under way may take once the sandbox stops; none of them waits for anything but the disk.
const STOP_MAX: Duration = Duration::from_secs(10);

/// The stand-ins, before they run.
pub struct Sandbox;

/// A sandbox that serves. Dropping it ends it at once, as a crash would.
pub struct Running {
    /// Address of MercadoPago, SendGrid, FCM, the knobs and the pages.
    pub addr: SocketAddr,
    /// Address of S3.
    pub s3_addr: SocketAddr,
    app: Arc<App>,
    tasks: JoinSet<()>,
}

impl Sandbox {
    /// Opens what is kept, binds both listeners and serves on the current tokio runtime until [`Running::stop`].
    ///
    /// # Errors
    /// See [`Error`]; nothing runs then.
    pub async fn start(config: SandboxConfig) -> Result<Running, Error> {
        let listener = listen(config.listen).await?;
        let s3_listener = listen(config.s3_listen).await?;
        let addr = listener.local_addr().map_err(|source| Error::Listen { addr: config.listen, source })?;
        let s3_addr =
            s3_listener.local_addr().map_err(|source| Error::Listen { addr: config.s3_listen, source })?;
        let client = vitrina_outgoing::client().timeout(config.notification_timeout).no_proxy().build();
        let client = client.map_err(Error::Client)?;
        let opened = tokio::task::spawn_blocking(move || open(config, addr)).await;
        let (app, service) = opened.unwrap_or(Err(Error::Broken))?;
        let app = Arc::new(app);
        let pages = Router::new()
            .merge(mercadopago::router(&app))
            .merge(sendgrid::router(&app))
            .merge(fcm::router(&app))
            .merge(console::router())
            .with_state(Arc::clone(&app));
        let objects = s3::router(service, app.gate(Provider::S3));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, pages, app.stop.clone()));
        tasks.spawn(serve(s3_listener, objects, app.stop.clone()));
        tasks.spawn(notice::run(Arc::clone(&app), client));
        Ok(Running { addr, s3_addr, app, tasks })
    }
}

impl Running {
    /// Base URL of MercadoPago, SendGrid and FCM, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Endpoint URL of S3 (path addressing, any region).
    pub fn s3_url(&self) -> String {
        format!("http://{}", self.s3_addr)
    }

    /// The key that verifies mail events: base64 of its SPKI DER, as SendGrid shows it. It stays the same for a data folder.
    pub fn mail_events_key(&self) -> &str {
        &self.app.mail_signer.public_key
    }

    /// A service account's JSON, as Firebase gives it out, whose `token_uri` is this sandbox.
    pub fn service_account(&self) -> String {
        fcm::service_account(&self.url())
    }

    /// Sends SendGrid's events there from now on; `None` is nowhere. A restart forgets it.
    pub fn send_mail_events_to(&self, url: Option<String>) {
        self.app.set_mail_events_url(url);
    }

    /// Answers what is under way, then ends. What was not notified yet is notified after the next start.
    pub async fn stop(mut self) {
        self.app.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
            tracing::warn!("the sandbox cut requests off to stop");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The tasks end with the set that holds them; this lets go of the connections too.
        self.app.stop.cancel();
    }
}

/// Opens what is kept; the thread may block.
fn open(config: SandboxConfig, addr: SocketAddr) -> Result<(App, ::s3s::service::S3Service), Error> {
    let data = config.data.clone();
    disk::make_dir(&data).map_err(disk::failed(&data))?;
    let service = s3::open(&data.join(OBJECTS), &config)?;
    let parts = Parts {
        base_url: config.public_url.clone().unwrap_or_else(|| format!("http://{addr}")),
        ledger: Ledger::open(&data.join(JOURNAL))?,
        mail_signer: MailSigner::open(&data.join(MAIL_KEY))?,
        tokens: Tokens::new()?,
    };
    Ok((App::new(config, parts), service))
}

async fn listen(addr: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(addr).await.map_err(|source| Error::Listen { addr, source })
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the sandbox stopped serving");
    }
}
