//! The vendors' own SDKs judge the sandbox, and their verifiers what it signs.
//!
//! They are installed from their registries into the build's folder once, and again when their versions change.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;
use vitrina_sandbox::{Running, Sandbox, SandboxConfig};

/// The judges and the versions of the SDKs.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks");

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdks_of_all_four_find_their_service() {
    let (sandbox, _folder) = sandbox().await;
    let place = installed("python", "requirements.txt", |place| {
        run(Command::new("python3").args(["-m", "venv", "."]).current_dir(place));
        run(Command::new(place.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement", "requirements.txt"])
            .current_dir(place));
    });
    judged(&sandbox, &place, place.join("bin/python"), "judge.py").await;
    sandbox.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_sdk_of_mercadopago_finds_its_service() {
    let (sandbox, _folder) = sandbox().await;
    let place = installed("node", "package.json", |place| {
        run(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--silent"]).current_dir(place));
    });
    judged(&sandbox, &place, "node", "judge.js").await;
    sandbox.stop().await;
}

async fn sandbox() -> (Running, TempDir) {
    let folder = TempDir::new().expect("there is room");
    let sandbox = Sandbox::start(SandboxConfig::new(folder.path())).await.expect("the sandbox starts");
    (sandbox, folder)
}

/// Lets a script judge; what it says is shown when it finds anything wrong.
async fn judged(sandbox: &Running, place: &Path, program: impl AsRef<OsStr>, script: &str) {
    let facts = json!({
        "url": sandbox.url(),
        "s3Url": sandbox.s3_url(),
        "mailEventsKey": sandbox.mail_events_key(),
    });
    let mut command = tokio::process::Command::new(program);
    command.args([format!("{SCRIPTS}/{script}"), facts.to_string()]).current_dir(place);
    let output = command.output().await;
    let output = output.expect("it can be started: `cargo xtask setup` installs what is missing");
    assert!(output.status.success(), "{}", text(&output));
}

/// The folder of an installation that has what the file names.
fn installed(name: &str, file: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sdks-{name}"));
    let wanted = std::fs::read(format!("{SCRIPTS}/{file}")).expect("the file is there");
    // Written last, so that an installation that was broken off is made again.
    let done = place.join("installed");
    if std::fs::read(&done).is_ok_and(|there| there == wanted) {
        return place;
    }
    // What is there may be of other versions, or half of these.
    let _ = std::fs::remove_dir_all(&place);
    std::fs::create_dir_all(&place).expect("the build's folder can be written");
    std::fs::write(place.join(file), &wanted).expect("the build's folder can be written");
    install(&place);
    std::fs::write(done, wanted).expect("the build's folder can be written");
    place
}

fn run(command: &mut Command) {
    let output = command.output();
    let output = output.expect("it can be started: `cargo xtask setup` installs what is missing");
    assert!(output.status.success(), "{command:?}: {}", text(&output));
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
