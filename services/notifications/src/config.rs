//! What can be set.

use std::fmt;

use serde::Deserialize;

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Waits between two attempts of a delivery, nine of them: an outage of a day ends before the ladder does.
const RETRY_MS: [u64; 9] =
    [1000, 5000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, 12 * HOUR_MS];

/// Settings of the notifications service.
///
/// It has no `Debug`: it holds keys.
#[derive(Clone)]
pub struct Config {
    /// The key that the tokens of queued mails are sealed with. Losing it makes these mails impossible.
    pub master_key: [u8; 32],
    /// The mail provider; `None`: no mails.
    pub sendgrid: Option<SendGrid>,
    /// The push provider; `None`: no pushes.
    pub fcm: Option<Fcm>,
    /// Base of the links in mails, where people use the shop; without a trailing slash.
    pub link_base: String,
    /// Language of those whose own is not known, `es` or `en`.
    pub language: String,
    /// Milliseconds between two looks for deliveries that are due.
    pub send_interval_ms: u64,
    /// Deliveries of one channel under way at once.
    pub sends_max: usize,
    /// Milliseconds before each further attempt of a delivery, a quarter more or less by chance; after the last it has failed.
    pub retry_ms: Vec<u64>,
    /// Milliseconds for which one who watches a publication is not told again of the same or a higher price, or of stock.
    pub watch_pause_ms: u64,
    /// Milliseconds between two rounds of the upkeep.
    pub upkeep_interval_ms: u64,
    /// Milliseconds for which notifications and deliveries are kept.
    pub keep_ms: u64,
}

/// How the mail provider is reached. The defaults are the real one's, without the keys that it needs.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SendGrid {
    /// Base URL without a trailing slash, such as `https://api.sendgrid.com`.
    pub url: String,
    /// API key, `SG.…`.
    pub api_key: String,
    /// Address that mails come from.
    pub from_email: String,
    /// Name that mails come from.
    pub from_name: String,
    /// Public key of the signed event webhook: base64 of its SPKI DER, as SendGrid shows it.
    pub webhook_key: String,
    /// Milliseconds for one call.
    pub timeout_ms: u64,
}

/// How the push provider is reached. The defaults are the real one's, without the account that it needs.
#[derive(Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fcm {
    /// Base URL without a trailing slash, such as `https://fcm.googleapis.com`.
    pub url: String,
    /// The service account's JSON, as Firebase gives it out, or the path of the file that holds it.
    pub service_account: String,
    /// Milliseconds for one call.
    pub timeout_ms: u64,
}

impl Config {
    /// The defaults, without providers.
    pub fn new(master_key: [u8; 32]) -> Config {
        Config {
            master_key,
            sendgrid: None,
            fcm: None,
            link_base: "http://127.0.0.1:8080".to_owned(),
            language: "es".to_owned(),
            send_interval_ms: 100,
            sends_max: 16,
            retry_ms: RETRY_MS.to_vec(),
            watch_pause_ms: HOUR_MS,
            upkeep_interval_ms: 200,
            keep_ms: 180 * DAY_MS,
        }
    }
}

impl SendGrid {
    /// A provider at `url`, whose events are signed by `webhook_key`.
    pub fn new(
        url: impl Into<String>,
        api_key: impl Into<String>,
        from_email: impl Into<String>,
        webhook_key: impl Into<String>,
    ) -> SendGrid {
        SendGrid {
            url: url.into(),
            api_key: api_key.into(),
            from_email: from_email.into(),
            from_name: "Vitrina".to_owned(),
            webhook_key: webhook_key.into(),
            timeout_ms: 10_000,
        }
    }
}

impl Fcm {
    /// A provider at `url`, used as the account says.
    pub fn new(url: impl Into<String>, service_account: impl Into<String>) -> Fcm {
        Fcm { url: url.into(), service_account: service_account.into(), timeout_ms: 10_000 }
    }
}

impl Default for SendGrid {
    fn default() -> SendGrid {
        SendGrid::new("https://api.sendgrid.com", "", "", "")
    }
}

impl Default for Fcm {
    fn default() -> Fcm {
        Fcm::new("https://fcm.googleapis.com", "")
    }
}

impl fmt::Debug for SendGrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendGrid").field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Debug for Fcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fcm").field("url", &self.url).finish_non_exhaustive()
    }
}
