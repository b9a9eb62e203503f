//! JSON → model: what of a request is checked is checked here.

use axum::body::Bytes;
use serde_json::{Map, Value, json};

use super::amount;
use super::fault::Fault;
use super::model::{self, Capture, CardToken, Outcome, Preference, Status};
use crate::book::Book;
use crate::clock;

/// Fields of a payment that are only kept to be shown again.
const SHOWN_AGAIN: [&str; 10] = [
    "payer",
    "description",
    "metadata",
    "additional_info",
    "payment_method_id",
    "issuer_id",
    "installments",
    "statement_descriptor",
    "callback_url",
    "date_of_expiration",
];

/// Ways to pay at a till or by transfer: they stay pending until somebody paid.
const LATER_METHODS: [&str; 4] = ["rapipago", "pagofacil", "pix", "bank_transfer"];

/// A payment that is asked for.
pub(super) struct NewPayment {
    pub(super) amount: i64,
    pub(super) fee: i64,
    pub(super) outcome: Outcome,
    pub(super) capture: Capture,
    pub(super) external_reference: Option<String>,
    pub(super) notification_url: Option<String>,
    pub(super) sent: Value,
    pub(super) card: Option<CardToken>,
}

/// The body as an object; an empty one counts as `{}`.
pub(super) fn object(body: &Bytes) -> Result<Map<String, Value>, Fault> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) | Err(_) => Err(Fault::bad(8, "The body must be a JSON object")),
    }
}

/// Checks a payment and decides its outcome.
pub(super) fn payment(fields: &Map<String, Value>, book: &Book) -> Result<NewPayment, Fault> {
    let amount = match fields.get("transaction_amount") {
        Some(value) => amount::parse(value).filter(|amount| *amount > 0),
        None => return Err(Fault::bad(4020, "transaction_amount attribute can't be null")),
    };
    let amount = amount.ok_or_else(|| Fault::bad(4037, "transaction_amount attribute must be positive"))?;
    let email = fields.get("payer").and_then(|payer| payer.get("email")).and_then(Value::as_str);
    if !email.is_some_and(crate::sendgrid::is_address) {
        return Err(Fault::bad(4050, "payer.email must be a valid email"));
    }
    let method = text(fields, "payment_method_id")?;
    let token = text(fields, "token")?;
    if method.is_none() && token.is_none() {
        return Err(Fault::bad(4, "payment_method_id attribute can't be null"));
    }
    let card = token.map(|token| card(&token, book)).transpose()?;
    let is_later = method.as_deref().is_some_and(|method| LATER_METHODS.contains(&method));
    let mut outcome = match &card {
        _ if is_later => (Status::Pending, "pending_waiting_payment"),
        Some(card) => model::outcome_of_holder(&card.holder),
        None => (Status::Approved, "accredited"),
    };
    if outcome.0 == Status::InProcess && flag(fields, "binary_mode") == Some(true) {
        outcome = (Status::Rejected, "cc_rejected_other_reason");
    }
    let capture = if flag(fields, "capture") == Some(false) { Capture::Later } else { Capture::Now };
    if capture == Capture::Later && outcome.0 == Status::Approved {
        outcome = (Status::Authorized, "pending_capture");
    }
    let fee = fields.get("application_fee").filter(|fee| !fee.is_null()).map_or(Some(0), amount::parse);
    let fee = fee.filter(|fee| *fee <= amount);
    Ok(NewPayment {
        amount,
        fee: fee.ok_or_else(|| Fault::bad(4039, "Invalid application_fee"))?,
        outcome,
        capture,
        external_reference: text(fields, "external_reference")?,
        notification_url: url(fields, "notification_url")?,
        sent: shown_again(fields),
        card,
    })
}

/// Checks a preference; the item's currency is the account's when absent.
pub(super) fn preference(
    id: String,
    created_ms: u64,
    fields: Map<String, Value>,
) -> Result<Preference, Fault> {
    let items = fields.get("items").and_then(Value::as_array).filter(|items| !items.is_empty());
    let items = items.ok_or_else(|| Fault::bad(1, "items needed"))?;
    let mut total = 0_i64;
    let mut currency = None;
    for item in items {
        let price = item.get("unit_price").and_then(amount::parse).filter(|price| *price > 0);
        let quantity =
            item.get("quantity").and_then(Value::as_i64).filter(|count| (1..=10_000).contains(count));
        let (Some(price), Some(quantity)) = (price, quantity) else {
            return Err(Fault::bad(1, "unit_price and quantity of an item must be positive"));
        };
        if item.get("title").and_then(Value::as_str).is_none_or(str::is_empty) {
            return Err(Fault::bad(1, "title of an item needed"));
        }
        total = total.saturating_add(price.saturating_mul(quantity));
        let own = item.get("currency_id").and_then(Value::as_str).unwrap_or("ARS");
        if *currency.get_or_insert(own) != own {
            return Err(Fault::bad(1, "currency_id of all items must be the same"));
        }
    }
    let currency = currency.unwrap_or("ARS").to_owned();
    url(&fields, "notification_url")?;
    let success = fields.get("back_urls").and_then(|urls| urls.get("success")).and_then(Value::as_str);
    if fields.get("auto_return").is_some_and(|value| !value.is_null()) && success.is_none_or(str::is_empty) {
        return Err(Fault::bad(1, "auto_return invalid. back_url.success must be defined"));
    }
    if let Some(fee) = fields.get("marketplace_fee").filter(|fee| !fee.is_null())
        && amount::parse(fee).is_none_or(|fee| fee > total)
    {
        return Err(Fault::bad(1, "marketplace_fee must not be more than the total"));
    }
    Ok(Preference { id, created_ms, total, currency, sent: Value::Object(fields) })
}

/// Checks a card and takes from it what may be kept.
pub(super) fn card_token(id: String, fields: &Map<String, Value>) -> Result<CardToken, Fault> {
    let number: String = text(fields, "card_number")?.unwrap_or_default().split_whitespace().collect();
    if !(13..=19).contains(&number.len()) || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::bad(301, "invalid card_number"));
    }
    let holder = fields.get("cardholder").and_then(|holder| holder.get("name")).and_then(Value::as_str);
    let Some(holder) = holder.filter(|holder| !holder.is_empty()) else {
        return Err(Fault::bad(316, "invalid cardholder.name"));
    };
    let (first_six, last_four) = (number[..6].to_owned(), number[number.len() - 4..].to_owned());
    Ok(CardToken::new(id, holder, (first_six, last_four)))
}

/// A date-time field in milliseconds; `None` if absent or unreadable.
pub(super) fn time(fields: &Value, name: &str) -> Option<u64> {
    fields.get(name).and_then(Value::as_str).and_then(clock::parse_iso)
}

/// An amount that may be absent.
pub(super) fn optional_amount(fields: &Map<String, Value>, name: &str) -> Result<Option<i64>, Fault> {
    match fields.get(name).filter(|value| !value.is_null()) {
        None => Ok(None),
        Some(value) => {
            amount::parse(value).map(Some).ok_or_else(|| Fault::bad(4040, format!("Invalid {name}")))
        }
    }
}

/// Card of a token; a token that begins with a test holder's name needs not be made first.
fn card(token: &str, book: &Book) -> Result<CardToken, Fault> {
    if let Some(card) = book.card_token(token) {
        return Ok(card.clone());
    }
    if model::known_holder(token).is_none() {
        return Err(Fault::bad(2006, "Card Token not found"));
    }
    Ok(CardToken::of_test(token.to_owned(), token))
}

fn shown_again(fields: &Map<String, Value>) -> Value {
    let mut kept = json!({});
    for name in SHOWN_AGAIN {
        if let Some(value) = fields.get(name) {
            kept[name] = value.clone();
        }
    }
    kept
}

fn flag(fields: &Map<String, Value>, name: &str) -> Option<bool> {
    fields.get(name).and_then(Value::as_bool)
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(_) => Err(Fault::bad(8, format!("{name} must be a string"))),
    }
}

fn url(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Fault> {
    let url = text(fields, name)?;
    match &url {
        Some(text)
            if !reqwest::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) =>
        {
            Err(Fault::bad(4020, format!("{name} attribute must be url valid")))
        }
        _ => Ok(url),
    }
}
