//! The sandbox as a buyer and a bank use it: the page to pay on, and the page that charges back.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::Client;
use serde_json::{Map, Value, json};

/// How long an answer of the sandbox may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A payment provider that is a sandbox.
#[derive(Clone)]
pub(super) struct Till {
    http: Client,
    /// The page that led here, as long as its order waits to be paid.
    pub(super) page: String,
    /// Without a trailing slash.
    base: String,
}

impl Till {
    /// The sandbox whose page this is; `None`: it is a real provider's, where nobody pays for a demo.
    pub(super) async fn behind(pay_page: &str) -> Result<Option<Till>> {
        let Some((base, _)) = pay_page.split_once("/checkout/") else { return Ok(None) };
        let http = vitrina_outgoing::client().timeout(ANSWER_WITHIN).no_proxy().build()?;
        let till = Till { http, page: pay_page.to_owned(), base: base.to_owned() };
        let answer = till.http.get(till.knobs()).send().await;
        Ok(answer.is_ok_and(|answer| answer.status().is_success()).then_some(till))
    }

    /// Presses a button of the page: `approved`, `pending` or `rejected`. Gives the payment's id.
    ///
    /// Not to be sent twice: that would be two payments.
    pub(super) async fn pay(&self, pay_page: &str, result: &str) -> Result<String> {
        let (_, preference) = pay_page.split_once("pref_id=").context("the page to pay on has no pref_id")?;
        let choice = json!({"pref_id": preference, "result": result});
        let payment = self.post(&format!("{}/checkout/v1/pay", self.base), &choice).await?;
        Ok(payment["id"].to_string())
    }

    /// The page that shows what the sandbox received.
    pub(super) fn overview(&self) -> String {
        format!("{}/sandbox", self.base)
    }

    /// The bank takes the money of a payment back.
    pub(super) async fn charge_back(&self, payment: &str) -> Result<()> {
        let url = format!("{}/sandbox/payments/{payment}", self.base);
        self.post(&url, &json!({"status": "charged_back"})).await.map(drop)
    }

    /// Has the provider refuse whatever it is asked, until the knob is turned back to what this gives.
    pub(super) async fn refuse(&self) -> Result<Value> {
        let all: Value = self.http.get(self.knobs()).send().await?.json().await?;
        let refusing = json!({"provider": "mercadopago", "error_rate": 1.0, "error_status": 400});
        self.post(&self.knobs(), &refusing).await?;
        let before: Map<String, Value> = all["mercadopago"].as_object().cloned().unwrap_or_default();
        Ok(Value::Object(before))
    }

    /// Turns the knob back.
    pub(super) async fn turn_back(&self, before: &Value) -> Result<()> {
        let mut knob = before.clone();
        knob["provider"] = json!("mercadopago");
        self.post(&self.knobs(), &knob).await.map(drop)
    }

    fn knobs(&self) -> String {
        format!("{}/sandbox/knobs", self.base)
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Value> {
        let answer = self.http.post(url).json(body).send().await;
        let answer = answer.with_context(|| format!("the sandbox does not answer at {url}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{url}: {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}
