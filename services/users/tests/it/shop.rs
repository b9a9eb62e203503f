//! A running service, and calls to it as an edge would make them.

use std::time::Duration;

use tempfile::TempDir;
use tonic::{Code, Request, Status};
use vitrina_broker::{Consumer, Message, Queue, QueueKind};
pub(crate) use vitrina_chassis::testing::keyed;
use vitrina_chassis::vault::{Vault, devices_of, tokens_of};
use vitrina_chassis::{Caller, CallerKind, Context, Fault, Running, Transport, metadata, testing};
use vitrina_proto::events::v1::TokenRequested;
use vitrina_proto::users::v1::users_client::UsersClient;
use vitrina_proto::users::v1::{CreateSellerRequest, RegisterRequest, SessionReply};
use vitrina_users::{Config, PasswordCost};

/// What every account of the tests has.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Shop {
    pub(crate) users: UsersClient<Transport>,
    pub(crate) context: Context,
    pub(crate) running: Running,
    pub(crate) dir: TempDir,
    events: Consumer,
}

/// Somebody who has registered.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) session_id: String,
    pub(crate) reply: SessionReply,
}

/// The key of the tests.
const MASTER_KEY: [u8; 32] = [42; 32];

pub(crate) fn config() -> Config {
    Config { password_cost: PasswordCost::LEAST, ..Config::new(MASTER_KEY) }
}

/// What notifications does with the token of a device.
pub(crate) fn open_device(account: &Account, sealed: &str) -> String {
    Vault::new(&MASTER_KEY).open(&devices_of(&account.id), sealed).unwrap()
}

/// What notifications tells of a device.
pub(crate) fn seal_device(account: &Account, token: &str) -> String {
    Vault::new(&MASTER_KEY).seal(&devices_of(&account.id), token)
}

impl Shop {
    pub(crate) async fn open() -> Shop {
        let (context, dir) = testing::context();
        Shop::over(context, dir).await
    }

    pub(crate) async fn over(context: Context, dir: TempDir) -> Shop {
        let queue = Queue {
            name: "test.events".into(),
            topics: vec!["#".into()],
            kind: QueueKind::Transient,
            prefetch: 100,
        };
        let events = context.broker.consume(queue).await.unwrap();
        let service = vitrina_users::start(context.clone(), config()).unwrap();
        let running = vitrina_chassis::start(context.clone(), service).unwrap();
        let users = UsersClient::new(Transport::InProcess(running.in_process()));
        Shop { users, context, running, dir, events }
    }

    pub(crate) async fn register(&self, name: &str) -> Account {
        let reply = self.users.clone().register(registration(name)).await.unwrap().into_inner();
        Account::of(reply)
    }

    pub(crate) async fn seller(&self, name: &str) -> Account {
        let account = self.register(name).await;
        let request = account.call(CreateSellerRequest { display_name: format!("Shop of {name}") });
        self.users.clone().create_seller(request).await.unwrap();
        account
    }

    /// Tells the service what others have done, once it listens; `id` is the message's.
    pub(crate) async fn hear(&self, topic: &str, id: &str, payload: &impl prost::Message) {
        self.running.listening().await;
        testing::publish(&*self.context.broker, id, topic, "of the other service", payload).await;
    }

    /// The next event of a topic; those of other topics before it are passed over.
    pub(crate) async fn event<P: prost::Message + Default>(&mut self, topic: &str) -> P {
        let message = tokio::time::timeout(PATIENCE, self.message(topic)).await;
        let message = message.unwrap_or_else(|_| panic!("no event of {topic} came"));
        P::decode(message.payload).unwrap()
    }

    /// The token in the next mail that is asked for by a topic, opened as notifications does.
    pub(crate) async fn token(&mut self, topic: &str) -> String {
        let requested: TokenRequested = self.event(topic).await;
        assert!(requested.token.is_empty(), "it leaves sealed");
        Vault::new(&MASTER_KEY).open(&tokens_of(&requested.user_id), &requested.sealed_token).unwrap()
    }

    async fn message(&mut self, topic: &str) -> Message {
        loop {
            let delivery = self.events.next().await.unwrap();
            let message = delivery.message.clone();
            delivery.ack().await.unwrap();
            if message.topic == topic {
                return message;
            }
        }
    }
}

impl Account {
    pub(crate) fn of(reply: SessionReply) -> Account {
        let claims = claims(&reply.access_token);
        let id = claims["sub"].as_str().unwrap().to_owned();
        Account { id, session_id: claims["sid"].as_str().unwrap().to_owned(), reply }
    }

    /// A call that the edge has found to be of this account.
    pub(crate) fn call<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let kind = CallerKind::User {
            user_id: self.id.parse().unwrap(),
            is_seller: false,
            is_admin: false,
            session_id: Some(self.session_id.clone()),
        };
        Caller { kind, cart_token: None }.to_metadata(request.metadata_mut());
        request
    }
}

pub(crate) fn registration(name: &str) -> RegisterRequest {
    RegisterRequest {
        email: format!("{name}@example.com"),
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        first_name: "Ana".to_owned(),
        last_name: "García".to_owned(),
        language: None,
    }
}

pub(crate) fn with<T>(mut request: Request<T>, name: &'static str, value: &str) -> Request<T> {
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

pub(crate) fn if_match<T>(request: Request<T>, version: &str) -> Request<T> {
    with(request, metadata::IF_MATCH, version)
}

/// The payload of a token, unverified.
pub(crate) fn claims(token: &str) -> serde_json::Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// The tags that an answer names as changed.
pub(crate) fn changed<T>(response: &tonic::Response<T>) -> String {
    response
        .metadata()
        .get(metadata::CHANGED)
        .map(|tags| tags.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// Checks what a call was refused with; gives the fault.
#[track_caller]
pub(crate) fn check_refused<T: std::fmt::Debug>(
    result: Result<T, Status>,
    code: Code,
    reason: &str,
) -> Fault {
    let status = result.unwrap_err();
    let fault = Fault::from_status(&status);
    assert_eq!((status.code(), fault.reason.as_ref()), (code, reason), "{fault:?}");
    fault
}

/// Checks that exactly these fields are named as wrong.
#[track_caller]
pub(crate) fn check_fields<T: std::fmt::Debug>(result: Result<T, Status>, fields: &[&str]) {
    let fault = check_refused(result, Code::InvalidArgument, "invalid_input");
    let named: Vec<_> = fault.fields.iter().map(|field| field.field.as_str()).collect();
    assert_eq!(named, fields);
}
