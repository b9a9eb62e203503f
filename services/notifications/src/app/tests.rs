//! What becomes of deliveries that the provider tells of, which nobody outside can see.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use vitrina_chassis::{Call, Caller, Clock, Context, testing};
use vitrina_proto::notifications::v1 as pb;
use vitrina_storage::Commit;

use super::App;
use crate::config::{Config, SendGrid};
use crate::error::Error;
use crate::model::DeliveryId;
use crate::model::delivery::{Channel, Delivery, State};
use crate::store;

/// The head of the SPKI DER of a P-256 key.
const SPKI_HEAD: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE";

struct Bench {
    app: App,
    clock: Clock,
    key: EcdsaKeyPair,
    _dir: tempfile::TempDir,
}

fn bench() -> Bench {
    let (ctx, dir) = testing::context();
    let random = SystemRandom::new();
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, made.as_ref(), &random).unwrap();
    let head = STANDARD.decode(SPKI_HEAD).unwrap();
    let spki = [&head[..head.len() - 1], key.public_key().as_ref()].concat();
    let mail = SendGrid::new("http://127.0.0.1:1", "SG.x", "a@example.com", STANDARD.encode(spki));
    let config = Config { sendgrid: Some(mail), ..Config::new([1; 32]) };
    let clock = ctx.clock.clone();
    let app = App::new(&Context::new(ctx.store, ctx.clock, ctx.broker), config).unwrap();
    Bench { app, clock, key, _dir: dir }
}

impl Bench {
    /// A mail that the provider has taken.
    async fn sent(&self) -> DeliveryId {
        let id = DeliveryId::generate();
        let queued = Delivery { channel: Channel::Email.into(), due_at_ms: Some(1), ..Delivery::default() };
        let mut commit = Commit::new();
        store::put_delivery(&mut commit, id, None, &queued.sent("m-1".to_owned()));
        self.app.store.commit(commit).await.unwrap();
        id
    }

    async fn receive(&self, events: Value) -> Result<(), Error> {
        let body = events.to_string();
        let at = (self.clock.now_ms() / 1000).to_string();
        let signature = self.key.sign(&SystemRandom::new(), format!("{at}{body}").as_bytes()).unwrap();
        let headers = BTreeMap::from([
            ("x-twilio-email-event-webhook-signature".to_owned(), STANDARD.encode(signature)),
            ("x-twilio-email-event-webhook-timestamp".to_owned(), at),
        ]);
        let event = pb::SignedEvent { body: body.into_bytes(), headers };
        let call = Call::new(Caller::anonymous(), event, self.clock.now_ms());
        self.app.receive_mail_events(&call).await.map(drop)
    }

    fn row(&self, id: DeliveryId) -> (State, u64, String) {
        let row = store::delivery(&self.app.store, id).unwrap().unwrap();
        (row.value.state(), row.version, row.value.problem)
    }
}

fn event(id: &str, delivery: DeliveryId, kind: &str) -> Value {
    json!({ "event": kind, "sg_event_id": id, "delivery_id": delivery.to_string(), "reason": "550" })
}

#[tokio::test]
async fn events_move_a_delivery_once_and_never_back() {
    let bench = bench();
    let id = bench.sent().await;
    bench.receive(json!([event("1", id, "processed"), event("2", id, "delivered")])).await.unwrap();
    assert_eq!((bench.row(id).0, bench.row(id).1), (State::Delivered, 2));
    bench.receive(json!([event("2", id, "delivered")])).await.unwrap();
    assert_eq!(bench.row(id).1, 2, "the same event again");
    bench.receive(json!([event("3", id, "bounce"), event("3", id, "bounce")])).await.unwrap();
    bench.receive(json!([event("4", id, "delivered")])).await.unwrap();
    assert_eq!(bench.row(id), (State::Bounced, 3, "550".to_owned()));
}

#[tokio::test]
async fn events_of_others_and_of_nothing_do_no_harm() {
    let bench = bench();
    let id = bench.sent().await;
    let mut events = vec![json!({ "event": "delivered" }), event("1", DeliveryId::generate(), "bounce")];
    events.extend((0..2500).map(|number| event(&format!("e-{number}"), id, "delivered")));
    bench.receive(Value::Array(events)).await.unwrap();
    assert_eq!((bench.row(id).0, bench.row(id).1), (State::Delivered, 2));
    let refused = bench.receive(json!({ "event": "delivered" })).await.unwrap_err();
    assert!(matches!(refused, Error::Request(_)), "{refused:?}");
}
