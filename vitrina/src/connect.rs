//! How a command reaches a running shop: by its data directory, or by an address and a token.

use std::fmt;
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
enum Login {
    /// From the admin listener, without a password.
    Operator { admin_url: String, admin_token: String, name: String },
    /// As everybody does.
    Password { name: String, password: String },
}

/// What the shop answered.
pub(crate) struct Answered {
    /// The JSON body; null when it is none.
    pub(crate) body: Value,
    /// Whether it is the answer to the same request sent before.
    pub(crate) is_replayed: bool,
}

/// A refusal of the shop: its detail and fields are the message.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

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
                let (admin_token, name) = (data.admin_token()?, seller.to_owned());
                shop.login = Some(Login::Operator { admin_url, admin_token, name });
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

    /// The same shop as another caller, who logs in again whenever the session is over.
    ///
    /// # Errors
    /// When name and password are not those of an account.
    pub(crate) async fn log_in(&self, name: &str, password: &str) -> Result<Shop> {
        let body = json!({"login": name, "password": password});
        let token = token(&self.send(Method::POST, "/v1/auth/login", Some(&body)).await?)?;
        let login = Login::Password { name: name.to_owned(), password: password.to_owned() };
        let (http, base) = (self.http.clone(), self.base.clone());
        Ok(Shop { http, base, login: Some(login), token: Mutex::new(token) })
    }

    /// Where the shop is, without a trailing slash.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Sends a JSON body and gives the JSON answer.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call(method, path, |request| match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    /// As [`Shop::answered`], for whom only the body matters.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value> {
        Ok(self.answered(method, path, fill).await?.body)
    }

    /// Sends a request until it is answered; `fill` adds the body. Only for what may be sent twice.
    ///
    /// # Errors
    /// When the shop does not answer in a few attempts, or answers with a problem: its detail and fields are the message.
    pub(crate) async fn answered(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Answered> {
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
            let is_replayed = answer.headers().contains_key("idempotent-replayed");
            return Ok(Answered { body: value(status, &answer.text().await?)?, is_replayed });
        }
    }

    /// Gets a new access token.
    async fn renew(&self) -> Result<()> {
        let reply = match &self.login {
            None => return Ok(()),
            Some(Login::Operator { admin_url, admin_token, name }) => {
                let request = self.http.post(format!("{admin_url}/admin/tokens"));
                let request = request.bearer_auth(admin_token).json(&json!({"login": name}));
                let answer = request.send().await.with_context(|| silent(admin_url))?;
                let status = answer.status();
                if status == StatusCode::NOT_FOUND {
                    bail!("there is no account {name:?}: register it first (POST /v1/auth/register)");
                }
                value(status, &answer.text().await?)?
            }
            Some(Login::Password { name, password }) => {
                let body = json!({"login": name, "password": password});
                let request = self.http.post(format!("{}/v1/auth/login", self.base)).json(&body);
                let answer =
                    request.send().await.with_context(|| format!("{} does not answer", self.base))?;
                value(answer.status(), &answer.text().await?)?
            }
        };
        *self.token.lock().await = token(&reply)?;
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

fn token(session: &Value) -> Result<String> {
    Ok(session["accessToken"].as_str().context("the shop gave no token")?.to_owned())
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
    Err(Refused { status, message }.into())
}
