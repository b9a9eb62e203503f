//! How a long work tells how far it is: a bar on a terminal, or a line now and then beside a running shop's log.

use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

/// Steps between two lines.
const LINE_EVERY: u64 = 10;

/// Tells how far a work is, on standard error.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    done: AtomicU64,
    all: u64,
}

impl Progress {
    /// A bar; it draws nothing when standard error is no terminal.
    pub(super) fn bar(all: u64) -> Progress {
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
        let bar = ProgressBar::new(all);
        let bar = match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        };
        Progress { bar: Some(bar), done: AtomicU64::new(0), all }
    }

    /// Lines.
    pub(super) fn lines(all: u64) -> Progress {
        Progress { bar: None, done: AtomicU64::new(0), all }
    }

    /// One more is done.
    pub(super) fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => bar.inc(1),
            None if done.is_multiple_of(LINE_EVERY) && done < self.all => {
                eprintln!("demo: {done} of {}", self.all);
            }
            None => {}
        }
    }

    /// What is being done from now on.
    pub(super) fn say(&self, what: &'static str) {
        match &self.bar {
            Some(bar) => bar.set_message(what),
            None => eprintln!("demo: {what}"),
        }
    }

    /// Nothing more comes.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
