//! The lines of the access log, written in groups.
//!
//! A server of cached answers writes tens of thousands of lines a second. One `write` each would cost as much as the answer,
//! and a slow reader of standard error would hold up clients. So these lines gather in memory and a thread writes them, at
//! the latest after `FLUSH_EVERY`; what does not fit is counted and left out. A process that is killed loses the lines
//! of that time; [`Telemetry::shutdown`](crate::Telemetry::shutdown) loses none.

use std::io::{self, Write as _};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

use crate::LogFormat;

/// The target of the lines.
pub const TARGET: &str = "vitrina_edge::access";

/// How long a line waits.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// Bytes from which on the writer is woken at once.
const FLUSH_BYTES: usize = 64 * 1024;

/// Bytes that may wait: some seconds of a busy edge.
const BYTES_MAX: usize = 8 * 1024 * 1024;

static LINES: OnceLock<Lines> = OnceLock::new();

#[derive(Debug)]
struct Lines {
    format: LogFormat,
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    left_out: u64,
}

/// How lines look, when they are written at all: telemetry was started and its filter lets them pass.
pub fn format() -> Option<LogFormat> {
    let lines = LINES.get()?;
    tracing::enabled!(target: TARGET, tracing::Level::INFO).then_some(lines.format)
}

/// Hands over a whole line with its end.
pub fn write(line: &[u8]) {
    let Some(lines) = LINES.get() else {
        return;
    };
    let mut waiting = lines.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if waiting.bytes.len() + line.len() > BYTES_MAX {
        waiting.left_out += 1;
        return;
    }
    let before = waiting.bytes.len();
    waiting.bytes.extend_from_slice(line);
    if before < FLUSH_BYTES && waiting.bytes.len() >= FLUSH_BYTES {
        lines.news.notify_one();
    }
}

/// Starts the writer; of no effect the second time.
pub(crate) fn start(format: LogFormat) {
    let fresh = Lines { format, waiting: Mutex::default(), news: Condvar::new() };
    if LINES.set(fresh).is_ok() {
        // Without the thread, lines are written at the end and past the bound left out.
        let _ = std::thread::Builder::new().name("access-log".to_owned()).spawn(keep_writing);
    }
}

/// Writes what waits.
pub(crate) fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(&mut Vec::new());
    }
}

fn keep_writing() {
    let Some(lines) = LINES.get() else {
        return;
    };
    let mut spare = Vec::with_capacity(FLUSH_BYTES);
    loop {
        let waiting = lines.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let woken =
            lines.news.wait_timeout_while(waiting, FLUSH_EVERY, |waiting| waiting.bytes.len() < FLUSH_BYTES);
        drop(woken);
        lines.flush(&mut spare);
    }
}

impl Lines {
    fn flush(&self, spare: &mut Vec<u8>) {
        spare.clear();
        let left_out = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut waiting.bytes, spare);
            std::mem::take(&mut waiting.left_out)
        };
        if !spare.is_empty() {
            // Nobody is left to tell that standard error is gone.
            let _ = io::stderr().write_all(spare);
        }
        if left_out > 0 {
            tracing::warn!(left_out, "lines of the access log were left out");
        }
    }
}

/// Where log lines go: those of the access log to the group, all others to standard error at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writers;

/// One line on its way.
#[derive(Debug)]
pub(crate) enum Writer {
    Access(Vec<u8>),
    Direct(io::Stderr),
}

impl<'w> MakeWriter<'w> for Writers {
    type Writer = Writer;

    fn make_writer(&'w self) -> Writer {
        Writer::Direct(io::stderr())
    }

    fn make_writer_for(&'w self, meta: &Metadata<'_>) -> Writer {
        if meta.target() == TARGET { Writer::Access(Vec::with_capacity(512)) } else { self.make_writer() }
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Access(line) => line.write(bytes),
            Self::Direct(stderr) => stderr.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Self::Access(line) = self {
            write(line);
        }
    }
}
