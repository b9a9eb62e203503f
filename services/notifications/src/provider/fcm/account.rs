//! The service account: its key signs a JWT (RS256), which the token endpoint exchanges for an access token; that is kept
//! until shortly before its end.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::provider::{Failed, Misconfigured, detail, read, seconds, unanswered};

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
/// The form up to the JWT, which is base64url and dots and needs no escaping.
const FORM: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
const FORM_TYPE: &str = "application/x-www-form-urlencoded";
/// Life of a JWT: the longest that is taken.
const JWT_S: u64 = 3600;
/// A token is renewed so long before its end, that a call under way does not outlive it.
const MARGIN_MS: u64 = 60_000;

/// A service account that can get access tokens.
pub(crate) struct Account {
    pub(super) project: String,
    email: String,
    key_id: String,
    pub(crate) token_uri: String,
    key: RsaKeyPair,
    /// Held while a new one is fetched, so that many sends at once fetch one.
    token: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    ends_at_ms: u64,
}

#[derive(Deserialize)]
struct Json {
    project_id: String,
    private_key_id: String,
    private_key: String,
    client_email: String,
    token_uri: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

impl Account {
    /// Reads the JSON that Firebase gives out, or the file that holds it.
    pub(crate) fn parse(setting: &str) -> Result<Account, Misconfigured> {
        let wrong = |reason| Misconfigured { setting: "fcm.service_account", reason };
        let file;
        let text = if setting.trim_start().starts_with('{') {
            setting
        } else {
            file = std::fs::read_to_string(setting).map_err(|_| wrong("its file cannot be read"))?;
            &file
        };
        let json: Json =
            serde_json::from_str(text).map_err(|_| wrong("it is no JSON of a service account"))?;
        let body: String = json.private_key.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = STANDARD.decode(body.trim()).map_err(|_| wrong("its private key is no PEM"))?;
        let key =
            RsaKeyPair::from_pkcs8(&der).map_err(|_| wrong("its private key is no RSA key in PKCS #8"))?;
        Ok(Account {
            project: json.project_id,
            email: json.client_email,
            key_id: json.private_key_id,
            token_uri: json.token_uri,
            key,
            token: Mutex::new(None),
        })
    }

    /// A token that is good for a while.
    pub(super) async fn access_token(
        &self,
        http: &Client,
        timeout: Duration,
        now_ms: u64,
    ) -> Result<String, Failed> {
        let mut kept = self.token.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| now_ms + MARGIN_MS < token.ends_at_ms) {
            return Ok(token.text.clone());
        }
        let form = format!("{FORM}{}", self.jwt(now_ms)?);
        let request = http.post(&self.token_uri).timeout(timeout).header(CONTENT_TYPE, FORM_TYPE).body(form);
        let response = request.send().await.map_err(|error| unanswered(&error))?;
        let status = response.status();
        let body = read(response).await?;
        let granted = serde_json::from_slice::<Granted>(&body).ok().filter(|_| status.is_success());
        // Whatever it is, it is of the account and not of this push.
        let granted = granted.ok_or_else(|| Failed::later(detail(status, "no access token")))?;
        let ends_at_ms = now_ms.saturating_add(granted.expires_in.saturating_mul(1000));
        *kept = Some(Token { text: granted.access_token.clone(), ends_at_ms });
        Ok(granted.access_token)
    }

    /// Lets go of a token that was refused.
    pub(super) fn forget(&self, token: &str) {
        // Somebody who fetches at this moment replaces it anyway.
        if let Ok(mut kept) = self.token.try_lock()
            && kept.as_ref().is_some_and(|kept| kept.text == token)
        {
            *kept = None;
        }
    }

    fn jwt(&self, now_ms: u64) -> Result<String, Failed> {
        let now_s = seconds(now_ms);
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.key_id });
        let claims = json!({
            "iss": self.email,
            "scope": SCOPE,
            "aud": self.token_uri,
            "iat": now_s,
            "exp": now_s + JWT_S,
        });
        let part = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| Failed::later("the system gives no randomness"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_account_is_refused_without_repeating_it() {
        let account = json!({
            "project_id": "p",
            "private_key_id": "k",
            "private_key": "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n",
            "client_email": "a@b",
            "token_uri": "http://x",
        });
        for bad in ["", "{}", &account.to_string()] {
            let error = Account::parse(bad).err().unwrap().to_string();
            assert!(error.contains("fcm.service_account") && !error.contains("c2VjcmV0"), "{error}");
        }
    }
}
