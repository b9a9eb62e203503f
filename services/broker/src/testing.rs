//! A real RabbitMQ for tests: a server of their own, in a temporary directory and on free ports.
//!
//! It stands beside whatever else runs on the machine, another RabbitMQ too: ports, Erlang's port mapper, cookie, files
//! and working directory are its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A loaded machine takes long to start Erlang.
const START_MAX: Duration = Duration::from_secs(90);
/// A killed process ends within milliseconds; more only when the machine is loaded.
const END_MAX: Duration = Duration::from_secs(20);
/// How long the server may take to answer one byte before it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(2);
/// Below the range of ephemeral ports, so that no outgoing connection takes one in between.
const PORTS: std::ops::Range<u16> = 20_000..31_900;
/// From the ports of one server to those of the next; it needs three.
const PORTS_STEP: u16 = 4;
/// The head of AMQP 0-9-1: a server that is ready answers it.
const AMQP_HEAD: &[u8] = b"AMQP\0\0\x09\x01";
/// Where Debian puts the server; the wrapper in the path would change the user.
const SERVER: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The server's group ends with its standard input, that is with the test's process, however that ends. The word
/// `keep` keeps the directory for a restart. The port mapper is there before the server, which else would start one
/// outside of the group.
const SCRIPT: &str = r#"epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 -relaxed_command_check >/dev/null 2>&1 &
tries=0
until epmd -names >/dev/null 2>&1 || [ $tries -ge 200 ]; do tries=$((tries + 1)); sleep 0.1; done
"$0" >"$HOME/out" 2>&1 </dev/null &
read word
[ "$word" = keep ] || setsid sh -c 'cd /; sleep 2; rm -rf "$HOME"' &
sleep 0.1
kill -9 0"#;

/// A running server; it ends when it is dropped, or with the process.
#[derive(Debug)]
pub struct RabbitServer {
    /// `amqp://guest:guest@127.0.0.1:port/%2f`.
    pub url: String,
    ports: Ports,
    dir: TempDir,
    child: Option<Child>,
}

/// Ports that no other server of the tests uses, in this process or another.
#[derive(Debug)]
struct Ports {
    amqp: u16,
    dist: u16,
    epmd: u16,
    // The UDP port of the same number, which nobody else needs, stands for all three: it frees itself with the process.
    _claim: UdpSocket,
}

impl RabbitServer {
    /// Starts a server and waits until it takes connections; about 10 s.
    ///
    /// # Panics
    /// When RabbitMQ is not installed or does not start.
    pub async fn start() -> RabbitServer {
        let dir = TempDir::new().expect("a temporary directory");
        let ports = Ports::claim();
        let url = format!("amqp://guest:guest@127.0.0.1:{}/%2f", ports.amqp);
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
        self.child = Some(spawn(self.dir.path(), &self.ports));
        let until = Instant::now() + START_MAX;
        while !self.is_ready() {
            let log = std::fs::read_to_string(self.dir.path().join("out")).unwrap_or_default();
            assert!(Instant::now() < until, "RabbitMQ does not start: {log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a durable queue outlives a kill: RabbitMQ 3.10 writes the name of a new quorum queue half a second
    /// late, and one that is killed before then comes back without a leader.
    ///
    /// # Panics
    /// When there is no such queue after some seconds.
    pub async fn registered(&self, queue: &str) {
        let node = node(&self.ports);
        let names = self.dir.path().join("mnesia").join(&node).join("quorum").join(&node).join("names.dets");
        let name = format!("%2F_{queue}");
        let until = Instant::now() + END_MAX;
        loop {
            let bytes = std::fs::read(&names).unwrap_or_default();
            if bytes.windows(name.len()).any(|part| part == name.as_bytes()) {
                return;
            }
            assert!(Instant::now() < until, "the queue {queue:?} is not written");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether it talks AMQP; a port alone may be open before that.
    fn is_ready(&self) -> bool {
        let mut byte = [0];
        let answered =
            TcpStream::connect_timeout(&local(self.ports.amqp), ANSWER_MAX).and_then(|mut stream| {
                stream.set_read_timeout(Some(ANSWER_MAX))?;
                stream.write_all(AMQP_HEAD)?;
                stream.read_exact(&mut byte)
            });
        answered.is_ok() && byte == [1]
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
        while !self.ports.are_free() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for RabbitServer {
    fn drop(&mut self) {
        self.end("drop\n");
    }
}

fn spawn(dir: &Path, ports: &Ports) -> Child {
    let inside = |name: &str| dir.join(name);
    std::fs::write(inside("plugins"), "[].\n").expect("the directory can be written");
    Command::new("sh")
        .args(["-c", SCRIPT, SERVER])
        .current_dir(dir)
        .env("HOME", dir)
        .env("ERL_EPMD_PORT", ports.epmd.to_string())
        .env("RABBITMQ_NODENAME", node(ports))
        // Idle schedulers that spin would take the processor from the test.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", ports.amqp.to_string())
        .env("RABBITMQ_DIST_PORT", ports.dist.to_string())
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

impl Ports {
    fn claim() -> Ports {
        // Processes begin at different places, so that they seldom meet.
        let steps = (PORTS.end - PORTS.start) / PORTS_STEP;
        let first = usize::try_from(std::process::id() % u32::from(steps)).unwrap_or(0);
        let starts = PORTS.step_by(usize::from(PORTS_STEP));
        let mut candidates = starts.clone().skip(first).chain(starts);
        candidates.find_map(Ports::try_claim).expect("three free ports")
    }

    fn try_claim(amqp: u16) -> Option<Ports> {
        let claim = UdpSocket::bind(local(amqp)).ok()?;
        let ports = Ports { amqp, dist: amqp + 1, epmd: amqp + 2, _claim: claim };
        ports.are_free().then_some(ports)
    }

    fn are_free(&self) -> bool {
        [self.amqp, self.dist, self.epmd].into_iter().all(|port| {
            let any = SocketAddr::from(([0, 0, 0, 0], port));
            TcpListener::bind(any).is_ok()
        })
    }
}

/// The name of the server in Erlang, which its directories bear.
fn node(ports: &Ports) -> String {
    format!("vitrina{}@localhost", ports.amqp)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
