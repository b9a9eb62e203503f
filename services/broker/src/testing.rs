//! A real RabbitMQ for tests: a server of their own, in a temporary directory and on free ports.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A loaded machine takes long to start Erlang.
const START_MAX: Duration = Duration::from_secs(90);
/// A killed process ends within milliseconds; more only when the machine is loaded.
const END_MAX: Duration = Duration::from_secs(10);
/// Below the range of ephemeral ports, so that no outgoing connection takes one in between.
const PORTS: std::ops::Range<u16> = 20_000..31_900;
/// Where Debian puts the server.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The server's group ends with its standard input, that is with the test's process, however that ends. The word
/// `keep` keeps the directory for a restart.
const SCRIPT: &str = r#"epmd -port "$ERL_EPMD_PORT" -relaxed_command_check >/dev/null 2>&1 &
"$0" >"$HOME/out" 2>&1 &
read word
[ "$word" = keep ] || setsid sh -c 'sleep 2; rm -rf "$HOME"' &
sleep 0.1
kill -9 0"#;

/// A running server; it ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct RabbitServer {
    /// `amqp://guest:guest@127.0.0.1:port/%2f`.
    pub url: String,
    ports: [u16; 3],
    dir: TempDir,
    child: Option<Child>,
}

impl RabbitServer {
    /// Starts a server and waits until it takes connections; about 10 s.
    ///
    /// # Panics
    /// When RabbitMQ is not installed or does not start.
    pub async fn start() -> RabbitServer {
        let dir = TempDir::new().expect("a temporary directory");
        let ports = free_ports();
        let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports[0]);
        let mut server = RabbitServer { url, ports, dir, child: None };
        server.restart().await;
        server
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the server as a power cut would; its files stay.
    pub fn kill(&mut self) {
        self.end("keep\n");
    }

    /// Starts it again on the same port and files.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = Some(spawn(self.dir.path(), self.ports));
        let until = Instant::now() + START_MAX;
        while !self.is_ready() {
            let log = std::fs::read_to_string(self.dir.path().join("out")).unwrap_or_default();
            assert!(Instant::now() < until, "RabbitMQ does not start: {log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn is_ready(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.ports[0])).is_ok()
    }

    fn end(&mut self, word: &str) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(mut input) = child.stdin.take() {
            // When it fails the group has ended already.
            let _ = input.write_all(word.as_bytes());
        }
        let _ = child.wait();
        // The shell is gone before the server is: its memory takes a moment to be given back.
        let until = Instant::now() + END_MAX;
        while self.is_ready() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RabbitServer {
    fn drop(&mut self) {
        self.end("drop\n");
    }
}

fn spawn(dir: &Path, [amqp, dist, epmd]: [u16; 3]) -> Child {
    let inside = |name: &str| dir.join(name);
    std::fs::write(inside("plugins"), "[].\n").expect("the directory can be written");
    Command::new("sh")
        .args(["-c", SCRIPT, SERVER])
        .env("HOME", dir)
        .env("ERL_EPMD_PORT", epmd.to_string())
        .env("RABBITMQ_NODENAME", format!("vitrina{amqp}@localhost"))
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", amqp.to_string())
        .env("RABBITMQ_DIST_PORT", dist.to_string())
        .env("RABBITMQ_MNESIA_BASE", inside("mnesia"))
        .env("RABBITMQ_LOG_BASE", inside("log"))
        .env("RABBITMQ_PID_FILE", inside("pid"))
        .env("RABBITMQ_CONFIG_FILE", inside("rabbitmq"))
        .env("RABBITMQ_CONF_ENV_FILE", inside("env"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", inside("plugins"))
        .env("RABBITMQ_FEATURE_FLAGS_FILE", inside("flags"))
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("a shell can be started")
}

fn free_ports() -> [u16; 3] {
    let offset = u16::try_from(std::process::id() % 11_000).unwrap_or(0);
    let candidates = (PORTS.start + offset..PORTS.end).chain(PORTS);
    let mut free = candidates.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    std::array::from_fn(|_| free.next().expect("three free ports"))
}
