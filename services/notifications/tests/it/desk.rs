//! A running service with its store, its broker, the sandbox's providers and a clock that the test moves, and the events that
//! tests tell it.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::{Code, Request, Status};
use vitrina_chassis::vault::devices_of;
use vitrina_chassis::{Caller, Clock, Context, InProcess, Running, UserId, Vault, testing};
use vitrina_notifications::{Config, Fcm, SendGrid};
use vitrina_proto::events::v1::ContactChanged;
use vitrina_proto::notifications::v1 as pb;
use vitrina_proto::notifications::v1::notifications_client::NotificationsClient;
use vitrina_proto::users::v1::Device;
use vitrina_sandbox::{Sandbox, SandboxConfig};
use vitrina_storage::{Options, Store};

/// The key of the tests.
const MASTER_KEY: [u8; 32] = [3; 32];
/// How long a condition is waited for: generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);
/// How far the clock goes between two looks at a condition.
const STEP: Duration = Duration::from_millis(100);

pub(crate) type Client = NotificationsClient<InProcess>;
/// Where the mail provider's events go; `None`: they get lost.
type Target = Arc<Mutex<Option<Client>>>;

pub(crate) struct Desk {
    pub(crate) ctx: Context,
    pub(crate) sandbox: vitrina_sandbox::Running,
    running: Running,
    config: Config,
    target: Target,
    http: reqwest::Client,
    dirs: [TempDir; 2],
}

/// Somebody who is told things.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) email: String,
}

impl Desk {
    pub(crate) async fn open() -> Desk {
        Desk::with(|_| {}).await
    }

    /// A service that is set up otherwise.
    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Desk {
        let (base, dir) = testing::context();
        // Signed events and tokens carry the time of the machine, so the clock begins there.
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis();
        let clock = Clock::manual(u64::try_from(now_ms).expect("it fits"));
        let ctx = Context::new(base.store, clock, base.broker);
        let sandbox_dir = TempDir::new().expect("there is room");
        let sandbox =
            Sandbox::start(SandboxConfig::new(sandbox_dir.path())).await.expect("the sandbox starts");
        let target = Target::default();
        let app = Router::new().route("/hook", post(hand_on)).with_state(Arc::clone(&target));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let hook = format!("http://{}/hook", listener.local_addr().expect("it has an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        sandbox.send_mail_events_to(Some(hook));
        let mail = SendGrid::new(sandbox.url(), "SG.vitrina", "shop@example.com", sandbox.mail_events_key());
        let push = Fcm::new(sandbox.url(), sandbox.service_account());
        let mut config = Config {
            sendgrid: Some(SendGrid { timeout_ms: 1000, ..mail }),
            fcm: Some(Fcm { timeout_ms: 1000, ..push }),
            link_base: "https://shop.example".to_owned(),
            send_interval_ms: 10,
            upkeep_interval_ms: 10,
            retry_ms: vec![1000; 4],
            ..Config::new(MASTER_KEY)
        };
        set(&mut config);
        let running = start(&ctx, &config).await;
        let desk = Desk {
            ctx,
            sandbox,
            running,
            config,
            target,
            http: vitrina_outgoing::client().build().expect("a client is made"),
            dirs: [dir, sandbox_dir],
        };
        desk.attach();
        desk
    }

    /// Ends the service where it is, as a crash does, and starts it anew on what is on disk.
    pub(crate) async fn crash(self) -> Desk {
        let Desk { ctx, sandbox, running, config, target, http, dirs } = self;
        *target.lock().expect("nobody panicked") = None;
        drop(running);
        ctx.store.close().await;
        let store = Store::open(&dirs[0].path().join("store"), Options::default()).expect("it opens again");
        let ctx = Context::new(store, ctx.clock.clone(), ctx.broker.clone());
        let running = start(&ctx, &config).await;
        let desk = Desk { ctx, sandbox, running, config, target, http, dirs };
        desk.attach();
        desk
    }

    /// The files of the store, after everything has ended.
    pub(crate) async fn files(self) -> Vec<u8> {
        let Desk { ctx, running, target, dirs, .. } = self;
        *target.lock().expect("nobody panicked") = None;
        running.drain(PATIENCE).await;
        ctx.store.close().await;
        let files = std::fs::read_dir(dirs[0].path().join("store")).expect("the store is there");
        let files = files.map(|file| file.expect("it can be listed").path()).filter(|path| path.is_file());
        files.flat_map(|path| std::fs::read(path).expect("it can be read")).collect()
    }

    pub(crate) fn client(&self) -> Client {
        NotificationsClient::new(self.running.in_process()).max_decoding_message_size(usize::MAX)
    }

    /// Sends the mail provider's events to the service from now on.
    pub(crate) fn attach(&self) {
        *self.target.lock().expect("nobody panicked") = Some(self.client());
    }

    /// Loses the mail provider's events from now on: they are taken and forgotten.
    pub(crate) fn detach(&self) {
        *self.target.lock().expect("nobody panicked") = None;
    }

    /// A user with a phone and a browser, whom the service knows how to reach.
    pub(crate) async fn person(&self, name: &str) -> Person {
        let person = stranger(name);
        self.contact(&person, 1, &[(&format!("{name}-phone"), "token"), (&format!("{name}-browser"), "fid")])
            .await;
        person
    }

    /// Tells how a user is reached.
    pub(crate) async fn contact(&self, person: &Person, version: u32, devices: &[(&str, &str)]) {
        self.reach(person, version, "es", devices).await;
    }

    /// Tells how a user is reached, and in which language.
    pub(crate) async fn reach(
        &self,
        person: &Person,
        version: u32,
        language: &str,
        devices: &[(&str, &str)],
    ) {
        let devices = devices.iter().map(|(token, kind)| Device {
            token: vault().seal(&devices_of(&person.id.to_string()), token),
            kind: (*kind).to_owned(),
            ..Device::default()
        });
        let payload = ContactChanged {
            user_id: person.id.to_string(),
            version,
            email: person.email.clone(),
            first_name: "Ana".to_owned(),
            language: language.to_owned(),
            devices: devices.collect(),
        };
        self.publish("user.contact_changed", &payload.user_id, &payload).await;
    }

    /// Tells the service what happened elsewhere.
    pub(crate) async fn publish(&self, topic: &str, key: &str, payload: &impl prost::Message) {
        let message = message(topic, key, payload);
        self.ctx.broker.publish(message).await.expect("the broker takes the event");
    }

    /// Tells it a message as it is, which may have been told before.
    pub(crate) async fn tell(&self, message: &vitrina_broker::Message) {
        self.ctx.broker.publish(message.clone()).await.expect("the broker takes the event");
    }

    /// The inbox of somebody, newest first.
    pub(crate) async fn inbox(&self, person: &Person) -> pb::NotificationList {
        let request = pb::ListNotificationsRequest { limit: Some(100), cursor: None };
        let listed = self.client().list_notifications(by(person.id, request)).await;
        listed.expect("an inbox is read").into_inner()
    }

    /// The kinds in the inbox of somebody, in alphabetical order.
    pub(crate) async fn kinds(&self, person: &Person) -> Vec<String> {
        let mut kinds: Vec<String> =
            self.inbox(person).await.items.into_iter().map(|item| item.kind).collect();
        kinds.sort();
        kinds
    }

    /// The mails that an address got.
    pub(crate) async fn mails(&self, email: &str) -> Vec<Value> {
        let mut mails = self.received("mails").await;
        mails.retain(|mail| mail["to"][0] == email);
        mails
    }

    /// The pushes that a device got.
    pub(crate) async fn pushes(&self, device: &str) -> Vec<Value> {
        let mut pushes = self.received("pushes").await;
        pushes.retain(|push| push["to"] == device);
        pushes
    }

    async fn received(&self, what: &str) -> Vec<Value> {
        let answer = self.http.get(format!("{}/sandbox/{what}", self.sandbox.url())).send().await;
        let list: Value = answer.expect("the sandbox answers").json().await.expect("JSON");
        list.as_array().expect("a list").clone()
    }

    /// Lets a provider misbehave, or behave again with `{}`.
    pub(crate) async fn misbehave(&self, provider: &str, mut how: Value) {
        how["provider"] = json!(provider);
        let answer = self.http.post(format!("{}/sandbox/knobs", self.sandbox.url())).json(&how).send().await;
        assert!(answer.expect("the sandbox answers").status().is_success());
    }

    /// Waits until a condition holds, with time passing.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let look = async {
            while !holds().await {
                self.ctx.clock.advance(STEP);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, look).await.is_ok(), "not in time: {what}");
    }

    /// Waits until an inbox holds so many entries.
    pub(crate) async fn until_told(&self, person: &Person, count: usize) {
        self.until("the inbox is told", || async { self.inbox(person).await.items.len() >= count }).await;
    }

    /// Waits until an address has got so many mails.
    pub(crate) async fn until_mailed(&self, email: &str, count: usize) {
        self.until("mails arrive", || async { self.mails(email).await.len() >= count }).await;
    }

    /// Waits until a device has got so many pushes.
    pub(crate) async fn until_pushed(&self, device: &str, count: usize) {
        self.until("pushes arrive", || async { self.pushes(device).await.len() >= count }).await;
    }
}

async fn start(ctx: &Context, config: &Config) -> Running {
    let service = vitrina_notifications::start(ctx.clone(), config.clone()).expect("the service is made");
    let running = vitrina_chassis::start(ctx.clone(), service).expect("the service starts");
    running.listening().await;
    running
}

/// Somebody of whom the service has not heard.
pub(crate) fn stranger(name: &str) -> Person {
    Person { id: UserId::generate(), email: format!("{name}@example.com") }
}

/// Seals and opens as users does.
pub(crate) fn vault() -> Vault {
    Vault::new(&MASTER_KEY)
}

/// An event with an id of its own.
pub(crate) fn message(topic: &str, key: &str, payload: &impl prost::Message) -> vitrina_broker::Message {
    vitrina_broker::Message {
        id: uuid::Uuid::now_v7().to_string(),
        topic: topic.to_owned(),
        key: key.to_owned(),
        payload: payload.encode_to_vec().into(),
        headers: Vec::new(),
    }
}

/// A call of a user.
pub(crate) fn by<T>(user: UserId, request: T) -> Request<T> {
    let mut request = Request::new(request);
    Caller::user(user).to_metadata(request.metadata_mut());
    request
}

/// As the edge does it.
async fn hand_on(State(target): State<Target>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let client = target.lock().expect("nobody panicked").clone();
    let Some(mut client) = client else { return StatusCode::OK };
    let headers =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let request = pb::SignedEvent { body: body.to_vec(), headers: headers.collect() };
    match client.receive_mail_events(Request::new(request)).await {
        Ok(_) => StatusCode::OK,
        Err(status) => code(&status),
    }
}

fn code(status: &Status) -> StatusCode {
    match status.code() {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}
