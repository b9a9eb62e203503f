//! Firebase Cloud Messaging, HTTP v1: pushes to devices.
//!
//! Source: the vendor's own SDK, firebase-admin 7.7, and documentation, November 2026. There is no idempotency key: after a
//! call without an answer a second push is possible. The notification's id goes along as collapse key and as data, so that a
//! device shows it once.

pub(crate) mod account;

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use self::account::Account;
use super::{Failed, Misconfigured, detail, read, unanswered, wished_ms};
use crate::config;
use crate::model::delivery::Device;
use crate::text::Told;

/// Characters of a push that are shown at most; a message may have 4,096 bytes, and these are at most four each.
const BODY_CHARS_MAX: usize = 400;
/// The same for its title.
const TITLE_CHARS_MAX: usize = 120;

/// The client.
pub(crate) struct Fcm {
    http: Client,
    config: config::Fcm,
    account: Account,
}

/// What goes to a device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Push<'a> {
    pub(crate) device: &'a Device,
    pub(crate) notification: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) told: &'a Told,
}

#[derive(Deserialize)]
struct Sent {
    name: String,
}

impl Fcm {
    pub(crate) fn new(http: Client, config: config::Fcm) -> Result<Fcm, Misconfigured> {
        let account = Account::parse(&config.service_account)?;
        Ok(Fcm { http, config, account })
    }

    /// Milliseconds after which a call has an end: for a token, then for the push.
    pub(crate) fn timeout_ms(&self) -> u64 {
        self.config.timeout_ms.saturating_mul(2)
    }

    /// Sends a push; gives the provider's name of it.
    pub(crate) async fn send(&self, push: Push<'_>, now_ms: u64) -> Result<String, Failed> {
        let timeout = Duration::from_millis(self.config.timeout_ms);
        let token = self.account.access_token(&self.http, timeout, now_ms).await?;
        let url = format!("{}/v1/projects/{}/messages:send", self.config.url, self.account.project);
        let request = self.http.post(url).bearer_auth(&token).timeout(timeout).json(&message(push));
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status();
        let wait_ms = wished_ms(&response, now_ms);
        let body = read(response).await?;
        if status.is_success() {
            return Ok(serde_json::from_slice::<Sent>(&body).map_or_else(|_| String::new(), |sent| sent.name));
        }
        let failed = failure(status, &body, wait_ms);
        if status == StatusCode::UNAUTHORIZED {
            // The token may have been revoked before its time.
            self.account.forget(&token);
        }
        Err(failed)
    }
}

fn message(push: Push<'_>) -> Value {
    let target = if push.device.is_fid { "fid" } else { "token" };
    let mut data = json!({ "notificationId": push.notification, "kind": push.kind });
    if let Some(link) = &push.told.link {
        data["link"] = json!(link);
    }
    json!({ "message": {
        target: push.device.token,
        "notification": {
            "title": cut(&push.told.title, TITLE_CHARS_MAX),
            "body": cut(&push.told.body, BODY_CHARS_MAX),
        },
        "data": data,
        "android": { "collapse_key": push.notification },
        "apns": { "headers": { "apns-collapse-id": push.notification } },
    } })
}

/// What an error means for the delivery and its device.
fn failure(status: StatusCode, body: &[u8], wait_ms: Option<u64>) -> Failed {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let details = body.pointer("/error/details").and_then(Value::as_array).cloned().unwrap_or_default();
    let code = details.iter().find_map(|detail| detail.get("errorCode").and_then(Value::as_str));
    let is_about_device = details.iter().any(|detail| {
        let field = detail.pointer("/fieldViolations/0/field").and_then(Value::as_str);
        field.is_some_and(|field| field == "message.token" || field == "message.fid")
    });
    let reason = detail(status, code.unwrap_or(&text(body.pointer("/error/status"))));
    match (status.as_u16(), code) {
        (404, Some("UNREGISTERED")) => Failed::Unregistered,
        (400, _) if is_about_device => Failed::Unregistered,
        // The account's key is wrong or the project is not there: mistakes of the operator's, as is 401.
        (404 | 403, None) | (401 | 408 | 429, _) => Failed::Later { reason, wait_ms },
        (400..=499, _) => Failed::Refused(reason),
        _ => Failed::Later { reason, wait_ms },
    }
}

fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, code: Option<&str>, field: Option<&str>) -> Failed {
        let details = json!([{ "errorCode": code }, { "fieldViolations": [{ "field": field }] }]);
        let body = json!({ "error": { "status": "X", "details": details } }).to_string();
        failure(StatusCode::from_u16(status).unwrap(), body.as_bytes(), Some(1000))
    }

    #[test]
    fn only_errors_of_the_device_remove_it() {
        assert_eq!(judged(404, Some("UNREGISTERED"), None), Failed::Unregistered);
        assert_eq!(judged(400, Some("INVALID_ARGUMENT"), Some("message.token")), Failed::Unregistered);
        let refused = |failed| matches!(failed, Failed::Refused(_));
        assert!(refused(judged(400, Some("INVALID_ARGUMENT"), Some("message.data"))));
        assert!(refused(judged(403, Some("SENDER_ID_MISMATCH"), None)));
        let later = |failed| matches!(failed, Failed::Later { wait_ms: Some(1000), .. });
        for (status, code) in [
            (429, Some("QUOTA_EXCEEDED")),
            (503, Some("UNAVAILABLE")),
            (500, Some("INTERNAL")),
            (401, Some("THIRD_PARTY_AUTH_ERROR")),
            (401, None),
            (403, None),
            (404, None),
        ] {
            assert!(later(judged(status, code, None)), "{status} {code:?}");
        }
    }

    #[test]
    fn a_message_fits_into_its_bound() {
        let told =
            Told {
                title: "😀".repeat(500), body: "😀".repeat(5000), link: Some("http://x/orders/1".into())
            };
        let device = Device { token: "t".into(), is_fid: true };
        let sent = message(Push { device: &device, notification: "ntf_1", kind: "welcome", told: &told });
        assert_eq!(sent.pointer("/message/fid"), Some(&json!("t")));
        let size = |part: &str| sent["message"][part].to_string().len();
        assert!(size("notification") + size("data") <= 4096);
    }
}
