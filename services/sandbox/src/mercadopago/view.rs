//! Model → JSON, in the vendor's names.

use serde_json::{Value, json};

use super::COLLECTOR_ID;
use super::amount;
use super::model::{Capture, Payment, Preference, Refund, Status};
use crate::clock;

/// A payment as the API shows it.
pub(crate) fn payment(payment: &Payment) -> Value {
    let sent = &payment.sent;
    let refunds: Vec<Value> = payment.refunds.iter().map(|one| refund(payment.id, one)).collect();
    let method = sent.get("payment_method_id").and_then(Value::as_str).unwrap_or("master");
    let is_paid = matches!(payment.status, Status::Approved | Status::Refunded | Status::ChargedBack);
    let fees = match payment.fee {
        0 => json!([]),
        fee => json!([{ "type": "application_fee", "fee_payer": "collector", "amount": amount::json(fee) }]),
    };
    json!({
        "id": payment.id,
        "status": payment.status.name(),
        "status_detail": payment.detail,
        "operation_type": "regular_payment",
        "date_created": clock::iso(payment.created_ms),
        "date_last_updated": clock::iso(payment.updated_ms),
        "date_approved": payment.approved_ms.map(clock::iso),
        "date_of_expiration": sent.get("date_of_expiration"),
        "currency_id": payment.currency,
        "transaction_amount": amount::json(payment.amount),
        "transaction_amount_refunded": amount::json(payment.refunded),
        "captured": payment.capture == Capture::Now && is_paid,
        "live_mode": false,
        "collector_id": COLLECTOR_ID,
        "external_reference": payment.external_reference,
        "notification_url": payment.notification_url,
        "preference_id": payment.preference_id,
        "description": sent.get("description"),
        "statement_descriptor": sent.get("statement_descriptor"),
        "metadata": sent.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "additional_info": sent.get("additional_info").cloned().unwrap_or_else(|| json!({})),
        "payer": sent.get("payer").cloned().unwrap_or_else(|| json!({})),
        "payment_method_id": method,
        "payment_type_id": if payment.card.is_some() { "credit_card" } else { "account_money" },
        "issuer_id": sent.get("issuer_id"),
        "installments": sent.get("installments").and_then(Value::as_u64).unwrap_or(1),
        "card": payment.card.as_ref().map(|card| json!({
            "first_six_digits": card.first_six,
            "last_four_digits": card.last_four,
            "cardholder": { "name": card.holder },
        })),
        "refunds": refunds,
        "fee_details": fees,
        "transaction_details": {
            "total_paid_amount": amount::json(payment.amount),
            "net_received_amount": amount::json(if is_paid { payment.amount - payment.fee } else { 0 }),
        },
        "point_of_interaction": { "type": if payment.preference_id.is_some() { "CHECKOUT" } else { "UNSPECIFIED" } },
    })
}

/// A refund as the API shows it.
pub(super) fn refund(payment_id: u64, refund: &Refund) -> Value {
    json!({
        "id": refund.id,
        "payment_id": payment_id,
        "amount": amount::json(refund.amount),
        "source": { "id": COLLECTOR_ID.to_string(), "name": "Vitrina", "type": "collector" },
        "date_created": clock::iso(refund.created_ms),
        "status": "approved",
    })
}

/// A preference as the API shows it: what was sent, and where to pay.
pub(crate) fn preference(preference: &Preference, base_url: &str) -> Value {
    let mut shown = preference.sent.clone();
    let init_point = format!("{base_url}/checkout/v1/redirect?pref_id={}", preference.id);
    shown["id"] = json!(preference.id);
    shown["init_point"] = json!(init_point);
    shown["sandbox_init_point"] = json!(init_point);
    shown["collector_id"] = json!(COLLECTOR_ID);
    shown["date_created"] = json!(clock::iso(preference.created_ms));
    shown
}
