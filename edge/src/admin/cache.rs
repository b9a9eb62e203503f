//! `/admin/cache`: what is kept and how well it serves; `/admin/cache/purge` drops some or all of it.

use axum::extract::{Json, State};
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};

use super::{Shared, Topic, refusal};
use crate::cache;

/// Answers shown.
const TOP_SHOWN: usize = 20;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CacheView {
    enabled: bool,
    /// Answers and what leads to them.
    entries: usize,
    bytes: u64,
    bytes_max: u64,
    /// Parts of pages, beside the answers.
    fragment_bytes: u64,
    hits: u64,
    misses: u64,
    /// 0 to 1; 0 before the first request.
    hit_ratio: f64,
    evictions: u64,
    /// Answers that are being made now.
    filling: usize,
    /// Those that were served most often since they were stored.
    top: Vec<EntryView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryView {
    path: String,
    hits: u64,
    bytes: u64,
    age_s: u64,
    /// Negative when it is stale.
    ttl_s: i64,
}

/// One of the three.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Purge {
    /// Such as `product:prd_…`.
    tag: Option<String>,
    /// Of the path, such as `/v1/pages/`.
    prefix: Option<String>,
    all: Option<bool>,
}

#[derive(Serialize)]
struct Purged {
    /// Answers that were dropped; absent where they are not counted, since a tag is not looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<usize>,
}

pub(super) fn routes() -> Topic {
    Topic::new().route("/admin/cache", get(view)).route("/admin/cache/purge", post(purge))
}

async fn view(State(core): Shared) -> Json<CacheView> {
    let cache = &core.cache;
    let now_ms = cache::now_ms();
    let (hits, misses) = cache.counts.totals();
    let top = cache.store.top(TOP_SHOWN).into_iter().map(|entry| EntryView {
        path: entry.path.to_string(),
        hits: entry.hits(),
        bytes: entry.weight(),
        age_s: entry.terms.age_s(now_ms),
        ttl_s: entry.terms.ttl_s(now_ms),
    });
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let hit_ratio = hits as f64 / (hits + misses).max(1) as f64;
    Json(CacheView {
        enabled: core.config().cache.enabled,
        entries: cache.store.len(),
        bytes: cache.store.bytes(),
        bytes_max: cache.store.bytes_max(),
        fragment_bytes: cache.fragments.bytes(),
        hits,
        misses,
        hit_ratio,
        evictions: cache.store.evictions(),
        filling: core.fills.len(),
        top: top.collect(),
    })
}

async fn purge(State(core): Shared, Json(purge): Json<Purge>) -> Result<Json<Purged>, Response> {
    let dropped = match purge {
        Purge { tag: Some(tag), prefix: None, all: None } => {
            tracing::info!(tag, "the cache is purged");
            core.invalidate([tag.as_str()]);
            None
        }
        Purge { tag: None, prefix: Some(prefix), all: None } => {
            tracing::info!(prefix, "the cache is purged");
            Some(core.cache.purge_prefix(&prefix))
        }
        Purge { tag: None, prefix: None, all: Some(true) } => {
            tracing::info!("the cache is purged");
            let entries = core.cache.store.len();
            core.cache.purge_all();
            Some(entries)
        }
        Purge { .. } => {
            return Err(refusal(400, "invalid_input", "Give one of `tag`, `prefix` and `\"all\": true`."));
        }
    };
    Ok(Json(Purged { dropped }))
}
