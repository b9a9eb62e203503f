//! Installs the servers and tools that the tests start by themselves.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::steps;

/// A program that a test starts, and Debian's package of it.
struct Need {
    program: &'static str,
    package: &'static str,
}

const NEEDS: [Need; 6] = [
    Need { program: "curl", package: "curl" },
    Need { program: "jq", package: "jq" },
    Need { program: "node", package: "nodejs" },
    Need { program: "npm", package: "npm" },
    Need { program: "rabbitmq-server", package: "rabbitmq-server" },
    Need { program: "strace", package: "strace" },
];

/// Where Debian puts programs; `sbin` is not on every user's path.
const FOLDERS: [&str; 4] = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Installs what is missing by apt-get.
///
/// # Errors
/// When something is missing and can't be installed; the message names the packages.
pub(crate) fn install() -> Result<()> {
    let mut missing: Vec<&str> =
        NEEDS.iter().filter(|need| !is_there(need.program)).map(|need| need.package).collect();
    if !has_venv() {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    if !is_there("apt-get") {
        bail!("the tests need these programs, please install them: {}", missing.join(", "));
    }
    steps::run("package lists", apt(&["update", "--quiet"]))?;
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(&missing);
    steps::run("packages", apt(&arguments))?;
    // Debian starts the server at installation; the tests start their own on free ports.
    if missing.contains(&"rabbitmq-server") && Path::new("/run/systemd/system").exists() {
        steps::run("no shared broker", {
            let mut stop = Command::new("systemctl");
            stop.args(["disable", "--now", "rabbitmq-server"]);
            stop
        })?;
    }
    Ok(())
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// Whether Python can make an environment of its own; Debian's `python3` alone cannot.
fn has_venv() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import ensurepip, venv"]).stderr(Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

fn is_there(program: &str) -> bool {
    FOLDERS.iter().any(|folder| Path::new(folder).join(program).is_file())
}
