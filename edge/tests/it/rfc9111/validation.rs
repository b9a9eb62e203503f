//! RFC 9111, section 4.3: Validation.

use super::{case, check, get, method};

const FRESH: &[&str] = &["cache-control: max-age=60"];
const FRESH_TAGGED: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];
const STALE_TAGGED: &[&str] = &["cache-control: max-age=0", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_4_3_1_sending_a_validation_request() {
    check(vec![
        case(
            "4.3.1",
            "If-None-Match with the entity tag of the stored response",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().sees("if-none-match: \"1\"").sees("!if-modified-since").validates(FRESH_TAGGED, "one"),
            ],
        ),
        case(
            "4.3.1",
            "If-Modified-Since with the Last-Modified value",
            [
                get().fetches(
                    &["cache-control: max-age=0", "last-modified: Tue, 15 Nov 1994 12:45:26 GMT"],
                    "one",
                ),
                get().sees("if-modified-since: Tue, 15 Nov 1994 12:45:26 GMT").validates(FRESH, "one"),
            ],
        ),
        case(
            "4.3.1",
            "both when both are there",
            [
                get().fetches(
                    &[
                        "cache-control: max-age=0",
                        "etag: W/\"1\"",
                        "last-modified: Tue, 15 Nov 1994 12:45:26 GMT",
                    ],
                    "one",
                ),
                get()
                    .sees("if-none-match: W/\"1\"")
                    .sees("if-modified-since: Tue, 15 Nov 1994 12:45:26 GMT")
                    .validates(FRESH, "one"),
            ],
        ),
        case(
            "4.3.1",
            "the cache's own conditions, not those of one of its clients",
            [
                get().fetches(STALE_TAGGED, "one"),
                get()
                    .asks("if-none-match: \"other\"")
                    .asks("range: bytes=0-0")
                    .sees("if-none-match: \"1\"")
                    .sees("!range")
                    .upstream(304, FRESH_TAGGED, "")
                    .gets(206, "o"),
            ],
        ),
        case(
            "4.3.1",
            "a stored response without a validator cannot be validated",
            [
                get().fetches(&["cache-control: max-age=1, stale-if-error=9", "age: 2"], "one"),
                get().sees("!if-none-match").sees("!if-modified-since").fetches(FRESH, "two"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_3_2_handling_a_received_validation_request() {
    const DATED: &[&str] = &["cache-control: max-age=60", "last-modified: Tue, 15 Nov 1994 12:45:26 GMT"];
    check(vec![
        case(
            "4.3.2",
            "a fresh response is evaluated against If-None-Match: 304",
            [
                get().fetches(FRESH_TAGGED, "one"),
                get()
                    .asks("if-none-match: \"0\", \"1\"")
                    .gets(304, "")
                    .has("etag: \"1\"")
                    .has("cache-control: max-age=60"),
                get().asks("if-none-match: W/\"1\"").gets(304, ""),
                get().asks("if-none-match: *").gets(304, ""),
                get().asks("if-none-match: \"2\"").gets(200, "one"),
            ],
        ),
        case(
            "4.3.2",
            "If-Modified-Since is evaluated against Last-Modified",
            [
                get().fetches(DATED, "one"),
                get().asks("if-modified-since: Tue, 15 Nov 1994 12:45:26 GMT").gets(304, ""),
                get().asks("if-modified-since: Tue, 15 Nov 1994 12:45:25 GMT").gets(200, "one"),
                get().asks("if-modified-since: yesterday").gets(200, "one"),
            ],
        ),
        case(
            "4.3.2",
            "If-Modified-Since is ignored when If-None-Match is there",
            [
                get().fetches(
                    &[
                        "cache-control: max-age=60",
                        "etag: \"1\"",
                        "last-modified: Tue, 15 Nov 1994 12:45:26 GMT",
                    ],
                    "one",
                ),
                get()
                    .asks("if-none-match: \"2\"")
                    .asks("if-modified-since: Tue, 15 Nov 1994 12:45:26 GMT")
                    .gets(200, "one"),
            ],
        ),
        case(
            "4.3.2",
            "If-Modified-Since is evaluated against Date where there is no Last-Modified",
            [
                get().fetches(&["cache-control: max-age=60", "date: {now}"], "one"),
                get().asks("if-modified-since: {now+60}").gets(304, ""),
                get().asks("if-modified-since: {now-60}").gets(200, "one"),
            ],
        ),
        case(
            "4.3.2",
            "MUST NOT evaluate conditions that only apply to an origin server: If-Match",
            [
                get().fetches(FRESH_TAGGED, "one"),
                get()
                    .asks("if-match: \"2\"")
                    .sees("if-match: \"2\"")
                    .upstream(412, &[], "no")
                    .gets(412, "no"),
            ],
        ),
        case(
            "4.3.2",
            "MUST NOT evaluate If-Unmodified-Since",
            [get()
                .asks("if-unmodified-since: Tue, 15 Nov 1994 12:45:26 GMT")
                .sees("if-unmodified-since: Tue, 15 Nov 1994 12:45:26 GMT")
                .upstream(412, &[], "no")
                .gets(412, "no")],
        ),
        case(
            "4.3.2",
            "a condition of a client is answered from what was fetched for all",
            [
                get()
                    .asks("if-none-match: \"1\"")
                    .sees("!if-none-match")
                    .upstream(200, FRESH_TAGGED, "one")
                    .gets(304, ""),
                get().gets(200, "one").eventually(),
            ],
        ),
        case(
            "4.3.2",
            "If-Range: the part when the validator matches, else the whole",
            [
                get().fetches(FRESH_TAGGED, "one"),
                get()
                    .asks("range: bytes=1-")
                    .asks("if-range: \"1\"")
                    .gets(206, "ne")
                    .has("content-range: bytes 1-2/3"),
                get().asks("range: bytes=1-").asks("if-range: \"2\"").gets(200, "one"),
                get().asks("range: bytes=1-").asks("if-range: W/\"1\"").gets(200, "one"),
            ],
        ),
        case(
            "4.3.2",
            "a condition is for a response that would be a 200",
            [
                get().upstream(404, FRESH_TAGGED, "gone").gets(404, "gone"),
                get().asks("if-none-match: \"1\"").gets(404, "gone"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn range_and_head_are_answered_from_what_is_stored() {
    check(vec![
        case(
            "9110, 14.2",
            "a part of a stored response",
            [
                get().fetches(FRESH, "0123456789"),
                get()
                    .asks("range: bytes=2-4")
                    .gets(206, "234")
                    .has("content-range: bytes 2-4/10")
                    .has("content-length: 3"),
                get().asks("range: bytes=-2").gets(206, "89").has("content-range: bytes 8-9/10"),
                get().asks("range: bytes=7-").gets(206, "789"),
                get().asks("range: bytes=9-99").gets(206, "9"),
            ],
        ),
        case(
            "9110, 15.5.17",
            "no part of it: 416 with the length",
            [
                get().fetches(FRESH, "0123456789"),
                get().asks("range: bytes=10-").gets(416, "").has("content-range: bytes */10"),
            ],
        ),
        case(
            "9110, 14.2",
            "a server MAY ignore the Range header field",
            [
                get().fetches(FRESH, "0123456789"),
                get().asks("range: bytes=0-0,2-2").gets(200, "0123456789"),
                get().asks("range: pages=1").gets(200, "0123456789"),
            ],
        ),
        case(
            "9110, 14.2",
            "a server MUST ignore a Range with a method other than GET",
            [
                get().fetches(FRESH, "0123456789"),
                method("HEAD").asks("range: bytes=2-4").gets(200, "").has("content-length: 10"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_3_3_handling_a_validation_response() {
    check(vec![
        case(
            "4.3.3",
            "a 304 response status code indicates that the stored response can be updated and reused",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().validates(FRESH_TAGGED, "one").has("cache-status: vitrina; fwd=stale; fwd-status=304…"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.3.3",
            "a full response: MUST use it, and MAY replace the stored response",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().fetches(&["cache-control: max-age=60", "etag: \"2\""], "two"),
                get().gets(200, "two"),
            ],
        ),
        case(
            "4.3.3",
            "a 5xx (Server Error): either forward it, or act as if the server failed to respond",
            [get().fetches(STALE_TAGGED, "one"), get().upstream(500, &[], "oops").gets(500, "oops")],
        ),
        case(
            "4.3.3",
            "in the latter case send a stored response, subject to its constraints",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-if-error=60", "age: 2", "etag: \"1\""],
                    "one",
                ),
                get().upstream(500, &[], "oops").gets(200, "one"),
                get().validates(FRESH_TAGGED, "one"),
            ],
        ),
        case(
            "4.3.3",
            "a client's own condition is met by what was validated: 304",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().asks("if-none-match: \"1\"").upstream(304, FRESH_TAGGED, "").gets(304, ""),
                get().gets(200, "one"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_3_4_freshening_stored_responses_upon_validation() {
    check(vec![
        case(
            "4.3.4",
            "a strong validator selects the responses with the same strong validator",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().validates(&["cache-control: max-age=60", "etag: \"1\"", "x-a: 1"], "one").has("x-a: 1"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.3.4",
            "a weak validator selects the most recent of those responses",
            [
                get().fetches(&["cache-control: max-age=0", "etag: W/\"1\""], "one"),
                get().validates(&["cache-control: max-age=60", "etag: W/\"1\""], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.3.4",
            "no validator in the 304 and one stored response: that one",
            [
                get().fetches(
                    &["cache-control: max-age=0", "last-modified: Tue, 15 Nov 1994 12:45:26 GMT"],
                    "one",
                ),
                get().validates(FRESH, "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.3.4",
            "the age of the 304 counts",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().validates(&["cache-control: max-age=60", "age: 61"], "one"),
                get().validates(FRESH_TAGGED, "one"),
            ],
        ),
        case(
            "4.3.4",
            "what may no longer be stored is given once more",
            [
                get().fetches(STALE_TAGGED, "one"),
                get().validates(&["cache-control: no-store"], "one"),
                get().sees("!if-none-match").fetches(FRESH, "two"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_3_5_freshening_responses_with_head() {
    check(vec![
        case(
            "4.3.5",
            "a HEAD that tells the same validator updates the stored response",
            [
                get().fetches(STALE_TAGGED, "one"),
                method("HEAD")
                    .upstream(
                        200,
                        &["cache-control: max-age=60", "etag: \"1\"", "content-length: 3", "x-a: 1"],
                        "",
                    )
                    .status(200),
                get().gets(200, "one").has("x-a: 1"),
            ],
        ),
        case(
            "4.3.5",
            "if the values differ: consider the stored response to be stale",
            [
                get().fetches(STALE_TAGGED, "one"),
                method("HEAD").upstream(200, &["cache-control: max-age=60", "etag: \"2\""], "").status(200),
                get().fetches(FRESH, "two"),
            ],
        ),
    ])
    .await;
}
