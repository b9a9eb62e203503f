//! What a running process has used, as Linux tells in `/proc`, and which processor it runs on.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Clock ticks a second of `/proc/PID/stat`, the same on every Linux of today.
const TICKS_A_SECOND: f64 = 100.0;

/// The memory of a process that is in RAM, in MB (10^6 bytes).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it: what `ps` calls RSS.
    pub all_mb: f64,
    /// What the process has allocated; the rest are pages of files that the system can drop at any time.
    pub anonymous_mb: f64,
}

/// CPU time of a process and its children so far, user and system, in seconds.
///
/// # Errors
/// When the process is not there.
pub fn cpu_s(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the numbers begin after it.
    let fields: Vec<&str> =
        stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
    let mut total = (ticks(11) + ticks(12)) / TICKS_A_SECOND;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace() {
            total += cpu_s(child.parse()?)?;
        }
    }
    Ok(total)
}

/// How much memory a process has now, without its children.
///
/// # Errors
/// When the process is not there.
pub fn memory(pid: u32) -> Result<Memory> {
    Ok(Memory { all_mb: status_mb(pid, "VmRSS")?, anonymous_mb: status_mb(pid, "RssAnon")? })
}

/// A line of `/proc/PID/status` in MB.
fn status_mb(pid: u32, name: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1_024.0 / 1e6)
}

/// The most memory that a process has had in RAM since this was made.
#[derive(Debug)]
pub struct Peak {
    pid: u32,
}

impl Peak {
    /// From now on.
    ///
    /// # Errors
    /// When the process is not there or is not ours.
    pub fn of(pid: u32) -> Result<Self> {
        // Linux then forgets the peak so far: proc(5).
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
        Ok(Self { pid })
    }

    /// So far, in MB (10^6 bytes).
    ///
    /// # Errors
    /// When the process is not there.
    pub fn mb(&self) -> Result<f64> {
        status_mb(self.pid, "VmHWM")
    }
}

/// The words in front of a command with which it runs on one processor only.
pub fn on_processor(number: usize) -> Vec<String> {
    vec!["taskset".to_owned(), "-c".to_owned(), number.to_string()]
}

/// Keeps this process to one processor, with the threads that it has now and those that these start.
///
/// # Errors
/// When `taskset` is not there or there is no such processor.
pub fn keep_to(processor: usize) -> Result<()> {
    let (processor, pid) = (processor.to_string(), std::process::id().to_string());
    let done = Command::new("taskset").args(["-a", "-c", "-p", &processor, &pid]).output()?;
    ensure!(done.status.success(), "taskset: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
