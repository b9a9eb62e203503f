//! The rules that no compiler knows.
//!
//! | rule | read from |
//! |---|---|
//! | who may depend on whom | `cargo metadata` |
//! | only one crate names a technology (sled, lapin, pingora, …) | `cargo metadata` |
//! | every service has the same rooms, none of them empty | the folders |
//! | files stay short enough to be read in one go | the sources |
//! | no left-over marks, no bare `allow`, no sleep-and-hope tests | the sources |

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::steps::root;

/// A file longer than this is split by what it answers.
const FILE_LINES_MAX: usize = 500;

/// Crates that a crate of ours may use; what is not listed may use everything.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("vitrina-proto", &[]),
    ("vitrina-storage", &[]),
    ("vitrina-otel", &[]),
    ("vitrina-outgoing", &[]),
    ("vitrina-broker", &["vitrina-proto", "vitrina-storage", "vitrina-otel"]),
    ("vitrina-chassis", &["vitrina-proto", "vitrina-storage", "vitrina-otel", "vitrina-broker"]),
    ("vitrina-users", SERVICE_MAY_USE),
    ("vitrina-products", SERVICE_MAY_USE),
    ("vitrina-publications", SERVICE_MAY_USE),
    ("vitrina-images", SERVICE_MAY_USE),
    ("vitrina-notifications", SERVICE_MAY_USE),
    ("vitrina-orders", SERVICE_MAY_USE),
    ("vitrina-sandbox", &["vitrina-outgoing"]),
    ("vitrina-edge", &["vitrina-proto", "vitrina-otel", "vitrina-broker"]),
];

const SERVICE_MAY_USE: &[&str] = &[
    "vitrina-chassis",
    "vitrina-proto",
    "vitrina-storage",
    "vitrina-otel",
    "vitrina-outgoing",
    "vitrina-broker",
];

/// Technologies and the one crate that may name each.
const OWNERS: [(&str, &str); 6] = [
    ("sled", "vitrina-storage"),
    ("lapin", "vitrina-broker"),
    ("opentelemetry_sdk", "vitrina-otel"),
    ("opentelemetry-otlp", "vitrina-otel"),
    ("pingora-proxy", "vitrina-edge"),
    ("pingora-core", "vitrina-edge"),
];

/// Services and the rooms that each of them has, as a file `room.rs` or a folder `room/`.
const SERVICES: [&str; 6] = ["users", "products", "publications", "images", "notifications", "orders"];
const ROOMS: [&str; 10] =
    ["lib", "config", "model", "keys", "store", "app", "wire", "api", "error", "events"];

/// Words that must not be left in a source, and why. Written in halves so that this file passes.
const WORDS: [(&str, &str); 4] = [
    (concat!("TO", "DO"), "finish it or file it"),
    (concat!("FIX", "ME"), "finish it or file it"),
    (concat!("#[", "ignore"), "a test that does not run is no test"),
    (concat!("#[", "allow("), "use #[expect(lint, reason = \"…\")]"),
];

/// Checks every rule.
///
/// # Errors
/// With every offence, one a line.
pub(crate) fn check() -> Result<()> {
    let mut offences = Vec::new();
    dependencies(&mut offences)?;
    rooms(&mut offences);
    sources(&mut offences)?;
    if offences.is_empty() {
        println!("── tidy: nothing to say");
        return Ok(());
    }
    bail!("tidy:\n  {}", offences.join("\n  "));
}

fn dependencies(offences: &mut Vec<String>) -> Result<()> {
    for (name, uses) in packages()? {
        if let Some((_, allowed)) = MAY_USE.iter().find(|(crate_name, _)| *crate_name == name) {
            let ours = uses.iter().filter(|used| used.starts_with("vitrina-"));
            offences.extend(
                ours.filter(|used| !allowed.contains(&used.as_str()))
                    .map(|used| format!("{name} must not depend on {used}")),
            );
        }
        for (technology, owner) in OWNERS {
            if name != owner && uses.iter().any(|used| used == technology) {
                offences.push(format!("{name} must not name {technology}: that is {owner}'s"));
            }
        }
    }
    Ok(())
}

/// Our packages with what they depend on, tests aside.
fn packages() -> Result<BTreeMap<String, Vec<String>>> {
    let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .context("cargo metadata could not be started")?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    Ok(packages
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().map_or(&[][..], Vec::as_slice);
            let uses = uses
                .iter()
                .filter(|used| used["kind"].as_str() != Some("dev"))
                .filter_map(|used| used["name"].as_str().map(str::to_owned))
                .collect();
            (package["name"].as_str().unwrap_or_default().to_owned(), uses)
        })
        .collect())
}

fn rooms(offences: &mut Vec<String>) {
    for service in SERVICES {
        let folder = root().join("services").join(service);
        for room in ROOMS {
            let file = folder.join("src").join(format!("{room}.rs"));
            let is_there = file.is_file() || folder.join("src").join(room).join("mod.rs").is_file();
            if !is_there {
                offences.push(format!("services/{service} has no room {room}"));
            }
        }
        if !folder.join("tests/it/main.rs").is_file() {
            offences.push(format!("services/{service} has no tests/it/main.rs"));
        }
    }
}

fn sources(offences: &mut Vec<String>) -> Result<()> {
    let mut files = Vec::new();
    collect(&root(), &mut files)?;
    for file in files {
        let text = fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
        let name = file.strip_prefix(root()).unwrap_or(&file).display().to_string();
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            offences.push(format!("{name} has {lines} lines, {FILE_LINES_MAX} at most"));
        }
        if !text.trim_start().starts_with("//!") && !text.starts_with("//") {
            offences.push(format!("{name} does not open with what it is for"));
        }
        for (word, advice) in WORDS {
            if let Some(line) = text.lines().position(|line| line.contains(word)) {
                offences.push(format!("{name}:{}: {word}: {advice}", line + 1));
            }
        }
    }
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} can't be listed", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
