//! JSON → message, with the checks of HTTP v1.

use axum::body::Bytes;
use serde_json::{Map, Value};

use super::{Fault, Push};

/// Most bytes of what is delivered (FCM's documentation, November 2026).
const PAYLOAD_BYTES_MAX: usize = 4_096;

/// Fields of a message.
const FIELDS: [&str; 11] = [
    "name",
    "data",
    "notification",
    "android",
    "webpush",
    "apns",
    "fcmOptions",
    "token",
    "fid",
    "topic",
    "condition",
];

/// What a message can be sent to.
const TARGETS: [&str; 4] = ["token", "fid", "topic", "condition"];

/// A request that is right.
pub(super) struct Sent {
    pub(super) target: &'static str,
    pub(super) to: String,
    /// `validate_only`: nothing is sent.
    pub(super) is_rehearsal: bool,
    message: Map<String, Value>,
}

impl Sent {
    /// As it is kept.
    pub(super) fn push(self, name: String, at_ms: u64) -> Push {
        let text = |field: &str| {
            let value =
                self.message.get("notification").and_then(|shown| shown.get(field)).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        Push {
            name,
            at_ms,
            target: self.target.to_owned(),
            to: self.to.clone(),
            title: text("title"),
            body: text("body"),
            data: self.message.get("data").cloned().unwrap_or_else(|| Value::Object(Map::new())),
            message: Value::Object(self.message.clone()),
        }
    }
}

/// Checks a request.
pub(super) fn parse(body: &Bytes) -> Result<Sent, Fault> {
    let fields: Value =
        serde_json::from_slice(body).map_err(|_| Fault::invalid("", "Invalid JSON payload received."))?;
    let rehearsal = fields.get("validate_only").or_else(|| fields.get("validateOnly"));
    let is_rehearsal = rehearsal.and_then(Value::as_bool) == Some(true);
    let Some(message) = fields.get("message").and_then(Value::as_object) else {
        return Err(Fault::invalid("message", "Message is required."));
    };
    for name in message.keys() {
        if !FIELDS.contains(&name.as_str()) && name != "fcm_options" {
            let text = format!(
                "Invalid JSON payload received. Unknown name \"{name}\" at 'message': Cannot find field."
            );
            return Err(Fault::invalid("message", text));
        }
    }
    let mut targets = TARGETS.iter().filter_map(|target| message.get(*target).map(|value| (*target, value)));
    let (Some((target, to)), None) = (targets.next(), targets.next()) else {
        let text = "Exactly one of token, fid, topic or condition is required.";
        return Err(Fault::invalid("message", text));
    };
    let field = format!("message.{target}");
    let Some(to) = to.as_str().filter(|to| !to.is_empty()) else {
        return Err(Fault::invalid(&field, "The recipient must be a string that is not empty."));
    };
    check_payload(message)?;
    Ok(Sent { target, to: to.to_owned(), is_rehearsal, message: message.clone() })
}

fn check_payload(message: &Map<String, Value>) -> Result<(), Fault> {
    if let Some(data) = message.get("data") {
        let is_text = data.as_object().is_some_and(|data| data.values().all(Value::is_string));
        if !is_text {
            return Err(Fault::invalid("message.data", "Invalid value at 'message.data' (TYPE_STRING)"));
        }
    }
    if message.get("notification").is_some_and(|shown| !shown.is_object()) {
        return Err(Fault::invalid("message.notification", "Invalid value at 'message.notification'"));
    }
    let size = |name: &str| message.get(name).map_or(0, |value| value.to_string().len());
    if size("data") + size("notification") > PAYLOAD_BYTES_MAX {
        return Err(Fault::invalid("message", "Message is too big: more than 4096 bytes."));
    }
    Ok(())
}
