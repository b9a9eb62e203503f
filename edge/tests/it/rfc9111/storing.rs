//! RFC 9111, section 3: Storing Responses in Caches.

use super::{case, check, check_with, get, method};

const FRESH: &[&str] = &["cache-control: max-age=60"];

#[tokio::test(flavor = "multi_thread")]
async fn section_3_what_may_be_stored() {
    check(vec![
        case(
            "3",
            "the request method is understood by the cache",
            [
                method("POST").upstream(200, FRESH, "posted"),
                get().fetches(FRESH, "got"),
                get().gets(200, "got"),
                method("PROPFIND").upstream(200, FRESH, "found"),
            ],
        ),
        case(
            "3",
            "the no-store cache directive is not present in the response",
            [get().fetches(&["cache-control: no-store, max-age=60"], "one"), get().fetches(FRESH, "two")],
        ),
        case(
            "3",
            "the private response directive is not present",
            [get().fetches(&["cache-control: private, max-age=60"], "one"), get().fetches(FRESH, "two")],
        ),
        case(
            "3",
            "the response contains a max-age response directive",
            [get().fetches(FRESH, "one"), get().gets(200, "one")],
        ),
        case(
            "3",
            "the response contains an s-maxage response directive and the cache is shared",
            [get().fetches(&["cache-control: s-maxage=60"], "one"), get().gets(200, "one")],
        ),
        case(
            "3",
            "the response contains an Expires header field",
            [get().fetches(&["date: {now}", "expires: {now+60}"], "one"), get().gets(200, "one")],
        ),
        case(
            "3",
            "the response contains a public response directive",
            [
                get().fetches(&["cache-control: public", "last-modified: {now-1000}", "date: {now}"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "3",
            "a status code that is defined as heuristically cacheable",
            [
                get().upstream(404, &["last-modified: {now-1000}", "date: {now}"], "gone").gets(404, "gone"),
                get().gets(404, "gone"),
            ],
        ),
        case(
            "3",
            "none of these: not stored",
            [
                get().upstream(403, &["last-modified: {now-1000}"], "one").gets(403, "one"),
                get().upstream(403, &[], "two").gets(403, "two"),
            ],
        ),
        case(
            "3",
            "an explicit time makes an answer of any final status storable",
            [get().upstream(403, FRESH, "no").gets(403, "no"), get().gets(403, "no")],
        ),
        case(
            "3",
            "a redirection with an explicit time is stored with its status",
            [
                get()
                    .upstream(302, &["cache-control: max-age=60", "location: /old/elsewhere"], "")
                    .gets(302, ""),
                get().gets(302, "").has("location: /old/elsewhere"),
            ],
        ),
        case(
            "3",
            "if the response status code is 206: the cache understands it, or it is not stored",
            [
                get()
                    .asks("range: bytes=0-1")
                    .upstream(206, &["cache-control: max-age=60", "content-range: bytes 0-1/4"], "on")
                    .gets(206, "on"),
                get().fetches(FRESH, "ones"),
            ],
        ),
        case(
            "3",
            "a response without a body is stored as well",
            [get().upstream(204, FRESH, "").gets(204, ""), get().gets(204, "").has("!content-length")],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_1_header_and_trailer_fields() {
    check(vec![
        case(
            "3.1",
            "all received response header fields, including unrecognized ones",
            [
                get().fetches(&["cache-control: max-age=60", "x-unknown: 1", "x-unknown: 2"], "one"),
                get()
                    .gets(200, "one")
                    .has("x-unknown: 1")
                    .has("x-unknown: 2")
                    .has("cache-control: max-age=60"),
            ],
        ),
        case(
            "3.1",
            "the Connection header field and fields whose names are listed in it are not stored",
            [
                get().fetches(&["cache-control: max-age=60", "connection: x-hop", "x-hop: 1"], "one"),
                get().gets(200, "one").has("!x-hop"),
            ],
        ),
        case(
            "3.1",
            "proxy fields are for the proxy alone",
            [
                get().fetches(&["cache-control: max-age=60", "proxy-authenticate: Basic"], "one"),
                get().gets(200, "one").has("!proxy-authenticate"),
            ],
        ),
        case(
            "7.3",
            "Set-Cookie does not inhibit caching where the answer says that it is for all",
            [
                get().fetches(&["cache-control: public, max-age=60", "set-cookie: a=b"], "one"),
                get().gets(200, "one").has("set-cookie: a=b"),
            ],
        ),
        case(
            "7.3",
            "an answer that sets a cookie for one client is not given to another",
            [
                get().fetches(&["cache-control: max-age=60", "set-cookie: a=b"], "one"),
                get().fetches(&["cache-control: max-age=60", "set-cookie: a=c"], "two"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_2_updating_stored_header_fields() {
    const STALE: &[&str] = &["cache-control: max-age=0", "etag: \"1\"", "x-a: old", "x-b: kept"];
    check(vec![
        case(
            "3.2",
            "add each header field in the provided response, replacing values already present",
            [
                get().fetches(STALE, "one"),
                get().validates(
                    &["cache-control: max-age=60", "etag: \"1\"", "x-a: new", "x-c: added"],
                    "one",
                ),
                get().gets(200, "one").has("x-a: new").has("x-b: kept").has("x-c: added"),
            ],
        ),
        case(
            "3.2",
            "except what describes the content that is stored",
            [
                get().fetches(
                    &[
                        "cache-control: max-age=0",
                        "etag: \"1\"",
                        "content-type: text/plain",
                        "content-encoding: x",
                    ],
                    "one",
                ),
                get().validates(
                    &["cache-control: max-age=60", "etag: \"1\"", "content-type: a/b", "content-encoding: y"],
                    "one",
                ),
                get()
                    .gets(200, "one")
                    .has("content-type: text/plain")
                    .has("content-encoding: x")
                    .has("content-length: 3"),
            ],
        ),
        case(
            "3.2",
            "except Connection and the fields that it lists",
            [
                get().fetches(STALE, "one"),
                get().validates(&["cache-control: max-age=60", "connection: x-a", "x-a: new"], "one"),
                get().gets(200, "one").has("x-a: old"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_3_and_3_4_incomplete_and_partial_responses() {
    check(vec![case(
        "3.4",
        "a cache that does not support Range does not store 206",
        [
            get()
                .asks("range: bytes=0-1")
                .upstream(206, &["cache-control: max-age=60", "content-range: bytes 0-1/6"], "ab")
                .gets(206, "ab"),
            get()
                .asks("range: bytes=2-3")
                .upstream(206, &["cache-control: max-age=60", "content-range: bytes 2-3/6"], "cd")
                .gets(206, "cd"),
        ],
    )])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_3_5_authenticated_requests() {
    let as_ana = || get().asks("authorization: Basic YW5h");
    check(vec![
        case(
            "3.5",
            "a shared cache MUST NOT use a response to a request with Authorization",
            [as_ana().fetches(FRESH, "ana's"), get().fetches(FRESH, "everybody's")],
        ),
        case(
            "3.5",
            "unless the response allows it: public",
            [as_ana().fetches(&["cache-control: public, max-age=60"], "one"), get().gets(200, "one")],
        ),
        case(
            "3.5",
            "unless the response allows it: s-maxage",
            [as_ana().fetches(&["cache-control: s-maxage=60"], "one"), get().gets(200, "one")],
        ),
        case(
            "3.5",
            "unless the response allows it: must-revalidate",
            [
                as_ana().fetches(&["cache-control: must-revalidate, max-age=60"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "3.5",
            "what anybody got may be given to who is authorized",
            [get().fetches(FRESH, "one"), as_ana().gets(200, "one")],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_passes_and_is_not_stored() {
    let cases = vec![case(
        "3",
        "a cache may have a bound on what it stores",
        [get().fetches(FRESH, "eleven byte"), get().fetches(FRESH, "eleven more")],
    )];
    check_with(cases, |upstream| upstream.object_bytes_max = 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stored_where_the_cache_is_off() {
    let cases = vec![case(
        "3",
        "storing is optional",
        [get().fetches(FRESH, "one").has("cache-status: vitrina; fwd=bypass"), get().fetches(FRESH, "two")],
    )];
    check_with(cases, |upstream| upstream.cache = false).await;
}
