//! What can be set.

use std::fmt;

use serde::Deserialize;
use vitrina_chassis::{Transport, environment};
use vitrina_proto::Clients;

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Where the real provider is.
const PROVIDER_DOMAIN: &str = "mercadopago.com";

/// Settings of the orders service.
///
/// It has no `Debug`: it holds keys.
#[derive(Clone)]
pub struct Config {
    /// The key that the tokens of guests' carts are derived from. Losing it makes these carts unreachable.
    pub master_key: [u8; 32],
    /// The way to users, products and publications; the other clients are not used.
    pub clients: Clients<Transport>,
    /// The payment provider; `None`: only manual payment is taken.
    pub mercadopago: Option<MercadoPago>,
    /// Milliseconds for which an automatic order waits for its payment, its stock held.
    pub automatic_wait_ms: u64,
    /// Milliseconds for which a manual order waits for its payment, its stock held.
    pub manual_wait_ms: u64,
    /// Milliseconds for which a checkout tries to reserve its stock before it gives up.
    pub checkout_patience_ms: u64,
    /// Milliseconds between two looks at what orders still owe.
    pub drive_interval_ms: u64,
    /// Milliseconds that whoever began something has for himself before the driver looks after it.
    pub grace_ms: u64,
    /// Milliseconds between two look-ups at the provider of an order that waits, in case a notification got lost.
    pub lookup_interval_ms: u64,
    /// Calls to other services at once. Products take the reservations of one hot product one after the other, so more would
    /// only wait there instead of here.
    pub peer_calls_max: usize,
}

/// How the payment provider is reached.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MercadoPago {
    /// Base URL without a trailing slash, such as `https://api.mercadopago.com`.
    pub url: String,
    /// Access token, `APP_USR-…` or `TEST-…`.
    pub access_token: String,
    /// Secret that notifications are signed with.
    pub webhook_secret: String,
    /// Where the provider sends notifications: the public URL of `POST /v1/webhooks/mercadopago`.
    pub notification_url: String,
    /// Where a buyer comes back to after paying; absent: the provider's own page.
    pub back_url: Option<String>,
    /// Milliseconds for one call.
    pub timeout_ms: u64,
}

impl Config {
    /// The defaults of `domain.md`, without a payment provider.
    pub fn new(master_key: [u8; 32], clients: Clients<Transport>) -> Config {
        Config {
            master_key,
            clients,
            mercadopago: None,
            automatic_wait_ms: 30 * MINUTE_MS,
            manual_wait_ms: 48 * HOUR_MS,
            checkout_patience_ms: MINUTE_MS,
            drive_interval_ms: 200,
            grace_ms: 2000,
            lookup_interval_ms: 5 * MINUTE_MS,
            peer_calls_max: 32,
        }
    }
}

impl Default for MercadoPago {
    /// The real provider, without the keys that it needs.
    fn default() -> MercadoPago {
        MercadoPago::new("https://api.mercadopago.com", "", "", "")
    }
}

impl fmt::Debug for MercadoPago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MercadoPago").field("url", &self.url).finish_non_exhaustive()
    }
}

impl MercadoPago {
    /// What a file's section says, with what the environment says before it: `VITRINA_MERCADOPAGO_URL`,
    /// `VITRINA_MERCADOPAGO_ACCESS_TOKEN`, `VITRINA_MERCADOPAGO_WEBHOOK_SECRET`, `VITRINA_MERCADOPAGO_NOTIFICATION_URL`.
    /// `variable` reads one. Without a URL for notifications it is that of the shop, which `public_url` names.
    ///
    /// `None`: neither says anything.
    pub fn named(
        section: Option<MercadoPago>,
        public_url: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<MercadoPago> {
        let has_section = section.is_some();
        let mut config = section.unwrap_or_default();
        let settings = [
            ("VITRINA_MERCADOPAGO_URL", &mut config.url),
            ("VITRINA_MERCADOPAGO_ACCESS_TOKEN", &mut config.access_token),
            ("VITRINA_MERCADOPAGO_WEBHOOK_SECRET", &mut config.webhook_secret),
            ("VITRINA_MERCADOPAGO_NOTIFICATION_URL", &mut config.notification_url),
        ];
        let has_variable = environment::set(settings, variable);
        if let (true, Some(url)) = (config.notification_url.is_empty(), public_url) {
            config.notification_url = MercadoPago::notification_url(url);
        }
        (has_section || has_variable).then_some(config)
    }

    /// Where the provider sends notifications to of a shop with this public URL.
    pub fn notification_url(public_url: &str) -> String {
        format!("{}/v1/webhooks/mercadopago", public_url.trim_end_matches('/'))
    }

    /// Every key that is missing or wrong at once; empty when payments can be taken with these settings.
    pub fn mistakes(&self) -> Vec<String> {
        let needed = [
            ("url", &self.url),
            ("access_token", &self.access_token),
            ("webhook_secret", &self.webhook_secret),
            ("notification_url", &self.notification_url),
        ];
        let mut mistakes = environment::missing("mercadopago", &needed);
        let url = Some(self.url.as_str()).filter(|url| !url.is_empty());
        if let Some(mistake) = url.and_then(|url| vitrina_outgoing::url_mistake(url, PROVIDER_DOMAIN)) {
            mistakes.push(format!("mercadopago.url: {mistake}"));
        }
        let is_real = vitrina_outgoing::leads_to(&self.url, PROVIDER_DOMAIN);
        if is_real && vitrina_outgoing::is_local(&self.notification_url) {
            mistakes.push("mercadopago.notification_url: must be one that the provider can reach".to_owned());
        }
        if self.timeout_ms == 0 {
            mistakes.push("mercadopago.timeout_ms: must be at least 1".to_owned());
        }
        mistakes
    }

    /// A provider at `url` that sends its notifications to `notification_url`.
    pub fn new(
        url: impl Into<String>,
        access_token: impl Into<String>,
        webhook_secret: impl Into<String>,
        notification_url: impl Into<String>,
    ) -> MercadoPago {
        MercadoPago {
            url: url.into(),
            access_token: access_token.into(),
            webhook_secret: webhook_secret.into(),
            notification_url: notification_url.into(),
            back_url: None,
            timeout_ms: 4000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_file_and_nothing_is_nothing() {
        assert_eq!(MercadoPago::named(None, Some("https://shop.example"), |_| None), None);
        let section = MercadoPago::new("https://file.example", "file", "secret", "");
        let variable = |name: &str| (name == "VITRINA_MERCADOPAGO_ACCESS_TOKEN").then(|| "env".to_owned());
        let config = MercadoPago::named(Some(section), Some("https://shop.example/"), variable);
        let expected = MercadoPago::new(
            "https://file.example",
            "env",
            "secret",
            "https://shop.example/v1/webhooks/mercadopago",
        );
        assert_eq!(config, Some(expected));
    }

    #[test]
    fn every_missing_key_is_named_and_none_is_shown() {
        let config = MercadoPago { access_token: "TEST-very-secret".into(), ..MercadoPago::default() };
        assert_eq!(
            config.mistakes(),
            ["mercadopago.webhook_secret: is missing", "mercadopago.notification_url: is missing"]
        );
        assert!(!format!("{config:?}").contains("secret"));
    }

    #[test]
    fn the_real_provider_is_not_called_in_clear() {
        let at = |url: &str| MercadoPago::new(url, "a", "b", "https://shop.example").mistakes();
        assert_eq!(at("https://api.mercadopago.com"), Vec::<String>::new());
        assert_eq!(at("http://127.0.0.1:7100"), Vec::<String>::new());
        let mistakes = at("http://api.mercadopago.com");
        assert!(
            mistakes[0].starts_with("mercadopago.url: must be https://api.mercadopago.com"),
            "{mistakes:?}"
        );
        let nobody = MercadoPago::new("https://api.mercadopago.com", "a", "b", "http://127.0.0.1:8080/hook");
        assert_eq!(
            nobody.mistakes(),
            ["mercadopago.notification_url: must be one that the provider can reach"]
        );
    }
}
