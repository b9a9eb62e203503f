//! Looks after the addresses of the upstreams that have a path for it.

use futures::future::join_all;
use http::{Request, header};
use http_body_util::Empty;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::balance::Member;
use super::client::{Client, client};
use super::{Origin, Origins};

/// Checks every address of every upstream until dropped.
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
    let Some(path) = &origin.config.health_path else {
        return;
    };
    let client = client(origin.config.connect_timeout());
    let mut ticks = interval(origin.config.health_every());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let checks = origin.balance.members().iter().map(|member| check(origin, &client, member, path));
        join_all(checks).await;
    }
}

async fn check(origin: &Origin, client: &Client, member: &Member, path: &str) {
    let host = origin.config.host.as_deref().unwrap_or(&member.address);
    let request = Request::get(format!("http://{}{path}", member.address))
        .header(header::HOST, host)
        .header(header::USER_AGENT, "vitrina-health")
        .body(Empty::new());
    let is_well = match request {
        Ok(request) => {
            // An answer that is slower than the next check is none.
            let answer = timeout(origin.config.health_every(), client.request(request)).await;
            matches!(answer, Ok(Ok(answer)) if answer.status().is_success() || answer.status().is_redirection())
        }
        Err(_) => false,
    };
    if is_well {
        member.check_passed();
    } else {
        member.check_failed();
    }
}
