//! WatchOrder: the moves of an order, those so far and those to come.
//!
//! A stream reads the order whenever it is said to have moved, and gives what it has not given yet. So it misses nothing, even
//! when it was too slow for what was said.

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tonic::Status;
use vitrina_chassis::{Call, CancellationToken};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::Store;

use super::App;
use crate::error::Error;
use crate::model::OrderId;
use crate::{store, wire};

/// The moves of an order.
pub(crate) type Moves = Pin<Box<dyn Stream<Item = Result<pb::OrderMove, Status>> + Send>>;

struct Watch {
    store: Store,
    id: OrderId,
    given: usize,
    moved: broadcast::Receiver<OrderId>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl App {
    /// The moves of an order of which the caller is a party.
    pub(crate) fn watch_order(&self, call: &Call<pb::OrderRequest>) -> Result<Moves, Error> {
        // Before the order is read, so that no move falls in between.
        let moved = self.moved.subscribe();
        let (id, _, _) = self.party_order(&call.caller, &call.request.id)?;
        let permit = Arc::clone(&self.watchers).try_acquire_owned().map_err(|_| Error::TooManyWatch)?;
        let watch = Watch {
            store: self.store.clone(),
            id,
            given: 0,
            moved,
            stop: self.stop.clone(),
            _permit: permit,
        };
        let batches = stream::unfold(watch, |mut watch| async move {
            let moves = watch.next().await?;
            Some((stream::iter(moves.into_iter().map(Ok)), watch))
        });
        Ok(Box::pin(batches.flatten()))
    }
}

impl Watch {
    /// The next moves; `None`: the service goes down, or the order cannot be read, and the client comes again.
    async fn next(&mut self) -> Option<Vec<pb::OrderMove>> {
        loop {
            let order = store::order(&self.store, self.id).ok()??.value;
            if order.moves.len() > self.given {
                let moves = order.moves[self.given..].iter().map(wire::moved).collect();
                self.given = order.moves.len();
                return Some(moves);
            }
            loop {
                tokio::select! {
                    () = self.stop.cancelled() => return None,
                    moved = self.moved.recv() => match moved {
                        Ok(id) if id != self.id => {}
                        Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                }
            }
        }
    }
}
