//! The same policy for generated answers: what an rpc of the contract gives is stored and asked for as anything else.

use http::Method;
use vitrina_proto::publications::v1::{ListQuestionsRequest, QuestionList};

use super::check_lines;
use crate::support::{LIMIT, Shop};

const RPC: &str = "vitrina.publications.v1.Publications/ListQuestions";

/// What a client asks once an answer is stored.
struct Row {
    section: &'static str,
    says: &'static str,
    method: Method,
    asks: &'static [(&'static str, &'static str)],
    status: u16,
    /// Whether the store answers; else the service is called again.
    is_stored: bool,
    has: &'static [&'static str],
}

const GET: Row = Row {
    section: "4",
    says: "a stored response is reused while it is fresh",
    method: Method::GET,
    asks: &[],
    status: 200,
    is_stored: true,
    has: &[
        "cache-status: vitrina; hit…",
        "age: …",
        "vary: accept-encoding",
        "cache-control: public, max-age=30…",
    ],
};

#[tokio::test(flavor = "multi_thread")]
async fn generated_answers_go_by_the_same_policy() {
    let rows = [
        GET,
        Row { section: "4", says: "HEAD is satisfied by a stored GET", method: Method::HEAD, ..GET },
        Row {
            section: "4.3.2",
            says: "If-None-Match is evaluated against the stored response",
            asks: &[("if-none-match", "*")],
            status: 304,
            has: &["age: …", "etag: …"],
            ..GET
        },
        Row {
            section: "4.3.2",
            says: "another entity tag: the whole",
            asks: &[("if-none-match", "\"other\"")],
            ..GET
        },
        Row {
            section: "9110, 14.2",
            says: "a part of a stored response",
            asks: &[("range", "bytes=0-0")],
            status: 206,
            has: &["content-range: bytes 0-0/…", "content-length: 1"],
            ..GET
        },
        Row {
            section: "9110, 15.5.17",
            says: "no part of it",
            asks: &[("range", "bytes=99999-")],
            status: 416,
            has: &["content-range: bytes */…"],
            ..GET
        },
        Row {
            section: "5.2.1.1",
            says: "max-age: an age of no more than that",
            asks: &[("cache-control", "max-age=20")],
            ..GET
        },
        Row {
            section: "5.2.1.3",
            says: "min-fresh: not fresh for long enough",
            asks: &[("cache-control", "min-fresh=60")],
            is_stored: false,
            has: &["cache-status: vitrina; fwd=request…"],
            ..GET
        },
        Row {
            section: "5.2.1.4",
            says: "no-cache: not without asking",
            asks: &[("cache-control", "no-cache")],
            is_stored: false,
            has: &["cache-status: vitrina; fwd=request…"],
            ..GET
        },
        Row {
            section: "5.2.1.7",
            says: "only-if-cached: what is stored",
            asks: &[("cache-control", "only-if-cached")],
            ..GET
        },
        Row {
            section: "5.2.3",
            says: "unrecognized directives are ignored",
            asks: &[("cache-control", "fancy=\"no-cache\"")],
            ..GET
        },
        Row {
            section: "5.4",
            says: "Pragma: no-cache counts as Cache-Control: no-cache",
            asks: &[("pragma", "no-cache")],
            is_stored: false,
            has: &["cache-status: vitrina; fwd=request…"],
            ..GET
        },
    ];
    let shop = Shop::open().await;
    shop.scripts.on(RPC, |_: ListQuestionsRequest| Ok(QuestionList::default()));
    let mut failures = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        if let Err(what) = check(&shop, index, row).await {
            failures.push(format!("{} “{}”: {what}", row.section, row.says));
        }
    }
    let unstored = shop.http.get(shop.url("/v1/publications/pub_new/questions"));
    let unstored = unstored.header("cache-control", "only-if-cached").send().await.unwrap();
    if unstored.status() != 504 {
        failures.push(format!("5.2.1.7 “only-if-cached: 504 when nothing is stored”: {}", unstored.status()));
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

async fn check(shop: &Shop, index: usize, row: &Row) -> Result<(), String> {
    let url = shop.url(&format!("/v1/publications/pub_{index}/questions"));
    // An answer is in the store before it goes to whoever waited for it.
    let first = shop.http.get(&url).timeout(LIMIT).send().await.map_err(|error| error.to_string())?;
    if first.status() != 200 {
        return Err(format!("the first answer was {}", first.status()));
    }
    let before = shop.scripts.seen(RPC).len();
    let mut request = shop.http.request(row.method.clone(), &url).timeout(LIMIT);
    for (name, value) in row.asks {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let called = shop.scripts.seen(RPC).len() - before;
    if answer.status() != row.status {
        return Err(format!("status {} instead of {}", answer.status(), row.status));
    }
    if called != usize::from(!row.is_stored) {
        return Err(format!("the service was called {called} times: {:?}", answer.headers()));
    }
    check_lines(answer.headers(), row.has, "the answer")
}
