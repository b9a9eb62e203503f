//! RFC 9211: The Cache-Status HTTP Response Header Field.

use super::{case, check, get, method};

const FRESH: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_2_what_the_cache_did() {
    check(vec![
        case(
            "9211, 2.1",
            "hit: the request was satisfied by the cache; ttl: its remaining freshness",
            [
                get().fetches(FRESH, "one"),
                get().gets(200, "one").has("cache-status: vitrina; hit; ttl=…").eventually(),
            ],
        ),
        case(
            "9211, 2.2",
            "uri-miss: nothing stored matches the request URI",
            [get().fetches(FRESH, "one").has("cache-status: vitrina; fwd=uri-miss; fwd-status=200; stored")],
        ),
        case(
            "9211, 2.2",
            "vary-miss: the URI matches, not the fields that Vary names",
            [
                get().asks("x-a: 1").fetches(&["cache-control: max-age=60", "vary: x-a"], "one"),
                get()
                    .asks("x-a: 2")
                    .fetches(&["cache-control: max-age=60", "vary: x-a"], "two")
                    .has("cache-status: vitrina; fwd=vary-miss; fwd-status=200; stored"),
            ],
        ),
        case(
            "9211, 2.2",
            "stale: a response was selected, but it was stale",
            [
                get().fetches(&["cache-control: max-age=0", "etag: \"1\""], "one"),
                get().validates(FRESH, "one").has("cache-status: vitrina; fwd=stale; fwd-status=304; stored"),
            ],
        ),
        case(
            "9211, 2.2",
            "request: fresh, but the request's semantics did not allow its use",
            [
                get().fetches(FRESH, "one"),
                get()
                    .asks("cache-control: no-cache")
                    .validates(FRESH, "one")
                    .has("cache-status: vitrina; fwd=request; fwd-status=304; stored"),
            ],
        ),
        case(
            "9211, 2.2",
            "method: the request method's semantics require the request to be forwarded",
            [method("POST").upstream(200, &[], "done").has("cache-status: vitrina; fwd=method")],
        ),
        case(
            "9211, 2.2",
            "miss: what was stored is not there any more",
            [
                get().fetches(FRESH, "one"),
                method("PUT").upstream(200, &[], "done").status(200),
                get().fetches(FRESH, "two").has("cache-status: vitrina; fwd=miss; fwd-status=200; stored"),
            ],
        ),
        case(
            "9211, 2.5",
            "stored is not said of what is not",
            [get()
                .fetches(&["cache-control: no-store"], "one")
                .has("cache-status: vitrina; fwd=uri-miss; fwd-status=200")],
        ),
        case(
            "9211, 2",
            "a cache appends its member: the first is the closest to the origin",
            [
                get()
                    .fetches(&["cache-control: max-age=60", "cache-status: Origin; hit"], "one")
                    .has("cache-status: Origin; hit")
                    .has("cache-status: vitrina; fwd=uri-miss…"),
                get()
                    .gets(200, "one")
                    .has("cache-status: Origin; hit")
                    .has("cache-status: vitrina; hit…")
                    .eventually(),
            ],
        ),
    ])
    .await;
}
