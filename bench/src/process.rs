//! What a running process has used, as Linux tells in `/proc`.

use anyhow::{Context, Result};

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
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mb = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
        let kib: f64 = line.trim_start_matches(':').trim().trim_end_matches(" kB").parse()?;
        anyhow::Ok(kib * 1_024.0 / 1e6)
    };
    Ok(Memory { all_mb: mb("VmRSS")?, anonymous_mb: mb("RssAnon")? })
}
