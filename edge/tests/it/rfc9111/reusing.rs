//! RFC 9111, section 4 to 4.2: Constructing Responses from Caches, with Vary and freshness.

use super::{case, check, get, method};

const FRESH: &[&str] = &["cache-control: max-age=60"];

#[tokio::test(flavor = "multi_thread")]
async fn section_4_constructing_responses_from_caches() {
    check(vec![
        case(
            "4",
            "the presented target URI and that of the stored response match",
            [
                get().fetches(FRESH, "one"),
                get().below("?q=1").fetches(FRESH, "two"),
                get().below("?q=2").fetches(FRESH, "three"),
                get().below("?q=1").gets(200, "two"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4",
            "the request method associated with the stored response allows it to be used",
            [
                get().fetches(&["cache-control: max-age=60", "x-a: 1"], "one"),
                method("HEAD").gets(200, "").has("content-length: 3").has("x-a: 1"),
                method("OPTIONS").upstream(200, &[], "options").gets(200, "options"),
            ],
        ),
        case(
            "4",
            "a cache MUST generate an Age header field, replacing any present",
            [
                get()
                    .fetches(&["cache-control: max-age=600", "age: 100", "date: {now}"], "one")
                    .has("age: 100"),
                get().gets(200, "one").has("age: 1…"),
            ],
        ),
        case(
            "4",
            "a cache MUST write through requests with methods that are unsafe",
            [
                get().fetches(FRESH, "one"),
                method("PUT").upstream(500, &[], "failed").gets(500, "failed"),
                method("DELETE").upstream(404, &[], "not there").gets(404, "not there"),
                get().gets(200, "one"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_1_calculating_cache_keys_with_the_vary_header_field() {
    const VARY: &[&str] = &["cache-control: max-age=60", "vary: Accept-Language"];
    let spanish = || get().asks("accept-language: es");
    let english = || get().asks("accept-language: en");
    check(vec![
        case(
            "4.1",
            "without revalidation unless all request header fields nominated by Vary match",
            [
                spanish().fetches(VARY, "hola"),
                english().fetches(VARY, "hello"),
                spanish().gets(200, "hola"),
                english().gets(200, "hello"),
            ],
        ),
        case(
            "4.1",
            "if a header field is absent from a request, it can only match if absent in the other",
            [
                get().fetches(VARY, "none"),
                spanish().fetches(VARY, "hola"),
                get().gets(200, "none"),
                get().asks("accept-language:").fetches(VARY, "empty"),
            ],
        ),
        case(
            "4.1",
            "normalize by adding or removing whitespace",
            [
                get().asks("accept-language: es,en").fetches(VARY, "both"),
                get().asks("accept-language: es ,  en").gets(200, "both"),
            ],
        ),
        case(
            "4.1",
            "normalize by combining multiple header field lines with the same field name",
            [
                get().asks("accept-language: es, en").fetches(VARY, "both"),
                get().asks("accept-language: es").asks("accept-language: en").gets(200, "both"),
            ],
        ),
        case(
            "4.1",
            "a Vary header field value containing a member \"*\" always fails to match",
            [get().fetches(&["cache-control: max-age=60", "vary: *"], "one"), get().fetches(FRESH, "two")],
        ),
        case(
            "4.1",
            "all of several fields have to match",
            [
                spanish()
                    .asks("x-a: 1")
                    .fetches(&["cache-control: max-age=60", "vary: accept-language, X-A"], "es1"),
                spanish()
                    .asks("x-a: 2")
                    .fetches(&["cache-control: max-age=60", "vary: accept-language, X-A"], "es2"),
                spanish().asks("x-a: 1").gets(200, "es1"),
            ],
        ),
        case(
            "4.1",
            "fields that Vary does not nominate say nothing",
            [spanish().asks("x-b: 1").fetches(VARY, "hola"), spanish().asks("x-b: 2").gets(200, "hola")],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_1_calculating_freshness_lifetime() {
    check(vec![
        case(
            "4.2.1",
            "if the cache is shared and s-maxage is present, use its value",
            [get().fetches(&["cache-control: max-age=0, s-maxage=60"], "one"), get().gets(200, "one")],
        ),
        case(
            "4.2.1",
            "if max-age is present, use its value",
            [
                get().fetches(&["cache-control: max-age=60", "date: {now}", "expires: {now-60}"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.2.1",
            "if Expires is present, use its value minus that of Date",
            [get().fetches(&["date: {now}", "expires: {now+60}"], "one"), get().gets(200, "one")],
        ),
        case(
            "4.2.1",
            "minus that of Date: the sender's clock may go an hour ahead",
            [
                get().fetches(&["date: {now+3600}", "expires: {now+3590}", "etag: \"1\""], "one"),
                get().sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "4.2.1",
            "an Expires that lies before Date is stale",
            [
                get().fetches(&["date: {now}", "expires: {now-1}", "etag: \"1\""], "one"),
                get().sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "4.2.1",
            "of several values the first is used or the response is stale",
            [
                get().fetches(&["cache-control: max-age=0, max-age=60", "etag: \"1\""], "one"),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.2.1",
            "a response with invalid freshness information is considered stale",
            [
                get().fetches(&["cache-control: max-age=sixty", "etag: \"1\""], "one"),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "1.2.2",
            "a delta-seconds greater than the cache can represent is taken as 2147483648",
            [get().fetches(&["cache-control: max-age=99999999999999999999"], "one"), get().gets(200, "one")],
        ),
        case(
            "5.2",
            "directive names are case-insensitive, and values may be quoted",
            [get().fetches(&["cache-control: MAX-Age=\"60\""], "one"), get().gets(200, "one")],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_2_calculating_heuristic_freshness() {
    check(vec![
        case(
            "4.2.2",
            "a fraction of the time since Last-Modified, typically 10%",
            [get().fetches(&["last-modified: {now-1000}", "date: {now}"], "one"), get().gets(200, "one")],
        ),
        case(
            "4.2.2",
            "the fraction has passed",
            [
                get().fetches(&["last-modified: {now-1000}", "date: {now}", "age: 101"], "one"),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.2.2",
            "MUST NOT use heuristics when an explicit expiration time is present",
            [
                get().fetches(&["last-modified: {now-1000}", "cache-control: max-age=0"], "one"),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.2.2",
            "nothing to go by: no heuristic freshness",
            [
                get().fetches(&["etag: \"1\""], "one"),
                get().sees("if-none-match: \"1\"").validates(FRESH, "one"),
            ],
        ),
        case(
            "4.2.2",
            "a status that is not heuristically cacheable, but marked as public",
            [
                get()
                    .upstream(
                        403,
                        &["cache-control: public", "last-modified: {now-1000}", "date: {now}"],
                        "no",
                    )
                    .gets(403, "no"),
                get().gets(403, "no"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_3_calculating_age() {
    check(vec![
        case(
            "4.2.3",
            "corrected_age_value: the Age value, and the time on the way",
            [
                get().fetches(&["cache-control: max-age=60", "age: 50", "date: {now}"], "one"),
                get().gets(200, "one").has("age: 5…"),
                get().below("?old").fetches(&["cache-control: max-age=60", "age: 60", "etag: \"1\""], "one"),
                get().below("?old").fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.2.3",
            "apparent_age: the time since Date when that is greater",
            [
                get().fetches(&["cache-control: max-age=100", "date: {now-40}"], "one"),
                get().gets(200, "one").has("age: 4…"),
                get()
                    .below("?old")
                    .fetches(&["cache-control: max-age=100", "date: {now-101}", "etag: \"1\""], "x"),
                get().below("?old").fetches(FRESH, "y"),
            ],
        ),
        case(
            "4.2.3",
            "a Date in the future makes no negative age",
            [
                get().fetches(&["cache-control: max-age=100", "date: {now+1000}"], "one"),
                get().gets(200, "one").has("age: …"),
            ],
        ),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_2_4_serving_stale_responses() {
    const STALE: &str = "cache-control: max-age=1, stale-if-error=60";
    check(vec![
        case(
            "4.2.4",
            "MUST NOT generate a stale response unless it is permitted",
            [
                get().fetches(&["cache-control: max-age=1", "age: 2", "etag: \"1\""], "one"),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
        case(
            "4.2.4",
            "permitted by the origin",
            [
                get().fetches(&[STALE, "age: 2"], "one"),
                get().upstream(503, &[], "down").gets(200, "one").has("age: …"),
            ],
        ),
        case(
            "4.2.4",
            "MUST NOT generate a stale response if it is prohibited: must-revalidate",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-if-error=60, must-revalidate", "age: 2"],
                    "one",
                ),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
        case(
            "4.2.4",
            "MUST NOT generate a stale response if it is prohibited: proxy-revalidate",
            [
                get().fetches(
                    &["cache-control: max-age=1, stale-if-error=60, proxy-revalidate", "age: 2"],
                    "one",
                ),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
        case(
            "4.2.4",
            "MUST NOT generate a stale response if it is prohibited: s-maxage",
            [
                get().fetches(&["cache-control: s-maxage=1, stale-if-error=60", "age: 2"], "one"),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
        case(
            "4.2.4",
            "MUST NOT generate a stale response if it is prohibited: no-cache",
            [
                get().fetches(
                    &["cache-control: no-cache, max-age=1, stale-if-error=60", "etag: \"1\""],
                    "one",
                ),
                get().upstream(503, &[], "down").gets(503, "down"),
            ],
        ),
    ])
    .await;
}
