//! What can be set.

use vitrina_chassis::Transport;
use vitrina_proto::Clients;

const MINUTE_MS: u64 = 60 * 1000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

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
#[derive(Clone)]
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

impl MercadoPago {
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
