//! The driver: takes up whatever is owed and due, whoever left it. It is the only thing that has to run for every saga to end.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::MissedTickBehavior;
use vitrina_chassis::CancellationToken;

use super::App;
use crate::error::Error;
use crate::store;

/// Rows of each kind that are taken up before the clock is asked again.
const AT_ONCE: usize = 100;
/// What is worked on at the same time; most of it waits for others.
const PARALLEL: usize = 16;

impl App {
    /// Looks after what is owed until it is told to stop; then ends the streams and returns.
    pub(crate) async fn drive(self: Arc<Self>, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Duration::from_millis(self.config.drive_interval_ms.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = tick.tick() => {}
                () = self.wake.notified() => {}
            }
            // A step that is cut off is unknown, and made again after the next start.
            tokio::select! {
                () = stop.cancelled() => break,
                done = self.round() => if let Err(error) = done {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "what is owed cannot be looked after, it is tried again"
                    );
                },
            }
        }
        self.stop.cancel();
    }

    /// Takes up what is due now.
    async fn round(&self) -> Result<(), Error> {
        let now_ms = self.clock.now_ms();
        let checkouts = store::checkouts_due(&self.store, now_ms, AT_ONCE)?;
        stream::iter(checkouts)
            .for_each_concurrent(PARALLEL, |id| async move {
                let done = self.drive_checkout(id).await.map(drop);
                logged("a checkout", &id, done);
            })
            .await;
        let payments = store::lookups_due(&self.store, now_ms, AT_ONCE)?;
        stream::iter(payments)
            .for_each_concurrent(PARALLEL, |payment| async move {
                let done = self.look_up_payment(&payment).await;
                logged("a look-up", &payment, done);
            })
            .await;
        let orders = store::orders_due(&self.store, now_ms, AT_ONCE)?;
        stream::iter(orders)
            .for_each_concurrent(PARALLEL, |id| async move {
                let done = self.advance(id).await;
                logged("an order", &id, done);
            })
            .await;
        self.forget_carts(AT_ONCE).await
    }
}

fn logged(what: &str, id: &impl std::fmt::Display, done: Result<(), Error>) {
    if let Err(error) = done {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(what, %id, error, "it does not go on, it is tried again");
    }
}
