//! An account of a generated shop, and what everybody does with one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::{PASSWORD, picture};
use crate::connect::{Refused, Shop};

/// The header of an idempotency key.
const KEY: &str = "idempotency-key";

/// Rows of a list that are asked for at a time.
const PAGE: usize = 100;

/// An account with a session.
pub(super) struct Person {
    pub(super) name: String,
    /// `usr_…`.
    pub(super) id: String,
    shop: Shop,
    /// Counts what was not there before.
    made: Arc<AtomicU64>,
}

impl Person {
    /// Logs an account in, which is registered when it is not there.
    ///
    /// # Errors
    /// When somebody else has the name, so that its password is another.
    pub(super) async fn enter(
        shop: &Shop,
        name: &str,
        first_name: &str,
        made: &Arc<AtomicU64>,
    ) -> Result<Person> {
        let body = json!({"email": format!("{name}@example.com"), "username": name, "password": PASSWORD,
            "firstName": first_name, "lastName": "Demo"});
        match shop.send(Method::POST, "/v1/auth/register", Some(&body)).await {
            Ok(_) => drop(made.fetch_add(1, Ordering::Relaxed)),
            Err(error) if is_conflict(&error) => {}
            Err(error) => return Err(error).with_context(|| format!("{name} can't be registered")),
        }
        let session = shop.log_in(name, PASSWORD).await;
        let session =
            session.with_context(|| format!("{name} is somebody's account, with another password"))?;
        let me = session.send(Method::GET, "/v1/me", None).await?;
        let id = text(&me, "/id")?.to_owned();
        let person = Person { name: name.to_owned(), id, shop: session, made: Arc::clone(made) };
        if me["avatar"].is_null() {
            let key = format!("demo-avatar-{name}");
            person.upload(Method::PUT, "/v1/me/avatar", &key, &picture::avatar(name).await?).await?;
        }
        Ok(person)
    }

    /// Reads something.
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        let read = self.shop.send(Method::GET, path, None).await;
        read.with_context(|| format!("{}: {path}", self.name))
    }

    /// Reads a list to its end, all pages of it.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}?limit={PAGE}{cursor}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// Makes something under a key; with the same key it is made once.
    pub(super) async fn make(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        self.write(Method::POST, path, key, body).await
    }

    /// As [`Person::make`]; `None`: the state of things does not allow it, as somebody has been there before.
    pub(super) async fn try_make(&self, path: &str, key: &str, body: &Value) -> Result<Option<Value>> {
        possible(self.make(path, key, body).await)
    }

    /// Writes by any method.
    pub(super) async fn write(&self, method: Method, path: &str, key: &str, body: &Value) -> Result<Value> {
        self.written(method, path, |request| request.header(KEY, key).json(body)).await
    }

    /// Uploads a PNG.
    pub(super) async fn upload(&self, method: Method, path: &str, key: &str, png: &[u8]) -> Result<()> {
        let fill = |request: RequestBuilder| {
            request.header(KEY, key).header("content-type", "image/png").body(png.to_vec())
        };
        self.written(method, path, fill).await.map(drop)
    }

    async fn written(
        &self,
        method: Method,
        path: &str,
        fill: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Value> {
        let answered = self.shop.answered(method, path, fill).await;
        let answered = answered.with_context(|| format!("{}: {path}", self.name))?;
        if !answered.is_replayed {
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        Ok(answered.body)
    }
}

/// `None`: it was refused because of the state of things.
pub(super) fn possible<T>(outcome: Result<T>) -> Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_conflict(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A string at a JSON pointer.
///
/// # Errors
/// When there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("the shop's answer has no {pointer}"))
}

fn is_conflict(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.status == StatusCode::CONFLICT)
}
