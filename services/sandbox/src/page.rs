//! The frame of pages for people, and the forms they send back.

use axum::response::Html;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #ddd;padding:.3rem .6rem;text-align:left;\
vertical-align:top}button{font:inherit;padding:.3rem .8rem}pre{white-space:pre-wrap;margin:0}";

/// A page with this body, which must be HTML already.
pub(crate) fn shell(title: &str, body: &str) -> Html<String> {
    let title = escape(title);
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style><h1>{title}</h1>{body}</html>"
    ))
}

/// Text as HTML, also within quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

/// The fields of a form (`application/x-www-form-urlencoded`); `None` if one that is needed is absent.
pub(crate) fn form<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    // A form has the syntax of a query, for which there is a parser already.
    let mut url = Url::parse("http://form/").ok()?;
    url.set_query(Some(std::str::from_utf8(body).ok()?));
    let fields: Map<String, Value> = url
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    serde_json::from_value(Value::Object(fields)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read() {
        let fields: Option<Map<String, Value>> = form(b"a=1+2&b=%26");
        let fields = fields.unwrap();
        assert_eq!((fields["a"].as_str(), fields["b"].as_str()), (Some("1 2"), Some("&")));
    }

    #[test]
    fn markup_is_shown_not_run() {
        assert_eq!(escape("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
    }
}
