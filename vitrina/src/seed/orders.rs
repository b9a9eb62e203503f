//! Tells the stories of a generated shop's orders: buys, pays, ships, and what else people do.
//!
//! An order is known again by its buyer and its publication, and a step that was done is not done again. Where somebody has
//! led an order another way, its story ends.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::person::{Person, possible, text};
use super::shelf::Listed;
use super::stories::{Kind, Step, Story};
use super::till::Till;

/// The code that takes something off an order.
pub(super) const COUPON: &str = "DEMO";
/// How long the shop may take to hear of a payment.
const HEARD_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where orders are made.
pub(super) struct Market<'a> {
    pub(super) sellers: &'a [Person],
    /// Whether there is a coupon to use.
    pub(super) has_coupon: bool,
    /// The sandbox's pages; absent until an order has led there, or there is none.
    pub(super) till: Option<Till>,
}

/// A buyer with what was bought before.
pub(super) struct Buyer<'a> {
    pub(super) person: &'a Person,
    address: String,
    /// Orders by publication, the oldest of each.
    orders: HashMap<String, String>,
}

/// What is told: an order of this buyer, on this publication.
struct Telling<'a> {
    buyer: &'a Person,
    seller: &'a Person,
    order: String,
    /// Begins each idempotency key.
    key: String,
}

impl<'a> Buyer<'a> {
    pub(super) async fn of(person: &'a Person) -> Result<Buyer<'a>> {
        let there = items(person.get("/v1/me/addresses").await?);
        let address = match there.first() {
            Some(address) => text(address, "/id")?.to_owned(),
            None => {
                let address = json!({"recipient": "Beto Demo", "street": "Mitre 1", "city": "Rosario",
                    "region": "Santa Fe", "postalCode": "2000", "country": "AR"});
                text(&person.make("/v1/me/addresses", "demo-address", &address).await?, "/id")?.to_owned()
            }
        };
        let mut orders = HashMap::new();
        for order in person.list("/v1/orders").await? {
            // The newest come first: what stays is the oldest.
            if let Some(publication) = order.pointer("/lines/0/publicationId").and_then(Value::as_str) {
                orders.insert(publication.to_owned(), text(&order, "/id")?.to_owned());
            }
        }
        Ok(Buyer { person, address, orders })
    }
}

impl Market<'_> {
    /// Tells a story.
    pub(super) async fn tell(&mut self, buyer: &Buyer<'_>, listed: &Listed, story: &Story) -> Result<()> {
        if !listed.is_for_sale() {
            return Ok(());
        }
        let key = format!("{}-{}-{}", listed.sku, buyer.person.name, story.name);
        let order = match buyer.orders.get(&listed.publication) {
            Some(order) => Some(order.clone()),
            None => self.place(buyer, listed, story, &key).await?,
        };
        let Some(order) = order else { return Ok(()) };
        let telling = Telling { buyer: buyer.person, seller: &self.sellers[listed.seller], order, key };
        if story.kind == Kind::Provider && self.till.is_none() {
            self.till = telling.till().await?;
        }
        for step in story.steps {
            if !telling.take(step, self.till.as_ref()).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Places the order; `None`: it can't be.
    async fn place(
        &self,
        buyer: &Buyer<'_>,
        listed: &Listed,
        story: &Story,
        key: &str,
    ) -> Result<Option<String>> {
        let method = if story.kind == Kind::Transfer { "MANUAL" } else { "AUTOMATIC" };
        let mut body = json!({"publicationId": listed.publication, "quantity": 1, "paymentMethod": method,
            "addressId": buyer.address});
        if self.has_coupon && story.name == "transfer-finished" {
            body["coupon"] = json!(COUPON);
        }
        let placed = match (story.kind, &self.till) {
            (Kind::ProviderRefuses, None) => return Ok(None),
            (Kind::ProviderRefuses, Some(till)) => {
                let before = till.refuse().await?;
                let placed = self.refused(buyer.person, key, &body).await;
                till.turn_back(&before).await?;
                placed
            }
            _ => buyer.person.make("/v1/orders", key, &body).await,
        };
        // It is refused when all is sold by now, or when the shop takes no such payments.
        possible(placed)?.map(|placed| Ok(text(&placed, "/orders/0/id")?.to_owned())).transpose()
    }

    /// Places an order while the provider refuses, and waits until the shop has heard it.
    async fn refused(&self, buyer: &Person, key: &str, body: &Value) -> Result<Value> {
        let placed = buyer.make("/v1/orders", key, body).await?;
        let order = text(&placed, "/orders/0/id")?;
        let path = format!("/v1/orders/{order}");
        until(buyer, &path, |order| order["payment"]["status"] == "failed").await?;
        Ok(placed)
    }
}

impl Telling<'_> {
    /// The sandbox that this order is paid at.
    async fn till(&self) -> Result<Option<Till>> {
        let order = self.look().await?;
        if order["state"] != "AWAITING_PAYMENT" && order["state"] != "RESERVED" {
            return Ok(None);
        }
        Till::behind(&self.pay_page().await?).await
    }

    /// Takes a step, if it was not taken before; `false`: the order went another way.
    async fn take(&self, step: &Step, till: Option<&Till>) -> Result<bool> {
        let order = self.look().await?;
        let path = format!("/v1/orders/{}", self.order);
        match *step {
            Step::Pay(result) => self.pay(&order, till, result).await,
            Step::PayTooLate => self.pay_too_late(&order, till).await,
            Step::ChargeBack => self.charge_back(&order, till).await,
            Step::Confirm => self.go(self.seller, &order, "confirm-payment", "PAID").await,
            Step::Ship => self.go(self.seller, &order, "ship", "SHIPPED").await,
            Step::Finish => self.go(self.buyer, &order, "finish", "FINISHED").await,
            Step::Cancel => self.go(self.buyer, &order, "cancel", "CANCELLED").await,
            Step::RefundAll => self.refund(&order, json!({})).await,
            Step::RefundQuarter => {
                let minor = order["total"]["minor"].as_u64().unwrap_or_default() / 4;
                self.refund(&order, json!({"amount": {"minor": minor, "currency": "ARS"}})).await
            }
            Step::AskReturn => self.ask_return(&path).await,
            Step::AcceptReturn => self.decide_return(&path, "accepted").await,
            Step::RefuseReturn => self.decide_return(&path, "refused").await,
            Step::Review(rating, words) => {
                let review = json!({"rating": rating, "text": words});
                let key = format!("{}-review", self.key);
                Ok(self.buyer.try_make(&format!("{path}/review"), &key, &review).await?.is_some())
            }
        }
    }

    async fn look(&self) -> Result<Value> {
        self.buyer.get(&format!("/v1/orders/{}", self.order)).await
    }

    async fn until(&self, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        until(self.buyer, &format!("/v1/orders/{}", self.order), holds).await
    }

    /// Moves the order on.
    async fn go(&self, who: &Person, order: &Value, step: &str, state: &str) -> Result<bool> {
        if has_been(order, state) {
            return Ok(true);
        }
        let path = format!("/v1/orders/{}/{step}", self.order);
        Ok(who.try_make(&path, &format!("{}-{step}", self.key), &json!({})).await?.is_some())
    }

    /// Where the order is paid; the provider may still be at it.
    async fn pay_page(&self) -> Result<String> {
        let order =
            self.until(|order| order.pointer("/payment/redirectUrl").is_some_and(Value::is_string)).await?;
        Ok(text(&order, "/payment/redirectUrl")?.to_owned())
    }

    async fn pay(&self, order: &Value, till: Option<&Till>, result: &str) -> Result<bool> {
        let is_paid = has_been(order, "PAID");
        if is_paid || !order["payment"]["providerId"].is_null() {
            return Ok(is_paid);
        }
        let Some(till) = till.filter(|_| order["state"] == "AWAITING_PAYMENT") else { return Ok(false) };
        let payment = till.pay(&self.pay_page().await?, result).await?;
        let is_heard = |order: &Value| order["payment"]["providerId"].as_str() == Some(&payment);
        self.until(|order| is_heard(order) && (result != "approved" || has_been(order, "PAID"))).await?;
        Ok(true)
    }

    async fn pay_too_late(&self, order: &Value, till: Option<&Till>) -> Result<bool> {
        let Some(till) = till.filter(|_| order["state"] == "AWAITING_PAYMENT") else { return Ok(false) };
        let page = self.pay_page().await?;
        self.go(self.buyer, order, "cancel", "CANCELLED").await?;
        till.pay(&page, "approved").await?;
        self.until(|order| has_been(order, "REFUNDED")).await?;
        Ok(true)
    }

    async fn charge_back(&self, order: &Value, till: Option<&Till>) -> Result<bool> {
        let Some(till) = till.filter(|_| order["payment"]["status"] == "approved") else { return Ok(false) };
        till.charge_back(text(order, "/payment/providerId")?).await?;
        self.until(|order| order["payment"]["status"] == "charged_back").await?;
        Ok(true)
    }

    async fn refund(&self, order: &Value, body: Value) -> Result<bool> {
        let path = format!("/v1/orders/{}/refunds", self.order);
        let there = items(self.seller.get(&path).await?);
        if !there.is_empty() || has_been(order, "REFUNDED") {
            return Ok(true);
        }
        if self.seller.try_make(&path, &format!("{}-refund", self.key), &body).await?.is_none() {
            return Ok(false);
        }
        // What is pending must not meet a provider that refuses.
        until(self.seller, &path, |refunds| refunds["items"][0]["status"] == "done").await?;
        Ok(true)
    }

    async fn ask_return(&self, path: &str) -> Result<bool> {
        Ok(self.asked_return(path).await?.is_some())
    }

    async fn asked_return(&self, path: &str) -> Result<Option<Value>> {
        let body = json!({"reason": "No es lo que esperaba."});
        self.buyer.try_make(&format!("{path}/returns"), &format!("{}-return", self.key), &body).await
    }

    /// The seller decides; the return's id is in the answer to whoever asked for it.
    async fn decide_return(&self, path: &str, decision: &str) -> Result<bool> {
        let Some(asked) = self.asked_return(path).await? else { return Ok(false) };
        let path = format!("/v1/returns/{}", text(&asked, "/id")?);
        let key = format!("{}-{decision}", self.key);
        let decided = self.seller.write(Method::PATCH, &path, &key, &json!({"state": decision})).await;
        if possible(decided)?.is_none() {
            return Ok(false);
        }
        if decision == "accepted" {
            self.until(|order| has_been(order, "REFUNDED")).await?;
        }
        Ok(true)
    }
}

/// Reads something until it is as it should be.
///
/// # Errors
/// When it does not come to that in time.
async fn until(person: &Person, path: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let deadline = tokio::time::Instant::now() + HEARD_WITHIN;
    loop {
        let seen = person.get(path).await?;
        if holds(&seen) {
            return Ok(seen);
        }
        if tokio::time::Instant::now() > deadline {
            bail!("{path} does not come to what it should: {seen}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn has_been(order: &Value, state: &str) -> bool {
    let moves = order["timeline"].as_array().map_or(&[][..], Vec::as_slice);
    moves.iter().any(|entry| entry["state"] == state)
}

fn items(list: Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}
