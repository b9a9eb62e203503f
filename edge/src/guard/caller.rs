//! Who calls, as the services are told.

use std::sync::Arc;

use http::header;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};

use super::token::Claims;
use crate::reply::Problem;
use crate::request::Head;

/// Longest cart token looked at.
const CART_TOKEN_BYTES_MAX: usize = 255;

/// Longest language tag passed on.
const LANGUAGE_BYTES_MAX: usize = 35;

/// The caller of a request, verified.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    claims: Option<Arc<Claims>>,
    is_seller: bool,
    cart_token: Option<String>,
}

impl Caller {
    pub(super) fn new(claims: Option<Arc<Claims>>, is_seller: bool, cart_token: Option<String>) -> Self {
        Self { claims, is_seller, cart_token }
    }

    /// Nobody in particular.
    pub(crate) fn guest() -> Self {
        Self::new(None, false, None)
    }

    /// What the caller's requests are counted by: the user, else the address.
    pub(crate) fn bucket(&self, head: &Head) -> String {
        match &self.claims {
            Some(claims) => claims.user.clone(),
            None => head.client.to_string(),
        }
    }

    /// The user's id; `None` for guests.
    pub(crate) fn user(&self) -> Option<&str> {
        self.claims.as_ref().map(|claims| claims.user.as_str())
    }

    /// The metadata that tells a service who calls.
    pub(crate) fn metadata(&self, head: &Head) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        if let Some(claims) = &self.claims {
            set(&mut metadata, "x-vitrina-user", &claims.user);
            set(&mut metadata, "x-vitrina-session", &claims.session);
            let mut roles: Vec<&str> = claims.roles.iter().map(String::as_str).collect();
            if self.is_seller && !roles.contains(&"seller") {
                roles.push("seller");
            }
            if !roles.is_empty() {
                set(&mut metadata, "x-vitrina-roles", &roles.join(","));
            }
        }
        if let Some(token) = &self.cart_token {
            set(&mut metadata, "x-vitrina-cart-token", token);
        }
        set(&mut metadata, "x-vitrina-request-id", &head.request_id);
        if let Some(language) = language(head) {
            set(&mut metadata, "x-vitrina-language", language);
        }
        metadata
    }
}

/// Sets a value unless it is no header value, which verified ones always are.
pub(crate) fn set(metadata: &mut MetadataMap, name: &'static str, value: &str) {
    if let Ok(value) = value.parse::<MetadataValue<Ascii>>() {
        metadata.insert(name, value);
    }
}

/// The token of the `Authorization` header; `None` without the header.
pub(super) fn bearer(head: &Head) -> Result<Option<&str>, Problem> {
    let mut values = head.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let token = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match token {
        Some(token) if !token.is_empty() && values.next().is_none() => Ok(Some(token)),
        _ => Err(super::refused("token_invalid", "Authorization must be `Bearer` and one access token.")),
    }
}

pub(super) fn cart_token(head: &Head) -> Option<String> {
    head.text("x-cart-token")
        .filter(|token| (1..=CART_TOKEN_BYTES_MAX).contains(&token.len()))
        .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
}

/// The language that the client likes best, such as `es-AR`.
fn language(head: &Head) -> Option<&str> {
    let first = head.text(header::ACCEPT_LANGUAGE)?.split([',', ';']).next()?.trim();
    let is_tag = !first.is_empty()
        && first.len() <= LANGUAGE_BYTES_MAX
        && first.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    is_tag.then_some(first)
}
