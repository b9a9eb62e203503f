//! RFC 9111, sections 5.1 to 5.3 and 5.5: Age, Cache-Control Response Directives, Expires, Warning.

use super::{case, check, get};

const FRESH: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_5_1_age() {
    check(vec![
        case(
            "5.1",
            "presence of an Age header field implies that it was not generated for this request",
            [get().fetches(FRESH, "one").has("!age"), get().gets(200, "one").has("age: …")],
        ),
        case(
            "5.1",
            "a recipient SHOULD use the first member of a list",
            [
                get().fetches(&["cache-control: max-age=60", "age: 70, 1", "etag: \"1\""], "one"),
                get().validates(FRESH, "one"),
            ],
        ),
        case(
            "5.1",
            "if the field value is invalid, a cache SHOULD ignore the field",
            [
                get().fetches(&["cache-control: max-age=60", "age: old"], "one"),
                get().gets(200, "one").has("age: …"),
                get().below("?negative").fetches(&["cache-control: max-age=60", "age: -7"], "one"),
                get().below("?negative").gets(200, "one"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_2_2_response_directives() {
    check(vec![
        case(
            "5.2.2.1",
            "max-age: considered stale after its age is greater than that",
            [
                get().fetches(&["cache-control: max-age=100", "age: 10"], "one"),
                get().gets(200, "one"),
                get().below("?x").fetches(&["cache-control: max-age=10", "age: 100", "etag: \"1\""], "one"),
                get().below("?x").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.2.2",
            "must-revalidate: MUST NOT be reused once stale until it was validated",
            [
                get().fetches(
                    &[
                        "cache-control: max-age=1, must-revalidate, stale-while-revalidate=60",
                        "age: 2",
                        "etag: \"1\"",
                    ],
                    "one",
                ),
                get().sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.2.2",
            "must-revalidate: it may be reused while it is fresh",
            [get().fetches(&["cache-control: max-age=60, must-revalidate"], "one"), get().gets(200, "one")],
        ),
        case(
            "5.2.2.3",
            "must-understand: stored only where the status code is understood",
            [
                get().upstream(299, &["cache-control: max-age=60, must-understand"], "one").status(299),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "5.2.2.3",
            "must-understand: no-store SHOULD be ignored where it is understood",
            [
                get().fetches(&["cache-control: max-age=60, must-understand, no-store"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "5.2.2.4",
            "no-cache: MUST NOT be used without validation",
            [
                get().fetches(&["cache-control: max-age=60, no-cache", "etag: \"1\""], "one"),
                get().sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.2.4",
            "no-cache with field names: those fields are not given without validation",
            [
                get()
                    .fetches(
                        &["cache-control: max-age=60, no-cache=\"x-a, X-B\"", "x-a: 1", "x-b: 2", "x-c: 3"],
                        "one",
                    )
                    .has("x-a: 1"),
                get().gets(200, "one").has("!x-a").has("!x-b").has("x-c: 3"),
            ],
        ),
        case(
            "5.2.2.5",
            "no-store: MUST NOT store any part of it",
            [
                get().fetches(&["cache-control: no-store", "etag: \"1\""], "one"),
                get().sees("!if-none-match").fetches(FRESH, "two"),
            ],
        ),
        case(
            "5.2.2.6",
            "no-transform: MUST NOT transform the content",
            [
                get().fetches(&["cache-control: max-age=60, no-transform", "content-type: text/html"], "one"),
                get().asks("accept-encoding: gzip, br").gets(200, "one").has("!content-encoding"),
            ],
        ),
        case(
            "5.2.2.7",
            "private: a shared cache MUST NOT store it",
            [get().fetches(&["cache-control: private, max-age=60"], "one"), get().fetches(FRESH, "two")],
        ),
        case(
            "5.2.2.7",
            "private with field names: only those fields are limited to one user",
            [
                get()
                    .fetches(&["cache-control: max-age=60, private=\"x-a\"", "x-a: 1", "x-c: 3"], "one")
                    .has("x-a: 1"),
                get().gets(200, "one").has("!x-a").has("x-c: 3"),
            ],
        ),
        case(
            "5.2.2.8",
            "proxy-revalidate: as must-revalidate, for shared caches",
            [
                get().fetches(
                    &[
                        "cache-control: max-age=1, proxy-revalidate, stale-while-revalidate=60",
                        "age: 2",
                        "etag: \"1\"",
                    ],
                    "one",
                ),
                get().validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.2.9",
            "public: a cache MAY store it even if it would otherwise be prohibited",
            [
                get()
                    .asks("authorization: Basic YW5h")
                    .fetches(&["cache-control: public, max-age=60"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "5.2.2.10",
            "s-maxage overrides max-age and Expires for a shared cache",
            [
                get().fetches(
                    &["cache-control: s-maxage=60, max-age=0", "date: {now}", "expires: {now-10}"],
                    "one",
                ),
                get().gets(200, "one"),
                get().below("?x").fetches(&["cache-control: s-maxage=0, max-age=60", "etag: \"1\""], "one"),
                get().below("?x").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.2.10",
            "s-maxage incorporates the semantics of proxy-revalidate",
            [
                get().fetches(
                    &["cache-control: s-maxage=1, stale-while-revalidate=60", "age: 2", "etag: \"1\""],
                    "one",
                ),
                get().validates(FRESH, "one"),
            ],
        ),
        case(
            "5.2.3",
            "a cache MUST ignore unrecognized cache directives",
            [
                get().fetches(&["cache-control: max-age=60, fancy, community=\"no-store\""], "one"),
                get().gets(200, "one"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_3_expires() {
    check(vec![
        case(
            "5.3",
            "the date/time after which the response is considered stale",
            [
                get().fetches(&["date: {now}", "expires: {now+60}"], "one"),
                get().gets(200, "one"),
                get().below("?x").fetches(&["date: {now-60}", "expires: {now-10}", "etag: \"1\""], "one"),
                get().below("?x").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.3",
            "invalid date formats, especially the value \"0\", are in the past",
            [
                get().fetches(&["expires: 0", "etag: \"1\""], "one"),
                get().validates(FRESH, "one"),
                get()
                    .below("?x")
                    .fetches(&["expires: soon", "last-modified: {now-99999}", "etag: \"1\""], "one"),
                get().below("?x").validates(FRESH, "one"),
            ],
        ),
        case(
            "5.3",
            "a recipient MUST ignore Expires if there is max-age or s-maxage",
            [
                get().fetches(&["cache-control: max-age=60", "date: {now}", "expires: {now-60}"], "one"),
                get().gets(200, "one"),
                get().below("?x").fetches(
                    &["cache-control: max-age=0", "date: {now}", "expires: {now+60}", "etag: \"1\""],
                    "x",
                ),
                get().below("?x").validates(FRESH, "x"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_5_5_warning() {
    check(vec![case(
        "5.5",
        "caches SHOULD NOT generate it; what is received may pass",
        [
            get().fetches(
                &["cache-control: max-age=10", "age: 100", "etag: \"1\"", "warning: 199 - \"mine\""],
                "one",
            ),
            get().asks("cache-control: max-stale").gets(200, "one").has("warning: 199 - \"mine\""),
            get().below("?x").fetches(&["cache-control: max-age=10", "age: 100", "etag: \"1\""], "one"),
            get().below("?x").asks("cache-control: max-stale").gets(200, "one").has("!warning"),
        ],
    )])
    .await;
}
