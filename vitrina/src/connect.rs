//! How a command reaches a running shop: by its data directory, or by an address and a token.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::DATA;
use crate::data::Data;

/// How long one request of a command may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Attempts at a request that was not answered, or told to come back.
const ATTEMPTS_MAX: u32 = 6;

/// Where the running shop is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Data directory of a shop that runs on this machine
    #[arg(long, default_value = DATA, env = "VITRINA_DATA")]
    pub(crate) data: PathBuf,
    /// Address of a shop elsewhere, such as `https://shop.example`; needs --token
    #[arg(long, env = "VITRINA_URL", requires = "token")]
    pub(crate) url: Option<String>,
    /// Access token of the seller at --url
    #[arg(long, env = "VITRINA_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// A session with a running shop.
pub(crate) struct Shop {
    http: reqwest::Client,
    base: String,
    login: Option<Login>,
    token: Mutex<String>,
}

/// How to get another access token when one has expired.
struct Login {
    admin_url: String,
    admin_token: String,
    name: String,
}

impl Shop {
    /// A session of `seller`.
    ///
    /// # Errors
    /// When the shop does not run or does not know the seller; the message says what to do.
    pub(crate) async fn connect(target: &Target, seller: &str) -> Result<Shop> {
        let mut shop = Shop::anonymous(target)?;
        match &target.token {
            Some(token) if target.url.is_some() => *shop.token.lock().await = token.clone(),
            _ => {
                let data = Data::at(&target.data);
                let (_, admin_url) = data.urls()?;
                shop.login =
                    Some(Login { admin_url, admin_token: data.admin_token()?, name: seller.to_owned() });
                shop.renew().await?;
            }
        }
        Ok(shop)
    }

    /// A session without a caller.
    pub(crate) fn anonymous(target: &Target) -> Result<Shop> {
        let base = match &target.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => Data::at(&target.data).urls()?.0,
        };
        Shop::at(&base)
    }

    /// A session without a caller with the shop at `base`.
    pub(crate) fn at(base: &str) -> Result<Shop> {
        let http = vitrina_outgoing::client().timeout(ANSWER_WITHIN).no_proxy().build()?;
        Ok(Shop { http, base: base.to_owned(), login: None, token: Mutex::default() })
    }

    /// The same shop as another caller.
    pub(crate) fn with_token(&self, token: &str) -> Shop {
        let (http, base) = (self.http.clone(), self.base.clone());
        Shop { http, base, login: None, token: Mutex::new(token.to_owned()) }
    }

    /// Sends a JSON body and gives the JSON answer.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, path, |request| match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// Sends a request until it is answered; `fill` adds the body. Only for what may be sent twice.
    ///
    /// # Errors
    /// When the shop does not answer in a few attempts, or answers with a problem: its detail and fields are the message.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let token = self.token.lock().await.clone();
            let request = self.http.request(method.clone(), &url);
            let request = if token.is_empty() { request } else { request.bearer_auth(&token) };
            let answer = match fill(request).send().await {
                Ok(answer) => answer,
                Err(_) if attempt < ATTEMPTS_MAX => {
                    wait(attempt).await;
                    continue;
                }
                Err(error) => return Err(error).with_context(|| format!("{} does not answer", self.base)),
            };
            let status = answer.status();
            let is_expired = status == StatusCode::UNAUTHORIZED && self.login.is_some();
            let is_busy =
                status == StatusCode::SERVICE_UNAVAILABLE || status == StatusCode::TOO_MANY_REQUESTS;
            if attempt < ATTEMPTS_MAX && is_expired {
                self.renew().await?;
                continue;
            }
            if attempt < ATTEMPTS_MAX && is_busy {
                wait(attempt).await;
                continue;
            }
            return value(status, &answer.text().await?);
        }
    }

    /// Gets a new access token of the seller from the admin listener.
    async fn renew(&self) -> Result<()> {
        let Some(login) = &self.login else { return Ok(()) };
        let request = self.http.post(format!("{}/admin/tokens", login.admin_url));
        let request = request.bearer_auth(&login.admin_token).json(&json!({"login": login.name}));
        let answer = request.send().await.with_context(|| silent(&login.admin_url))?;
        let status = answer.status();
        if status == StatusCode::NOT_FOUND {
            bail!("there is no account {:?}: register it first (POST /v1/auth/register)", login.name);
        }
        let reply = value(status, &answer.text().await?)?;
        let token = reply["accessToken"].as_str().context("the shop gave no token")?;
        token.clone_into(&mut *self.token.lock().await);
        Ok(())
    }
}

/// Posts to the admin listener of the shop that runs on the data directory.
///
/// # Errors
/// When the shop does not run, or refuses: its detail and fields are the message.
pub(crate) async fn post_admin(data: &Data, path: &str, body: &Value) -> Result<Value> {
    let (_, admin_url) = data.urls()?;
    let http = vitrina_outgoing::client().timeout(ANSWER_WITHIN).no_proxy().build()?;
    let request = http.post(format!("{admin_url}{path}")).bearer_auth(data.admin_token()?).json(body);
    let answer = request.send().await.with_context(|| silent(&admin_url))?;
    value(answer.status(), &answer.text().await?)
}

fn silent(admin_url: &str) -> String {
    format!("the shop does not answer at {admin_url}: is it running? start it with `vitrina up`")
}

/// Waits a little longer each time.
async fn wait(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(100 * u64::from(2_u32.pow(attempt)))).await;
}

fn value(status: StatusCode, text: &str) -> Result<Value> {
    let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    if status.is_success() {
        return Ok(json);
    }
    let detail = json["detail"].as_str().unwrap_or("the shop gave no reason");
    let mut message = format!("{detail} ({status})");
    for error in json["errors"].as_array().into_iter().flatten() {
        let field = error["field"].as_str().unwrap_or_default();
        let detail = error["detail"].as_str().unwrap_or_default();
        message.push_str(&format!("\n  {field}: {detail}"));
    }
    bail!(message)
}
