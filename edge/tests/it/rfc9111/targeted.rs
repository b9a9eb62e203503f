//! RFC 9213: Targeted HTTP Cache Control, by the field `CDN-Cache-Control`.

use super::{case, check, get};

const FRESH: &[&str] = &["cache-control: max-age=60", "etag: \"1\""];

#[tokio::test(flavor = "multi_thread")]
async fn section_2_and_3_targeted_cache_control() {
    check(vec![
        case(
            "9213, 2.2",
            "a targeted field with a valid, non-empty value is used instead of Cache-Control",
            [
                get().fetches(&["cdn-cache-control: max-age=60", "cache-control: no-store"], "one"),
                get().gets(200, "one").has("cache-control: no-store"),
            ],
        ),
        case(
            "9213, 2.2",
            "Cache-Control and Expires are then ignored",
            [
                get().fetches(
                    &[
                        "cdn-cache-control: no-store",
                        "cache-control: max-age=60",
                        "date: {now}",
                        "expires: {now+60}",
                    ],
                    "one",
                ),
                get().fetches(FRESH, "two"),
            ],
        ),
        case(
            "9213, 2.1",
            "a field that cannot be parsed is ignored as if it were not there",
            [
                get().fetches(&["cdn-cache-control: Max Age!", "cache-control: max-age=60"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "9213, 2.1",
            "an empty value says nothing",
            [
                get().fetches(&["cdn-cache-control:", "cache-control: max-age=60"], "one"),
                get().gets(200, "one"),
            ],
        ),
        case(
            "9213, 3.1",
            "it is passed on for further CDNs",
            [
                get().fetches(&["cdn-cache-control: max-age=60"], "one").has("cdn-cache-control: max-age=60"),
                get().gets(200, "one").has("cdn-cache-control: max-age=60"),
            ],
        ),
    ])
    .await;
}
