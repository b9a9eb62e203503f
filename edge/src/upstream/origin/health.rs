//! The question to an address how it is: asked all the time where a path is configured for it, and while an address is
//! ejected or the breaker of its upstream open.

use std::time::Duration;

use futures::future::join_all;
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::balance::Member;
use super::client::Client;
use super::{Origin, Origins, url};
use crate::config::HttpUpstream;

/// For one answer where nothing is configured.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How an address is asked.
#[derive(Debug)]
pub(crate) struct Checker {
    client: Client,
    config: HttpUpstream,
    timeout: Duration,
}

impl Checker {
    pub(crate) fn new(config: &HttpUpstream, client: Client) -> Self {
        Self {
            client,
            config: config.clone(),
            // An answer that is slower than the next check is none.
            timeout: if config.health_path.is_some() { config.health_every() } else { TIMEOUT },
        }
    }

    /// Whether an address is well. With a path for it: when that is answered by 2xx or 3xx. Without: when `OPTIONS`, which
    /// changes nothing (RFC 9110, 9.3.7), is answered by whatever is no gateway's failure. That a connection can be made
    /// says little: the system takes it for a server that hangs.
    pub(crate) async fn is_well(&self, address: &str) -> bool {
        let config = &self.config;
        let (method, path) = match &config.health_path {
            Some(path) => (Method::GET, path),
            None => (Method::OPTIONS, &config.path_prefix),
        };
        let request = Request::builder()
            .method(method)
            .uri(url(config, address, path))
            .header(header::HOST, config.host.as_deref().unwrap_or(address))
            .header(header::USER_AGENT, "vitrina-health")
            .body(Empty::new());
        let Ok(request) = request else {
            return false;
        };
        match timeout(self.timeout, self.client.request(request)).await {
            Ok(Ok(answer)) if config.health_path.is_some() => {
                answer.status().is_success() || answer.status().is_redirection()
            }
            Ok(Ok(answer)) => !matches!(
                answer.status(),
                StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
            ),
            Ok(Err(_)) | Err(_) => false,
        }
    }
}

/// Checks every address of every upstream that has a path for it, until dropped.
pub(crate) async fn keep_watch(origins: &Origins) {
    loop {
        let list = origins.list();
        let watch_all = async {
            join_all(list.iter().map(|origin| watch(origin))).await;
            // None of them has a path for it.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = watch_all => {}
            () = origins.changed() => {}
        }
    }
}

async fn watch(origin: &Origin) {
    if origin.config.health_path.is_none() {
        return;
    }
    let mut ticks = interval(origin.config.health_every());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        join_all(origin.balance.members().iter().map(Member::check)).await;
    }
}
