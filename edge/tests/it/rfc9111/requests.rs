//! RFC 9111, section 5.2.1: Cache-Control Request Directives, and 5.4: Pragma.

use super::{case, check, get};

const FRESH: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_5_2_1_request_directives() {
    check(vec![
        case(
            "5.2.1.1",
            "max-age: prefers a response whose age is less than or equal to that",
            [
                get().fetches(&["cache-control: max-age=600", "age: 100", "etag: \"1\""], "one"),
                get().asks("cache-control: max-age=400").gets(200, "one"),
                get().asks("cache-control: max-age=50").sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.1.1",
            "unless max-stale is present, no stale response",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-while-revalidate=600", "age: 2", "etag: \"1\""],
                    "one",
                ),
                get().asks("cache-control: max-age=100").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.1.2",
            "max-stale: accepts a response that exceeded its lifetime by no more",
            [
                get().fetches(&["cache-control: max-age=10", "age: 100", "etag: \"1\""], "one"),
                get().asks("cache-control: max-stale=1000").gets(200, "one").has("age: 1…"),
                get().asks("cache-control: max-stale=10").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.1.2",
            "max-stale without a value: however stale",
            [
                get().fetches(&["cache-control: max-age=10", "age: 1000", "etag: \"1\""], "one"),
                get().asks("cache-control: max-stale").gets(200, "one"),
            ],
        ),
        case(
            "5.2.1.2",
            "max-stale does not override must-revalidate",
            [
                get().fetches(
                    &["cache-control: max-age=10, must-revalidate", "age: 100", "etag: \"1\""],
                    "one",
                ),
                get().asks("cache-control: max-stale").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.1.3",
            "min-fresh: a response that will still be fresh for that long",
            [
                get().fetches(&["cache-control: max-age=600", "etag: \"1\""], "one"),
                get().asks("cache-control: min-fresh=100").gets(200, "one"),
                get().asks("cache-control: min-fresh=700").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.1.4",
            "no-cache: prefers stored responses not be used without successful validation",
            [
                get().fetches(FRESH, "one"),
                get()
                    .asks("cache-control: no-cache")
                    .sees("if-none-match: \"1\"")
                    .validates(FRESH, "one")
                    .has("cache-status: vitrina; fwd=request; fwd-status=304…"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "5.2.1.5",
            "no-store: MUST NOT store any part of this request or any response to it",
            [
                get().asks("cache-control: no-store").fetches(FRESH, "one"),
                get().fetches(FRESH, "two"),
                get().gets(200, "two"),
            ],
        ),
        case(
            "5.2.1.6",
            "no-transform: what is stored is given as it came",
            [
                get().fetches(&["cache-control: max-age=60", "content-type: text/plain"], "one"),
                get()
                    .asks("cache-control: no-transform")
                    .asks("accept-encoding: gzip")
                    .gets(200, "one")
                    .has("!content-encoding"),
            ],
        ),
        case(
            "5.2.1.7",
            "only-if-cached: a stored response, or 504 (Gateway Timeout)",
            [
                get().asks("cache-control: only-if-cached").status(504),
                get().fetches(FRESH, "one"),
                get().asks("cache-control: only-if-cached").gets(200, "one"),
                get().asks("cache-control: only-if-cached, max-age=0, no-cache").status(504),
            ],
        ),
        case(
            "5.2.3",
            "a cache MUST ignore unrecognized cache directives",
            [
                get().fetches(FRESH, "one"),
                get().asks("cache-control: fancy=\"no-store, no-cache\", x").gets(200, "one"),
            ],
        ),
        case(
            "5.2",
            "several lines are one list",
            [
                get().fetches(FRESH, "one"),
                get()
                    .asks("cache-control: max-stale=5")
                    .asks("cache-control: NO-CACHE")
                    .validates(FRESH, "one"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_4_pragma() {
    check(vec![
        case(
            "5.4",
            "Pragma: no-cache is treated as Cache-Control: no-cache when that is absent",
            [get().fetches(FRESH, "one"), get().asks("pragma: no-cache").validates(FRESH, "one")],
        ),
        case(
            "5.4",
            "and is ignored when Cache-Control is present",
            [
                get().fetches(FRESH, "one"),
                get().asks("pragma: no-cache").asks("cache-control: max-age=1000").gets(200, "one"),
            ],
        ),
        case(
            "5.4",
            "its meaning in a response is unspecified",
            [
                get().fetches(&["pragma: no-cache", "cache-control: max-age=60"], "one"),
                get().gets(200, "one"),
            ],
        ),
    ])
    .await;
}
