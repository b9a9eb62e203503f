//! Notifications: signed, sent until they are answered by 2xx, also across a restart.
//!
//! A notification is a record in the same line of the journal as the fact it tells. One task starts each open one; each then
//! climbs its own ladder. After a crash the ladder begins anew, so that one may come twice: as outside.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::app::App;
use crate::book::Record;
use crate::clock;
use crate::knobs::Provider;

/// Notifications under way at the same time.
const SENDING_MAX: usize = 32;

/// How long one is held back to be overtaken, if none comes to overtake it.
const HOLD_BACK_MAX: Duration = Duration::from_secs(3);

/// A notification that was not delivered yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) id: u64,
    pub(crate) url: String,
    pub(crate) sender: Sender,
    /// The JSON body as it is sent and signed.
    pub(crate) body: String,
}

/// Whose notification it is, with what its signature needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sender {
    MercadoPago { data_id: String, topic: String },
    SendGrid,
}

impl Sender {
    fn provider(&self) -> Provider {
        match self {
            Self::MercadoPago { .. } => Provider::MercadoPago,
            Self::SendGrid => Provider::SendGrid,
        }
    }
}

/// What every notification is sent with.
struct Post {
    app: Arc<App>,
    client: reqwest::Client,
    slots: Semaphore,
    /// The newest that was sent: who is held back waits to be overtaken by a newer one.
    newest_sent: watch::Sender<u64>,
}

/// Whether a notification goes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Now,
    AfterTheNext,
}

/// Sends whatever there is to send until the sandbox stops.
pub(crate) async fn run(app: Arc<App>, client: reqwest::Client) {
    let newest_sent = watch::Sender::new(0);
    let post =
        Arc::new(Post { app: Arc::clone(&app), client, slots: Semaphore::new(SENDING_MAX), newest_sent });
    let mut under_way = JoinSet::new();
    let mut newest = 0;
    let mut turn = Turn::Now;
    loop {
        let open: Vec<Notice> = app
            .ledger
            .read(|book| book.notices.range(newest + 1..).map(|(_, notice)| notice.clone()).collect());
        for notice in open {
            newest = notice.id;
            let is_shuffled = app.knobs.get(notice.sender.provider()).reorder;
            turn = if is_shuffled && turn == Turn::Now { Turn::AfterTheNext } else { Turn::Now };
            under_way.spawn(deliver(Arc::clone(&post), notice, turn));
        }
        tokio::select! {
            () = app.ledger.written() => (),
            () = app.stop.cancelled() => break,
            Some(_) = under_way.join_next() => (),
        }
    }
    under_way.shutdown().await;
}

async fn deliver(post: Arc<Post>, notice: Notice, turn: Turn) {
    if turn == Turn::AfterTheNext {
        let mut newest_sent = post.newest_sent.subscribe();
        let overtaken = newest_sent.wait_for(|newest| *newest > notice.id);
        // Whether it was overtaken or nobody came: it goes now.
        let _ = tokio::time::timeout(HOLD_BACK_MAX, overtaken).await;
    }
    let app = &post.app;
    let mut waits = app.config.ladder.iter();
    let is_delivered = loop {
        let Ok(slot) = post.slots.acquire().await else { return };
        let is_delivered = send(app, &post.client, &notice).await;
        post.newest_sent
            .send_if_modified(|newest| std::mem::replace(newest, notice.id.max(*newest)) < notice.id);
        if is_delivered && app.knobs.get(notice.sender.provider()).duplicate {
            send(app, &post.client, &notice).await;
        }
        drop(slot);
        if is_delivered {
            break true;
        }
        match waits.next() {
            Some(wait) => tokio::time::sleep(*wait).await,
            None => break false,
        }
    };
    if !is_delivered {
        tracing::warn!(notice = notice.id, "gave a notification of the sandbox up");
    }
    let id = notice.id;
    if let Err(error) = app.ledger.write(move |_, records| records.push(Record::NoticeDone { id })).await {
        tracing::warn!(%error, notice = id, "a notification may be sent again after the next start");
    }
}

/// Signs and sends once; whether it was answered by 2xx.
async fn send(app: &App, client: &reqwest::Client, notice: &Notice) -> bool {
    let Ok(mut url) = Url::parse(&notice.url) else { return false };
    let now_s = (clock::now_ms() / 1_000).to_string();
    let mut headers: Vec<(&str, String)> = vec![("content-type", "application/json".to_owned())];
    match &notice.sender {
        Sender::MercadoPago { data_id, topic } => {
            url.query_pairs_mut().append_pair("data.id", data_id).append_pair("type", topic);
            let request_id = Uuid::now_v7().to_string();
            let secret = &app.config.webhook_secret;
            headers.push(("x-signature", crate::mercadopago::sign(secret, data_id, &request_id, &now_s)));
            headers.push(("x-request-id", request_id));
        }
        Sender::SendGrid => {
            let Some(signature) = app.mail_signer.sign(&now_s, notice.body.as_bytes()) else { return false };
            headers.push(("x-twilio-email-event-webhook-signature", signature));
            headers.push(("x-twilio-email-event-webhook-timestamp", now_s));
        }
    }
    let mut request = client.post(url).body(notice.body.clone());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    matches!(request.send().await, Ok(response) if response.status().is_success())
}
