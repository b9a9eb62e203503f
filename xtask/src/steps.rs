//! Runs one step after another and says which one failed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// Runs cargo with `arguments` as the step `name`.
pub(crate) fn cargo(name: &str, arguments: &[&str]) -> Result<()> {
    cargo_with(name, arguments, &[])
}

/// Runs cargo with `arguments` and further environment variables as the step `name`.
pub(crate) fn cargo_with(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(arguments).envs(environment.iter().copied()).current_dir(root());
    run(name, command)
}

/// Runs `command` as the step `name`.
///
/// # Errors
/// When it can't be started or exits with anything but 0.
pub(crate) fn run(name: &str, mut command: Command) -> Result<()> {
    println!("── {name}: {command:?}");
    let started = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("the step {name} could not be started"))?;
    println!("── {name}: {status} after {} s", started.elapsed().as_secs());
    if !status.success() {
        bail!("the step {name} failed");
    }
    Ok(())
}
