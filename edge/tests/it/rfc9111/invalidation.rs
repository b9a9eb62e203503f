//! RFC 9111, section 4.4: Invalidating Stored Responses.

use super::{Case, case, check, get, method};

const FRESH: &[&str] = &["cache-control: max-age=60"];

fn unsafe_method(name: &str) -> Case {
    case(
        "4.4",
        "MUST invalidate the target URI upon a non-error response to an unsafe method",
        [
            get().fetches(FRESH, "one"),
            method(name).upstream(200, &[], "done").gets(200, "done"),
            get().fetches(FRESH, "two"),
            get().gets(200, "two"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn section_4_4_invalidating_stored_responses() {
    let by_method = ["POST", "PUT", "PATCH", "DELETE", "MOVE"].map(unsafe_method);
    check(Vec::from(by_method)).await;
    check(vec![
        case(
            "4.4",
            "a non-error response is one with a 2xx or 3xx status",
            [
                get().fetches(FRESH, "one"),
                method("POST").upstream(303, &["location: /old/elsewhere"], "").status(303),
                get().fetches(FRESH, "two"),
                method("POST").upstream(400, &[], "no").status(400),
                method("POST").upstream(500, &[], "no").status(500),
                get().gets(200, "two"),
            ],
        ),
        case(
            "4.4",
            "safe methods invalidate nothing",
            [
                get().fetches(FRESH, "one"),
                method("OPTIONS").upstream(200, &[], "").status(200),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.4",
            "every response that varies is invalidated",
            [
                get().asks("x-a: 1").fetches(&["cache-control: max-age=60", "vary: x-a"], "one"),
                get().asks("x-a: 2").fetches(&["cache-control: max-age=60", "vary: x-a"], "two"),
                method("PUT").upstream(204, &[], "").status(204),
                get().asks("x-a: 1").fetches(FRESH, "three"),
            ],
        ),
    ])
    .await;
}

/// These name whole paths, which the table's own paths are: the case's number is the last segment.
#[tokio::test(flavor = "multi_thread")]
async fn section_4_4_other_uris_of_the_same_origin() {
    check(vec![
        case(
            "4.4",
            "MAY invalidate the URI in Location",
            [
                get().fetches(FRESH, "one"),
                method("POST").below("/new").upstream(201, &["location: /old/0"], "made").status(201),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.4",
            "MAY invalidate the URI in Content-Location",
            [
                get().fetches(FRESH, "one"),
                method("POST").below("/new").upstream(200, &["content-location: /old/1"], "done").status(200),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "4.4",
            "MUST NOT trigger an invalidation if the origin differs",
            [
                get().fetches(FRESH, "one"),
                method("POST")
                    .below("/new")
                    .upstream(201, &["location: http://elsewhere.example/old/2"], "made")
                    .status(201),
                get().gets(200, "one"),
            ],
        ),
        case(
            "4.4",
            "an error triggers none",
            [
                get().fetches(FRESH, "one"),
                method("POST").below("/new").upstream(409, &["location: /old/3"], "no").status(409),
                get().gets(200, "one"),
            ],
        ),
    ])
    .await;
}
