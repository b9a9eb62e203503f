//! SendGrid v3: mails, and the signed events that say what became of them.
//!
//! Source: the vendor's own SDK, 6.12, and documentation, November 2026. There is no idempotency key: after a call without an
//! answer a second mail is possible. Our delivery's id goes along as a custom argument, comes back in the events, and stops
//! the next attempt when they are faster.

pub(crate) mod signature;

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Failed, MailEvent, Misconfigured, Verdict, detail, read, unanswered, wished_ms};
use crate::config;
use crate::model::DeliveryId;
use crate::model::delivery::Fate;
use crate::text::Mail;

/// Name of the custom argument that holds our id.
const DELIVERY_ARG: &str = "delivery_id";

/// The client.
#[derive(Clone)]
pub(crate) struct SendGrid {
    http: Client,
    config: config::SendGrid,
    webhook_key: signature::WebhookKey,
}

/// Whom a mail goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mailbox<'a> {
    pub(crate) email: &'a str,
    /// Empty: not known.
    pub(crate) name: &'a str,
}

#[derive(Deserialize)]
struct EventBody {
    #[serde(default)]
    event: String,
    #[serde(default)]
    sg_event_id: String,
    #[serde(default)]
    delivery_id: String,
    #[serde(default)]
    reason: String,
}

impl SendGrid {
    pub(crate) fn new(http: Client, config: config::SendGrid) -> Result<SendGrid, Misconfigured> {
        let webhook_key = signature::WebhookKey::parse(&config.webhook_key)?;
        Ok(SendGrid { http, config, webhook_key })
    }

    /// Milliseconds after which a call has an end.
    pub(crate) fn timeout_ms(&self) -> u64 {
        self.config.timeout_ms
    }

    /// Sends a mail; gives the provider's id of it.
    pub(crate) async fn send(
        &self,
        delivery: DeliveryId,
        to: Mailbox<'_>,
        mail: &Mail,
        (category, now_ms): (&str, u64),
    ) -> Result<String, Failed> {
        let mut mailbox = json!({ "email": to.email });
        if !to.name.is_empty() {
            mailbox["name"] = json!(to.name);
        }
        let body = json!({
            "personalizations": [{ "to": [mailbox], "custom_args": { DELIVERY_ARG: delivery.to_string() } }],
            "from": { "email": self.config.from_email, "name": self.config.from_name },
            "subject": mail.subject,
            "content": [
                { "type": "text/plain", "value": mail.text },
                { "type": "text/html", "value": mail.html },
            ],
            "categories": [category],
            // A tracked link goes through the provider's servers, which would learn the token in it.
            "tracking_settings": {
                "click_tracking": { "enable": false, "enable_text": false },
                "open_tracking": { "enable": false },
            },
        });
        let request = self.http.post(format!("{}/v3/mail/send", self.config.url)).json(&body);
        let request =
            request.bearer_auth(&self.config.api_key).timeout(Duration::from_millis(self.config.timeout_ms));
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status();
        if status.is_success() {
            let id = response.headers().get("x-message-id").and_then(|id| id.to_str().ok());
            return Ok(id.unwrap_or_default().to_owned());
        }
        let wait_ms = wished_ms(&response, now_ms);
        let reason = detail(status, &first_message(&read(response).await?));
        if is_definite(status) {
            Err(Failed::Refused(reason))
        } else {
            Err(Failed::Later { reason, wait_ms })
        }
    }

    /// Judges the signature of events.
    pub(crate) fn verify(&self, body: &[u8], signature: &str, timestamp: &str, now_ms: u64) -> Verdict {
        self.webhook_key.check(body, signature, timestamp, now_ms)
    }
}

/// What events say of our deliveries; what is no news of one is left out.
///
/// # Errors
/// When the body is no list of events.
pub(crate) fn events(body: &[u8]) -> Result<Vec<MailEvent>, serde_json::Error> {
    let events: Vec<EventBody> = serde_json::from_slice(body)?;
    let news = events.into_iter().filter_map(|event| {
        let fate = match event.event.as_str() {
            "delivered" => Fate::Delivered,
            "bounce" | "dropped" => Fate::Bounced,
            _ => return None,
        };
        let reason = detail_of(&event.reason);
        Some(MailEvent { id: event.sg_event_id, delivery: event.delivery_id, fate, reason })
    });
    Ok(news.collect())
}

/// Whether a status says that this mail will never go. What is refused for the key is a mistake of the operator's, and the mail
/// goes once it is mended.
fn is_definite(status: StatusCode) -> bool {
    status.is_client_error() && !matches!(status.as_u16(), 401 | 403 | 408 | 425 | 429)
}

fn first_message(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    body.pointer("/errors/0/message").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn detail_of(reason: &str) -> String {
    reason.chars().take(super::DETAIL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_our_own_mails_are_news() {
        let body = json!([
            { "event": "processed", "sg_event_id": "1", "delivery_id": "dlv_1" },
            { "event": "delivered", "sg_event_id": "2", "delivery_id": "dlv_1" },
            { "event": "bounce", "sg_event_id": "3", "delivery_id": "dlv_2", "reason": "550" },
            { "event": "dropped", "sg_event_id": "4" },
            { "event": "open", "sg_event_id": "5", "delivery_id": "dlv_1", "useragent": "x" },
        ]);
        let news = events(body.to_string().as_bytes()).unwrap();
        let fates: Vec<_> = news.iter().map(|event| (event.id.as_str(), event.fate)).collect();
        assert_eq!(fates, [("2", Fate::Delivered), ("3", Fate::Bounced), ("4", Fate::Bounced)]);
        assert!(events(b"{}").is_err());
    }

    #[test]
    fn a_mail_is_given_up_for_its_own_faults_only() {
        for (status, definite) in
            [(400, true), (413, true), (401, false), (403, false), (429, false), (500, false)]
        {
            assert_eq!(is_definite(StatusCode::from_u16(status).unwrap()), definite, "{status}");
        }
    }
}
