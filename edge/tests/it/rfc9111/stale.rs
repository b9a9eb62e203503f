//! RFC 5861: HTTP Cache-Control Extensions for Stale Content.

use std::time::Duration;

use super::{case, check, get};
use crate::origin::{Origin, answer, behind};
use crate::support::LIMIT;

const FRESH: &[&str] = &["cache-control: max-age=60", "etag: \"2\""];
const SWR: &[&str] = &["cache-control: max-age=1, stale-while-revalidate=600", "age: 2", "etag: \"1\""];
const SIE: &[&str] = &["cache-control: max-age=1, stale-if-error=600", "age: 2", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_3_stale_while_revalidate() {
    check(vec![
        case(
            "5861, 3",
            "caches MAY serve the response after it becomes stale, and SHOULD revalidate it",
            [
                get().fetches(SWR, "one"),
                get()
                    .gets(200, "one")
                    .then_refreshes(200, FRESH, "two")
                    .has("cache-status: vitrina; hit; ttl=-…"),
                get().gets(200, "two").eventually(),
            ],
        ),
        case(
            "5861, 3",
            "a revalidation by 304 makes it fresh again",
            [
                get().fetches(SWR, "one"),
                get().gets(200, "one").then_refreshes(304, &["cache-control: max-age=60", "x-a: 1"], ""),
                get().gets(200, "one").has("x-a: 1").eventually(),
            ],
        ),
        case(
            "5861, 3",
            "up to the indicated number of seconds",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-while-revalidate=10", "age: 12", "etag: \"1\""],
                    "one",
                ),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "5861, 3",
            "the client waits for no part of it: its conditions and ranges hold",
            [
                get().fetches(SWR, "one"),
                get().asks("range: bytes=0-0").gets(206, "o").then_refreshes(200, FRESH, "two"),
                get().gets(200, "two").eventually(),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_stale_if_error() {
    let by_status = [500, 502, 503, 504].map(|status| {
        case(
            "5861, 4",
            "when an error is encountered, a cached stale response MAY be used",
            [
                get().fetches(SIE, "one"),
                get()
                    .upstream(status, &[], "oops")
                    .gets(200, "one")
                    .has("cache-status: vitrina; fwd=stale; fwd-status=5…"),
                get().upstream(status, &[], "oops").gets(200, "one"),
                get().fetches(FRESH, "two"),
            ],
        )
    });
    check(by_status.into()).await;
    check(vec![
        case(
            "5861, 4",
            "an error is any situation that would result in a 500, 502, 503 or 504",
            [get().fetches(SIE, "one"), get().upstream(404, &[], "gone").gets(404, "gone")],
        ),
        case(
            "5861, 4",
            "a 501 is none",
            [get().fetches(SIE, "one"), get().upstream(501, &[], "never").gets(501, "never")],
        ),
        case(
            "5861, 4",
            "for no longer than the indicated number of seconds",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-if-error=10", "age: 12", "etag: \"1\""],
                    "one",
                ),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
    ])
    .await;
}

/// What happens when the server is gone altogether.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_is_an_error_too() {
    let origin = Origin::start().await;
    origin.on(|seen| {
        let control = match seen.target.as_str() {
            "/old/sie" => "max-age=1, stale-if-error=600",
            "/old/must" => "max-age=1, must-revalidate",
            _ => "max-age=1",
        };
        answer(200, &[("cache-control", control), ("age", "2"), ("etag", "\"1\"")], "one")
    });
    let shop = behind(vitrina_edge::HttpUpstream { cache: true, ..origin.upstream() }).await;
    for path in ["/old/sie", "/old/must", "/old/plain"] {
        assert_eq!(shop.get(path).await.text().await.unwrap(), "one");
    }
    drop(origin);
    let gone = async {
        while shop.get("/old/plain").await.status() != 502 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
    let stale = shop.get("/old/sie").await;
    assert_eq!(stale.headers()["cache-status"], "vitrina; fwd=stale; detail=stale-if-error");
    assert_eq!(stale.text().await.unwrap(), "one");
    // RFC 9111, 5.2.2.2: if disconnected, an error response, 504 above all, rather than the stale response.
    assert_eq!(shop.get("/old/must").await.status(), 504);
}
