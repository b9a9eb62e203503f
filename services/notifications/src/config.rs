//! What can be set.

use std::fmt;

use serde::Deserialize;
use vitrina_chassis::environment;

use crate::provider::fcm::account::Account;
use crate::provider::sendgrid::signature::WebhookKey;

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Waits between two attempts of a delivery, nine of them: an outage of a day ends before the ladder does.
const RETRY_MS: [u64; 9] =
    [1000, 5000, 30_000, 2 * MINUTE_MS, 10 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 8 * HOUR_MS, 12 * HOUR_MS];

/// Where the real mail provider is.
const SENDGRID_DOMAIN: &str = "sendgrid.com";
/// Where the real push provider is.
const FCM_DOMAIN: &str = "googleapis.com";

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

impl SendGrid {
    /// What a file's section says, with what the environment says before it: `VITRINA_SENDGRID_URL`, `VITRINA_SENDGRID_API_KEY`,
    /// `VITRINA_SENDGRID_FROM_EMAIL`, `VITRINA_SENDGRID_FROM_NAME`, `VITRINA_SENDGRID_WEBHOOK_KEY`. `variable` reads one.
    ///
    /// `None`: neither says anything.
    pub fn named(section: Option<SendGrid>, variable: impl Fn(&str) -> Option<String>) -> Option<SendGrid> {
        let has_section = section.is_some();
        let mut config = section.unwrap_or_default();
        let settings = [
            ("VITRINA_SENDGRID_URL", &mut config.url),
            ("VITRINA_SENDGRID_API_KEY", &mut config.api_key),
            ("VITRINA_SENDGRID_FROM_EMAIL", &mut config.from_email),
            ("VITRINA_SENDGRID_FROM_NAME", &mut config.from_name),
            ("VITRINA_SENDGRID_WEBHOOK_KEY", &mut config.webhook_key),
        ];
        let has_variable = environment::set(settings, variable);
        (has_section || has_variable).then_some(config)
    }

    /// Every key that is missing or wrong at once; empty when mails can be sent with these settings.
    pub fn mistakes(&self) -> Vec<String> {
        let needed = [
            ("url", &self.url),
            ("api_key", &self.api_key),
            ("from_email", &self.from_email),
            ("webhook_key", &self.webhook_key),
        ];
        let mut mistakes = environment::missing("sendgrid", &needed);
        mistakes.extend(url_mistake("sendgrid", &self.url, SENDGRID_DOMAIN));
        if !self.from_email.is_empty() && !self.from_email.contains('@') {
            mistakes.push("sendgrid.from_email: must be an address".to_owned());
        }
        let key = Some(&self.webhook_key).filter(|key| !key.is_empty());
        mistakes.extend(key.and_then(|key| WebhookKey::parse(key).err()).map(|wrong| wrong.to_string()));
        mistakes.extend(timeout_mistake("sendgrid", self.timeout_ms));
        mistakes
    }
}

impl Fcm {
    /// A provider at `url`, used as the account says.
    pub fn new(url: impl Into<String>, service_account: impl Into<String>) -> Fcm {
        Fcm { url: url.into(), service_account: service_account.into(), timeout_ms: 10_000 }
    }

    /// What a file's section says, with what the environment says before it: `VITRINA_FCM_URL`, `VITRINA_FCM_SERVICE_ACCOUNT`.
    /// `variable` reads one.
    ///
    /// `None`: neither says anything.
    pub fn named(section: Option<Fcm>, variable: impl Fn(&str) -> Option<String>) -> Option<Fcm> {
        let has_section = section.is_some();
        let mut config = section.unwrap_or_default();
        let settings = [
            ("VITRINA_FCM_URL", &mut config.url),
            ("VITRINA_FCM_SERVICE_ACCOUNT", &mut config.service_account),
        ];
        let has_variable = environment::set(settings, variable);
        (has_section || has_variable).then_some(config)
    }

    /// Every key that is missing or wrong at once; empty when pushes can be sent with these settings.
    pub fn mistakes(&self) -> Vec<String> {
        let needed = [("url", &self.url), ("service_account", &self.service_account)];
        let mut mistakes = environment::missing("fcm", &needed);
        mistakes.extend(url_mistake("fcm", &self.url, FCM_DOMAIN));
        if !self.service_account.is_empty() {
            match Account::parse(&self.service_account) {
                Ok(account) => {
                    let mistake = vitrina_outgoing::url_mistake(&account.token_uri, FCM_DOMAIN);
                    let named = |mistake| format!("fcm.service_account: its token_uri {mistake}");
                    mistakes.extend(mistake.map(named));
                }
                Err(wrong) => mistakes.push(wrong.to_string()),
            }
        }
        mistakes.extend(timeout_mistake("fcm", self.timeout_ms));
        mistakes
    }
}

fn url_mistake(section: &str, url: &str, domain: &str) -> Option<String> {
    let url = Some(url).filter(|url| !url.is_empty())?;
    vitrina_outgoing::url_mistake(url, domain).map(|mistake| format!("{section}.url: {mistake}"))
}

fn timeout_mistake(section: &str, timeout_ms: u64) -> Option<String> {
    (timeout_ms == 0).then(|| format!("{section}.timeout_ms: must be at least 1"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file_and_nothing_is_nothing() {
        assert!(SendGrid::named(None, |_| None).is_none() && Fcm::named(None, |_| None).is_none());
        let section = SendGrid { api_key: "file".into(), from_name: "Tienda".into(), ..SendGrid::default() };
        let variable = |name: &str| (name == "VITRINA_SENDGRID_API_KEY").then(|| "env".to_owned());
        let config = SendGrid::named(Some(section), variable).unwrap();
        assert_eq!((config.api_key.as_str(), config.from_name.as_str()), ("env", "Tienda"));
        let variable = |name: &str| (name == "VITRINA_FCM_SERVICE_ACCOUNT").then(|| "{}".to_owned());
        let config = Fcm::named(None, variable).unwrap();
        assert_eq!(
            (config.service_account.as_str(), config.url.as_str()),
            ("{}", "https://fcm.googleapis.com")
        );
    }

    #[test]
    fn every_missing_or_wrong_key_is_named_and_none_is_shown() {
        let nothing = [SendGrid::default().mistakes(), Fcm::default().mistakes()].concat();
        let expected = [
            "sendgrid.api_key: is missing",
            "sendgrid.from_email: is missing",
            "sendgrid.webhook_key: is missing",
            "fcm.service_account: is missing",
        ];
        assert_eq!(nothing, expected);
        let mail = SendGrid::new("http://api.sendgrid.com", "SG.very-secret", "nobody", "no key");
        let push = Fcm { timeout_ms: 0, ..Fcm::new("http://fcm.googleapis.com", "very-secret.json") };
        let mistakes = [mail.mistakes(), push.mistakes()].concat();
        let keys: Vec<&str> =
            mistakes.iter().filter_map(|mistake| mistake.split([':', ' ']).next()).collect();
        let expected = [
            "sendgrid.url",
            "sendgrid.from_email",
            "sendgrid.webhook_key",
            "fcm.url",
            "fcm.service_account",
            "fcm.timeout_ms",
        ];
        assert_eq!(keys, expected, "{mistakes:#?}");
        assert!(!format!("{mistakes:?} {mail:?} {push:?}").contains("secret"), "{mistakes:#?}");
    }
}
