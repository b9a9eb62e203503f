//! The way of commits to the commit thread. Bounds are checked here, so that a commit that is too large costs the others of
//! its group nothing.

use std::collections::VecDeque;

use tracing::{Instrument, info_span};

use crate::commit::{Commit, CommitSeq};
use crate::error::Error;
use crate::store::Store;

/// Rows and bytes that are handed over at once: half of what a group takes, so that other callers get into the same one.
const REQUEST_ROWS_MAX: usize = 4 * 1024;
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Store {
    /// Writes a commit. `Ok` means that all of it is on disk; an empty commit is so at once.
    ///
    /// Once it has been handed to the commit thread, dropping the future does not take it back.
    ///
    /// # Errors
    /// [`Error::Conflict`] when an expectation does not hold, [`Error::TooLarge`], [`Error::ReadOnly`], [`Error::Closed`]:
    /// nothing was written. [`Error::Io`]: unknown.
    pub async fn commit(&self, commit: Commit) -> Result<CommitSeq, Error> {
        if commit.is_empty() {
            return Ok(CommitSeq(self.shared().view.head().commit_seq));
        }
        commit.check_bounds()?;
        let (rows, bytes) = commit.size();
        let span = info_span!("storage.commit", rows, bytes, messages = commit.messages.len());
        self.submit(vec![commit]).instrument(span).await?.pop().unwrap_or(Err(Error::Closed))
    }

    /// Writes several commits in their order; gives the outcome of each. Each of them holds or fails by itself, exactly as if
    /// it had been given to [`Store::commit`], but they share what a commit costs beside its rows: many small ones cost
    /// little more than one.
    ///
    /// What has been handed to the commit thread is not taken back by dropping the future.
    ///
    /// # Errors
    /// Those of [`Store::commit`], for each. One that fails does not keep those behind it from being written.
    pub async fn commit_all(&self, commits: Vec<Commit>) -> Vec<Result<CommitSeq, Error>> {
        let none = CommitSeq(self.shared().view.head().commit_seq);
        let mut outcomes: Vec<_> =
            commits.iter().map(|commit| commit.check_bounds().map(|()| none)).collect();
        let mut waiting: VecDeque<(usize, Commit)> = commits.into_iter().enumerate().collect();
        waiting.retain(|(place, _)| outcomes[*place].is_ok());
        while !waiting.is_empty() {
            let (mut request, mut places) = (Vec::new(), Vec::new());
            let (mut rows, mut bytes) = (0, 0);
            while rows < REQUEST_ROWS_MAX
                && bytes < REQUEST_BYTES_MAX
                && let Some((place, commit)) = waiting.pop_front()
            {
                let size = commit.size();
                (rows, bytes) = (rows + size.0, bytes + size.1);
                request.push(commit);
                places.push(place);
            }
            let span = info_span!("storage.commit", rows, bytes, commits = request.len());
            match self.submit(request).instrument(span).await {
                Ok(answers) => places.into_iter().zip(answers).for_each(|(at, answer)| outcomes[at] = answer),
                Err(error) => places.into_iter().for_each(|at| outcomes[at] = Err(error.clone())),
            }
        }
        outcomes
    }

    async fn submit(&self, commits: Vec<Commit>) -> Result<Vec<Result<CommitSeq, Error>>, Error> {
        self.hand_over(commits).await?.await.map_err(|_| Error::Closed)
    }
}
