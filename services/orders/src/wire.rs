//! Proto ↔ model: all validation of input ends here. Every wrong field is named at once, by its JSON name.

mod output;

use vitrina_chassis::check::Fields;
use vitrina_chassis::{Call, Fault};
use vitrina_proto::common::v1 as common;
use vitrina_proto::orders::v1 as pb;

use crate::model::cart::QUANTITY_MAX;
use crate::model::coupon::Coupon;
use crate::model::order::{Kind, Order, State};
use crate::model::refund::{Restock, ReturnState, Units};
use crate::model::{MINOR_MAX, UserId};

pub(crate) use output::{cart, money, moved, order, refund, returned, review};

/// Characters of an id: prefix and 32 digits, with room for longer prefixes.
const ID_CHARS: std::ops::RangeInclusive<usize> = 1..=48;
/// Characters of an e-mail address (RFC 5321).
const EMAIL_CHARS: std::ops::RangeInclusive<usize> = 3..=254;
/// Characters of a coupon's code.
const CODE_CHARS: std::ops::RangeInclusive<usize> = 1..=32;
/// Characters of a reason or a review.
const TEXT_CHARS_MAX: usize = 1000;

/// What is bought at once.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) publication: String,
    pub(crate) variant: Option<String>,
    pub(crate) quantity: u32,
}

/// How it is bought.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    pub(crate) address: Option<String>,
    pub(crate) coupon: Option<String>,
    /// Who buys; absent: a guest.
    pub(crate) buyer: Option<UserId>,
    pub(crate) guest_email: Option<String>,
}

/// A line that is to be added.
pub(crate) fn new_item(request: &pb::AddCartItemRequest) -> Result<Item, Fault> {
    item(&request.publication_id, request.variant_id.as_ref(), request.quantity)
}

/// Units of a line.
pub(crate) fn quantity(quantity: u32) -> Result<u32, Fault> {
    let mut fields = Fields::new();
    fields.range("quantity", quantity, 1..=QUANTITY_MAX);
    fields.finish()?;
    Ok(quantity)
}

/// What a checkout asks for.
pub(crate) fn checkout(call: &Call<pb::CheckoutRequest>) -> Result<Terms, Fault> {
    let request = &call.request;
    let mut fields = Fields::new();
    let kind = kind(&mut fields, request.payment_method);
    check_address(&mut fields, request.address_id.as_ref());
    let coupon = code(&mut fields, "coupon", request.coupon.as_ref());
    let buyer = call.caller.user_id();
    match (&request.guest_email, buyer) {
        (Some(email), None) => {
            let is_address = email.split_once('@').is_some_and(|(local, host)| {
                !local.is_empty() && !host.is_empty() && !email.contains(char::is_whitespace)
            });
            fields.text("guestEmail", email, EMAIL_CHARS);
            fields.ensure("guestEmail", is_address, "malformed", "is not an e-mail address");
        }
        (None, None) => drop(fields.wrong("guestEmail", "required", "must be given by a guest")),
        (_, Some(_)) => {}
    }
    if buyer.is_none() && request.address_id.is_some() {
        fields.wrong("addressId", "unexpected", "a guest has no addresses");
    }
    fields.finish()?;
    let guest_email = request.guest_email.clone().filter(|_| buyer.is_none());
    Ok(Terms { kind, address: request.address_id.clone(), coupon, buyer, guest_email })
}

/// What is bought at once, and how.
pub(crate) fn buy_now(call: &Call<pb::BuyNowRequest>) -> Result<(Item, Terms), Fault> {
    let request = &call.request;
    let buyer = call.caller.require_user()?;
    let mut fields = Fields::new();
    check_item(&mut fields, &request.publication_id, request.variant_id.as_ref(), request.quantity);
    let kind = kind(&mut fields, request.payment_method);
    check_address(&mut fields, request.address_id.as_ref());
    let coupon = code(&mut fields, "coupon", request.coupon.as_ref());
    fields.finish()?;
    let item = Item {
        publication: request.publication_id.clone(),
        variant: request.variant_id.clone(),
        quantity: request.quantity,
    };
    let address = request.address_id.clone();
    Ok((item, Terms { kind, address, coupon, buyer: Some(buyer), guest_email: None }))
}

/// The role and state that a list is of: `true` is the seller's.
pub(crate) fn list(request: &pb::ListOrdersRequest) -> Result<(u8, Option<State>), Fault> {
    let mut fields = Fields::new();
    let role = match request.role() {
        "" | "buyer" => crate::keys::BUYER,
        "seller" => crate::keys::SELLER,
        _ => {
            fields.wrong("role", "malformed", "must be buyer or seller");
            crate::keys::BUYER
        }
    };
    let state = request.state.map(|number| State::try_from(number).unwrap_or(State::Unspecified));
    fields.ensure("state", state != Some(State::Unspecified), "malformed", "is not a state");
    fields.finish()?;
    Ok((role, state))
}

/// The amount of a refund, `None` for all that is left, and which units go back.
pub(crate) fn new_refund(
    request: &pb::CreateRefundRequest,
    order: &Order,
) -> Result<(Option<i64>, Restock), Fault> {
    let mut fields = Fields::new();
    if let Some(amount) = &request.amount {
        fields.range("amount.minor", amount.minor, 1..=MINOR_MAX);
        let is_same = amount.currency == order.currency;
        fields.ensure("amount.currency", is_same, "currency_mixed", "must be the currency of the order");
    }
    let is_one = !request.restock || request.lines.is_empty();
    fields.ensure("lines", is_one, "unexpected", "must be absent when all is restocked");
    fields.count("lines", request.lines.len(), 0..=order.lines.len());
    let mut units: Vec<Units> = Vec::new();
    for (at, wanted) in request.lines.iter().take(order.lines.len()).enumerate() {
        fields.nested(&format!("lines[{at}]"), |fields| {
            let line = order.lines.iter().zip(0..).find(|(line, _)| {
                line.publication == wanted.publication_id && line.variant == wanted.variant_id
            });
            fields.ensure("publicationId", line.is_some(), "unknown", "is not a line of the order");
            let Some((line, at)) = line else { return };
            let is_new = units.iter().all(|known| known.line != at);
            fields.ensure("publicationId", is_new, "repeated", "was named before");
            fields.range("quantity", wanted.quantity, 1..=line.quantity);
            units.push(Units { line: at, quantity: wanted.quantity });
        });
    }
    fields.finish()?;
    let restock = match (request.restock, units.is_empty()) {
        (true, _) => Restock::All,
        (false, false) => Restock::Units(units),
        (false, true) => Restock::Unsaid,
    };
    Ok((request.amount.as_ref().map(|amount| amount.minor), restock))
}

/// Why something is to be given back.
pub(crate) fn new_return(request: &pb::CreateReturnRequest) -> Result<String, Fault> {
    let mut fields = Fields::new();
    fields.text("reason", &request.reason, 1..=TEXT_CHARS_MAX);
    fields.finish()?;
    Ok(request.reason.clone())
}

/// What the seller decides about a return.
pub(crate) fn decision(request: &pb::UpdateReturnRequest) -> Result<ReturnState, Fault> {
    match request.state.as_str() {
        "accepted" => Ok(ReturnState::Accepted),
        "refused" => Ok(ReturnState::Refused),
        _ => Err(Fault::invalid_field("state", "malformed", "must be accepted or refused")),
    }
}

/// Checks a review.
pub(crate) fn check_review(request: &pb::CreateReviewRequest) -> Result<(), Fault> {
    let mut fields = Fields::new();
    fields.range("rating", request.rating, 1..=5);
    if let Some(text) = &request.text {
        fields.text("text", text, 0..=TEXT_CHARS_MAX);
    }
    fields.finish()
}

/// A coupon with its code.
pub(crate) fn new_coupon(request: &pb::CreateCouponRequest) -> Result<(String, Coupon), Fault> {
    let mut fields = Fields::new();
    let code = code(&mut fields, "code", Some(&request.code)).unwrap_or_default();
    let is_one = request.percent.is_some() != request.amount.is_some();
    fields.ensure("percent", is_one, "malformed", "must be given, or an amount, but not both");
    if let Some(percent) = request.percent {
        fields.range("percent", percent, 1..=99);
    }
    for (name, money) in [("amount", &request.amount), ("minimum", &request.minimum)] {
        if let Some(money) = money {
            check_money(&mut fields, name, money);
        }
    }
    let currencies: Vec<&String> =
        [&request.amount, &request.minimum].into_iter().flatten().map(|money| &money.currency).collect();
    let is_same = currencies.windows(2).all(|pair| pair[0] == pair[1]);
    fields.ensure("minimum.currency", is_same, "currency_mixed", "must be the currency of the amount");
    // Without a start it counts at once; "now" would make the same request another coupon each time.
    let starts_at_ms = request.starts_at.map_or(0, |at| at.unix_ms());
    let ends_at_ms = fields.required("endsAt", request.ends_at).map_or(0, |at| at.unix_ms());
    fields.ensure("endsAt", ends_at_ms > starts_at_ms, "out_of_range", "must be after the start");
    fields.finish()?;
    let currency = currencies.first().map(|currency| (*currency).clone()).unwrap_or_default();
    let coupon = Coupon {
        percent: request.percent.unwrap_or_default(),
        amount_minor: request.amount.as_ref().map_or(0, |money| money.minor),
        currency,
        starts_at_ms,
        ends_at_ms,
        uses_max: request.uses_max,
        uses_per_buyer_max: request.uses_per_buyer_max,
        minimum_minor: request.minimum.as_ref().map_or(0, |money| money.minor),
        uses: 0,
    };
    Ok((code, coupon))
}

fn item(publication: &str, variant: Option<&String>, quantity: u32) -> Result<Item, Fault> {
    let mut fields = Fields::new();
    check_item(&mut fields, publication, variant, quantity);
    fields.finish()?;
    Ok(Item { publication: publication.to_owned(), variant: variant.cloned(), quantity })
}

fn check_item(fields: &mut Fields, publication: &str, variant: Option<&String>, quantity: u32) {
    fields.text("publicationId", publication, ID_CHARS);
    if let Some(variant) = variant {
        fields.text("variantId", variant, ID_CHARS);
    }
    fields.range("quantity", quantity, 1..=QUANTITY_MAX);
}

fn check_address(fields: &mut Fields, address: Option<&String>) {
    if let Some(address) = address {
        fields.text("addressId", address, ID_CHARS);
    }
}

fn check_money(fields: &mut Fields, name: &str, money: &common::Money) {
    fields.nested(name, |fields| {
        fields.range("minor", money.minor, 1..=MINOR_MAX);
        let is_code =
            money.currency.len() == 3 && money.currency.bytes().all(|byte| byte.is_ascii_uppercase());
        fields.ensure("currency", is_code, "malformed", "must be three capital letters");
    });
}

fn kind(fields: &mut Fields, number: i32) -> Kind {
    let kind = Kind::try_from(number).unwrap_or(Kind::Unspecified);
    fields.ensure("paymentMethod", kind != Kind::Unspecified, "required", "must be AUTOMATIC or MANUAL");
    kind
}

fn code(fields: &mut Fields, name: &str, code: Option<&String>) -> Option<String> {
    let code = code?.to_ascii_uppercase();
    fields.text(name, &code, CODE_CHARS);
    let is_plain =
        code.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
    fields.ensure(name, is_plain, "malformed", "holds letters, digits and hyphens only");
    Some(code)
}
