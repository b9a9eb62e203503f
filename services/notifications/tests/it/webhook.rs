//! The mail provider's events: believed when they are signed and fresh, and taken once.

use std::collections::BTreeMap;

use serde_json::json;
use tonic::{Code, Request, Status};
use vitrina_proto::notifications::v1 as pb;

use crate::desk::{Desk, stranger};
use crate::events::user;

const SIGNATURE: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP: &str = "x-twilio-email-event-webhook-timestamp";

async fn receive(desk: &Desk, body: &[u8], signature: &str, timestamp: &str) -> Result<(), Status> {
    let headers = BTreeMap::from([
        (SIGNATURE.to_owned(), signature.to_owned()),
        (TIMESTAMP.to_owned(), timestamp.to_owned()),
    ]);
    let event = pb::SignedEvent { body: body.to_vec(), headers };
    desk.client().receive_mail_events(Request::new(event)).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_which_the_provider_has_told_is_not_sent_again() {
    // The call is never answered, but the mail goes; its events come while the shop still waits.
    let desk = Desk::with(|config| config.retry_ms = vec![60_000; 3]).await;
    let person = desk.person("ana").await;
    desk.misbehave("sendgrid", json!({ "time_out": "after" })).await;
    desk.publish("user.registered", "u", &user(&person)).await;
    desk.until_mailed(&person.email, 1).await;
    desk.misbehave("sendgrid", json!({})).await;
    let end_ms = desk.ctx.clock.now_ms() + 240_000;
    desk.until("the ladder had its time", || async { desk.ctx.clock.now_ms() > end_ms }).await;
    assert_eq!(desk.mails(&person.email).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_which_nobody_tells_is_sent_again() {
    let desk = Desk::open().await;
    desk.detach();
    let person = desk.person("ana").await;
    desk.misbehave("sendgrid", json!({ "time_out": "after" })).await;
    desk.publish("user.registered", "u", &user(&person)).await;
    desk.until_mailed(&person.email, 1).await;
    desk.misbehave("sendgrid", json!({})).await;
    desk.until_mailed(&person.email, 2).await;
    let mails = desk.mails(&person.email).await;
    assert_eq!(
        mails[0]["custom_args"], mails[1]["custom_args"],
        "the same delivery, so a duplicate can be told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_did_not_sign_is_refused() {
    let desk = Desk::open().await;
    let now_s = (desk.ctx.clock.now_ms() / 1000).to_string();
    for (signature, timestamp) in [("", ""), ("AAAA", now_s.as_str()), ("MEUCIQ==", "0")] {
        let refused = receive(&desk, b"[]", signature, timestamp).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated, "{signature}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_provider_there_is_no_webhook() {
    let desk = Desk::with(|config| config.sendgrid = None).await;
    assert_eq!(receive(&desk, b"[]", "AAAA", "1").await.unwrap_err().code(), Code::NotFound);
    let person = stranger("ana");
    desk.publish("user.registered", "u", &user(&person)).await;
    desk.until_told(&person, 1).await;
}
