//! A JSON client that panics with the whole exchange when the answer is not what the test expects.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::Value;

/// How long an answer may take on a loaded machine; never a measure of speed.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Sends requests to one edge, as one caller.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// An answer with its body read.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: reqwest::header::HeaderMap,
    /// The body as it came.
    pub text: String,
    /// The body as JSON; null when it is none.
    pub json: Value,
}

impl Answer {
    /// The value of a header field; empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The answer, when its status is `status`.
    ///
    /// # Panics
    /// With the whole answer, when it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:#?}");
        self
    }

    /// A string at a JSON pointer.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> String {
        let found = self.json.pointer(pointer).and_then(Value::as_str);
        assert!(found.is_some(), "no text at {pointer}: {self:#?}");
        found.unwrap_or_default().to_owned()
    }
}

impl Client {
    /// A client for the edge at `base`, such as `http://127.0.0.1:8080`, without a token.
    pub fn new(base: &str) -> Client {
        let http = vitrina_outgoing::client().timeout(ANSWER_WITHIN).no_proxy();
        Client {
            http: http.build().expect("the time limit is one that a client can have"),
            base: base.to_owned(),
            token: None,
        }
    }

    /// The same client as another caller.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The access token that it sends, if any.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The address of the edge.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request that can still be changed.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let answer = request.send().await.context("no answer")?;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let text = answer.text().await.context("no whole body")?;
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, text, json })
    }

    /// Sends a request.
    ///
    /// # Panics
    /// When no whole answer came.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = self.try_send(request).await;
        answer.unwrap_or_else(|error| panic!("{}: {error:#}", self.base))
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body)).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// GET until `holds`, since some things follow a write by an event.
    ///
    /// # Panics
    /// With the last answer, when it does not hold within a minute.
    pub async fn get_until(&self, path: &str, holds: impl Fn(&Answer) -> bool) -> Answer {
        let mut last = None;
        for _ in 0..600 {
            if let Ok(answer) = self.try_send(self.request(Method::GET, path)).await {
                if holds(&answer) {
                    return answer;
                }
                last = Some(answer);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} never came to what was waited for: {last:#?}");
    }
}
