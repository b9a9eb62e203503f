//! Turns: what is done about one order or checkout in this process is done by one at a time.
//!
//! Correctness does not rest on it, since every commit expects what was read; it keeps calls to others from being made twice at
//! once, and from overtaking each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Who is at it. Only what is waited for or worked on has an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    lines: Arc<Mutex<HashMap<[u8; 16], Arc<Semaphore>>>>,
}

/// A turn; over when dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    id: [u8; 16],
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for the turn. May be cancelled.
    pub(crate) async fn take(&self, id: [u8; 16]) -> Turn {
        let line = {
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(lines.entry(id).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        let mut turn = Turn { turns: self.clone(), id, permit: None };
        // Nobody closes a line, so a permit always comes.
        turn.permit = line.acquire_owned().await.ok();
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        let mut lines = self.turns.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits holds the line too; the last one takes it away.
        if lines.get(&self.id).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_are_taken_one_by_one_and_leave_nothing_behind() {
        let turns = Turns::default();
        let first = turns.take([1; 16]).await;
        let other = turns.take([2; 16]).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { drop(turns.take([1; 16]).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop((first, other));
        waiting.await.unwrap();
        assert!(turns.lines.lock().unwrap().is_empty());
    }
}
