//! The binary as an operator uses it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The binary; killed when a test fails half-way.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrina-svc"));
    // Settings of the machine must not reach the tests.
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// Starts a service and waits for the line that says where it is.
fn start(name: &str, data: &Path) -> (Process, SocketAddr) {
    let data = data.to_str().expect("a path of text");
    let args = [name, "--data", data, "--listen", "127.0.0.1:0", "--broker", "embedded", "--log", "warn"];
    let mut process = Process(command(&args).stdout(Stdio::piped()).spawn().expect("the binary starts"));
    let stdout = process.0.stdout.take().expect("a pipe");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address =
        line.trim().strip_prefix(&format!("vitrina-svc {name} is ready on ")).expect("the ready line");
    (process, address.parse().expect("an address"))
}

fn stop(mut process: Process, signal: &str) {
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().expect("kill").success());
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = process.0.try_wait().expect("a child") {
            assert!(status.success(), "{status}");
            return;
        }
        assert!(Instant::now() < until, "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts, is reached, ends in order, and finds its data again.
fn check_service(name: &str) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for signal in ["-TERM", "-INT"] {
        let (process, address) = start(name, dir.path());
        TcpStream::connect(address).expect("a connection");
        stop(process, signal);
        assert!(dir.path().join(name).is_dir());
    }
}

#[test]
fn users_start_and_stop() {
    check_service("users");
}

#[test]
fn products_start_and_stop() {
    check_service("products");
}

#[test]
fn publications_start_and_stop() {
    check_service("publications");
}

#[test]
fn images_start_and_stop() {
    check_service("images");
}

#[test]
fn orders_start_and_stop() {
    check_service("orders");
}

#[test]
fn services_that_start_together_share_one_key() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key = || std::fs::read_to_string(dir.path().join("master.key")).expect("the key");
    let (users, orders) = std::thread::scope(|scope| {
        let users = scope.spawn(|| start("users", dir.path()));
        (start("orders", dir.path()).0, users.join().expect("users start").0)
    });
    let made = key();
    stop(orders, "-TERM");
    stop(users, "-TERM");
    assert_eq!(key(), made);
    assert_eq!(made.trim().len(), 64);
}

#[test]
fn secrets_are_not_shown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let data = dir.path().to_str().expect("a path of text");
    let secrets = [
        ("VITRINA_MERCADOPAGO_ACCESS_TOKEN", "TEST-not-to-be-seen"),
        ("VITRINA_MERCADOPAGO_WEBHOOK_SECRET", "not-to-be-seen"),
        ("VITRINA_S3_SECRET_KEY", "not-to-be-seen"),
        ("VITRINA_BROKER", "amqp://guest:not-to-be-seen@127.0.0.1:1"),
    ];
    // The second is refused, since it is not said where payments are notified: its words must not show them either.
    for args in [&["orders", "--help"][..], &["orders", "--data", data, "--listen", "127.0.0.1:0"]] {
        let output = command(args).envs(secrets).output().expect("the binary starts");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            text.contains("VITRINA_MERCADOPAGO") || text.contains("mercadopago.notification_url"),
            "{text}"
        );
        assert!(!text.contains("not-to-be-seen"), "{args:?}");
    }
}

#[test]
fn users_without_their_key_do_not_start() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (process, _) = start("users", dir.path());
    stop(process, "-TERM");
    std::fs::remove_file(dir.path().join("master.key")).expect("the key");
    let data = dir.path().to_str().expect("a path of text");
    let args = ["users", "--data", data, "--listen", "127.0.0.1:0", "--broker", "embedded"];
    let output = command(&args).output().expect("the binary starts");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("master.key is missing"));
}

#[test]
fn the_help_shows_how() {
    let output = command(&["--help"]).output().expect("the binary starts");
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in ["Examples:", "vitrina-svc users --data", "VITRINA_BROKER", "--otlp"] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
}

#[test]
fn an_unknown_service_is_refused() {
    let output = command(&["billing"]).output().expect("the binary starts");
    assert!(!output.status.success());
}
