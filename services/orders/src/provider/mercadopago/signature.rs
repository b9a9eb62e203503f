//! The signature of notifications: `x-signature: ts=N,v1=HEX` over `id:{data.id};request-id:{x-request-id};ts:{ts};`.
//!
//! A pair whose value is absent is left out of the manifest. `ts` is milliseconds by the documentation and seconds by the SDKs:
//! both are read.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::provider::Notification;

/// How old or early a signature may be.
const TOLERANCE_MS: u64 = 300_000;
/// From here on a number is milliseconds: seconds reach it in the year 5138.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Whether a notification is signed: `None`: it is not; else whether the signature is fresh.
pub(super) fn check(secret: &str, notification: &Notification<'_>, now_ms: u64) -> Option<bool> {
    let (mut ts, mut v1) = (None, None);
    for part in notification.signature.split(',') {
        match part.trim().split_once('=') {
            Some(("ts", value)) => ts = Some(value),
            Some(("v1", value)) => v1 = Some(value),
            _ => {}
        }
    }
    let (ts, v1) = (ts?, unhex(v1?)?);
    let signed_at: u64 = ts.parse().ok()?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(manifest(notification, ts).as_bytes());
    // Compares in constant time.
    mac.verify_slice(&v1).ok()?;
    let signed_at_ms =
        if signed_at >= MILLISECONDS_FROM { signed_at } else { signed_at.saturating_mul(1000) };
    Some(now_ms.abs_diff(signed_at_ms) <= TOLERANCE_MS)
}

fn manifest(notification: &Notification<'_>, ts: &str) -> String {
    let mut manifest = String::new();
    let id = notification.data_id;
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !id.is_empty() {
        manifest.push_str(&format!("id:{};", id.to_ascii_lowercase()));
    } else if !id.is_empty() {
        manifest.push_str(&format!("id:{id};"));
    }
    if !notification.request_id.is_empty() {
        manifest.push_str(&format!("request-id:{};", notification.request_id));
    }
    manifest.push_str(&format!("ts:{ts};"));
    manifest
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.len() > 128 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_767_225_600_000;

    fn sign(secret: &str, notification: &Notification<'_>, ts: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(manifest(notification, ts).as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("ts={ts},v1={hex}")
    }

    fn notification<'a>(signature: &'a str) -> Notification<'a> {
        Notification { body: b"", signature, request_id: "r-1", data_id: "123", kind: "payment" }
    }

    #[test]
    fn seconds_and_milliseconds_are_read_and_age_is_seen() {
        for (ts, fresh) in
            [("1767225600", true), ("1767225600000", true), ("1767225299", false), ("1767225901", false)]
        {
            let signature = sign("secret", &notification(""), ts);
            assert_eq!(check("secret", &notification(&signature), NOW_MS), Some(fresh), "{ts}");
        }
    }

    #[test]
    fn whatever_was_changed_is_seen() {
        let signature = sign("secret", &notification(""), "1767225600");
        assert_eq!(check("other", &notification(&signature), NOW_MS), None);
        let other = Notification { data_id: "124", ..notification(&signature) };
        assert_eq!(check("secret", &other, NOW_MS), None);
        for bad in ["", "ts=1", "v1=00", "ts=x,v1=00", "ts=1767225600,v1=zz", "ts=1767225600,v1=é"] {
            assert_eq!(check("secret", &notification(bad), NOW_MS), None, "{bad}");
        }
    }
}
