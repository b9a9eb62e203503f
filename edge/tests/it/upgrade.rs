//! The program `vitrina-edge` replaced and reloaded under load: no request fails.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::LIMIT;

/// A process of the program; ended when dropped.
struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Process {
    fn start(config: &Path, more: &[&str]) -> Self {
        let log = std::fs::File::create(config.with_extension("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_vitrina-edge"))
            .arg("--config")
            .arg(config)
            .args(more)
            .env_remove("VITRINA_LOG")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Reads what it prints up to the line that has `words`.
    fn says(&mut self, words: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).unwrap() > 0 {
            if line.contains(words) {
                return line;
            }
            line.clear();
        }
        panic!("the process ends without saying {words:?}");
    }

    /// Where it serves clients, once it does.
    fn address(&mut self) -> String {
        let line = self.says("ready on");
        line.split("ready on ").nth(1).unwrap().split(',').next().unwrap().to_owned()
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    async fn ended(mut self) {
        let ended = tokio::task::spawn_blocking(move || self.child.wait().unwrap().success());
        assert!(tokio::time::timeout(LIMIT, ended).await.expect("it ends in time").unwrap());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Mostly ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients that ask without a pause, half of them on a connection that they keep.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(address: &str) -> Self {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let clients = (0..4).map(|number| {
            let (stop, answered) = (stop.clone(), answered.clone());
            let url = format!("http://{address}/healthz");
            let kept = if number % 2 == 0 { 1 } else { 0 };
            let client = vitrina_outgoing::client().pool_max_idle_per_host(kept).build().unwrap();
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.get(&url).timeout(LIMIT).send().await.expect("no request fails");
                    assert_eq!(answer.status(), 200);
                    // To its end, so that the connection can be used again.
                    answer.bytes().await.expect("no answer breaks off");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { clients: clients.collect(), stop, answered }
    }

    /// Waits for some more answers.
    async fn goes_on(&self) {
        let enough = self.answered.load(Ordering::Relaxed) + 60;
        let more = async {
            while self.answered.load(Ordering::Relaxed) < enough {
                assert!(self.clients.iter().all(|client| !client.is_finished()), "a request has failed");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, more).await.expect("requests are answered");
    }

    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
    }
}

fn configure(dir: &TempDir, more: &str) -> std::path::PathBuf {
    let file = dir.path().join("vitrina.toml");
    let socket = dir.path().join("upgrade.sock");
    let text = format!(
        "[edge]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\nupgrade_socket = {socket:?}\n\
         drain_ms = 5000\n{more}"
    );
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_process_takes_over_without_a_failed_request() {
    let dir = tempfile::tempdir().unwrap();
    let config = configure(&dir, "");
    let mut old = Process::start(&config, &[]);
    let address = old.address();
    let load = Load::start(&address);
    load.goes_on().await;
    for _ in 0..2 {
        let mut new = Process::start(&config, &["--upgrade"]);
        new.says("waits at");
        old.signal("QUIT");
        assert_eq!(new.address(), address);
        load.goes_on().await;
        std::mem::replace(&mut old, new).ended().await;
        load.goes_on().await;
    }
    load.end().await;
    old.signal("TERM");
    old.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_new_process_the_old_one_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut edge = Process::start(&configure(&dir, ""), &[]);
    let load = Load::start(&edge.address());
    edge.signal("QUIT");
    load.goes_on().await;
    // A new one that cannot serve: its address is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong = dir.path().join("wrong.toml");
    let text = std::fs::read_to_string(dir.path().join("vitrina.toml")).unwrap();
    std::fs::write(&wrong, text.replacen("127.0.0.1:0", &taken.local_addr().unwrap().to_string(), 1))
        .unwrap();
    let mut new = Process::start(&wrong, &["--upgrade"]);
    new.says("waits at");
    edge.signal("QUIT");
    let failed = tokio::task::spawn_blocking(move || new.child.wait().unwrap());
    assert!(!tokio::time::timeout(LIMIT, failed).await.unwrap().unwrap().success());
    load.goes_on().await;
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_under_load_fails_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let mut edge = Process::start(&configure(&dir, ""), &[]);
    let address = edge.address();
    let load = Load::start(&address);
    for origin in ["https://one.example", "https://two.example"] {
        load.goes_on().await;
        // A wrong one in between, which changes nothing.
        configure(&dir, "drain_ms = \"long\"\n");
        edge.signal("HUP");
        load.goes_on().await;
        configure(&dir, &format!("[edge.cors]\norigins = [\"{origin}\"]\n"));
        edge.signal("HUP");
        let client = vitrina_outgoing::client().build().unwrap();
        let in_force = async {
            loop {
                let request = client.get(format!("http://{address}/healthz")).header("origin", origin);
                let answer = request.send().await.unwrap();
                if answer.headers().get("access-control-allow-origin").is_some_and(|value| value == origin) {
                    return;
                }
            }
        };
        tokio::time::timeout(LIMIT, in_force).await.expect("the new origin is allowed");
    }
    load.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_of_the_log_is_reloaded_and_every_mistake_is_logged() {
    let dir = tempfile::tempdir().unwrap();
    let mut edge = Process::start(&configure(&dir, ""), &[]);
    edge.address();
    let log = || std::fs::read_to_string(dir.path().join("vitrina.log")).unwrap();
    let until_logged = async |words: &str| {
        let logged = async {
            while !log().contains(words) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LIMIT, logged).await.unwrap_or_else(|_| panic!("no {words:?} in {}", log()));
    };
    configure(&dir, "heartbeat = 1\n[telemetry]\nlog = \"a=loud\"\nopt = 1\n");
    edge.signal("HUP");
    until_logged("is refused").await;
    let text = log();
    for mistake in ["edge.heartbeat", "telemetry.log", "telemetry.opt"] {
        assert!(text.contains(mistake), "{mistake} is not in {text}");
    }
    configure(&dir, "[telemetry]\notlp = \"http://127.0.0.1:1\"\nlog = \"warn,vitrina_edge=debug\"\n");
    edge.signal("HUP");
    until_logged("telemetry.otlp").await;
    configure(&dir, "[edge.http2]\ncleartext = true\n[telemetry]\nlog = \"error\"\n");
    edge.signal("HUP");
    until_logged("edge.http2").await;
    let before = log().matches("is reloaded").count();
    // Now at the level of errors: a further reload leaves no line, a refused one does.
    edge.signal("HUP");
    configure(&dir, "heartbeat = 2\n");
    edge.signal("HUP");
    let refused = || log().matches("is refused").count() == 2;
    let logged = async {
        while !refused() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, logged).await.unwrap();
    assert_eq!(log().matches("is reloaded").count(), before);
}
