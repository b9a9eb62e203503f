//! The thread on which pictures are read and made.
//!
//! One for the whole service: a decoding takes up to `decode_bytes_max`, so no two may run at once, and an allocator keeps what
//! was freed for the thread that freed it, so one thread needs the memory once where a pool would need it once a thread. It makes
//! some tens of pictures a second; who needs more runs a second process of the service. It ends with the service.

use std::panic::AssertUnwindSafe;

use tokio::sync::{mpsc, oneshot};

use crate::picture::Unfit;

/// Jobs that wait. No more uploads than that are let in, so this only keeps the queue from being without a bound.
const JOBS_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts the thread. When the system has none left, every picture is answered as if the thread had ended.
    pub(super) fn start() -> Worker {
        let (jobs, mut queue) = mpsc::channel::<Job>(JOBS_MAX);
        let work = move || {
            while let Some(job) = queue.blocking_recv() {
                // The sender of the answer goes with the job, which tells the one who waits.
                if std::panic::catch_unwind(AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a picture made its decoder panic");
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("pictures".to_owned()).spawn(work) {
            tracing::error!(%error, "the thread for pictures does not start");
        }
        Worker { jobs }
    }

    /// Does a job on the thread. When the one who waits is gone before its turn, it is not done.
    ///
    /// # Errors
    /// What the job says; [`Unfit::Damaged`] when it panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Unfit> + Send + 'static,
    ) -> Result<T, Unfit> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move || {
            if !answer.is_closed() {
                // When nobody waits any more after it, the result was for nothing.
                answer.send(job()).ok();
            }
        });
        self.jobs.send(job).await.ok();
        answered.await.unwrap_or(Err(Unfit::Damaged("its content does not decode")))
    }
}
