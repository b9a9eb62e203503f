//! The shop as processes: started, killed, started again on the same data.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use vitrina_broker::testing::RabbitServer;

use crate::{Client, process};

/// The services that there are.
pub const SERVICES: [&str; 6] = ["users", "products", "publications", "images", "notifications", "orders"];

/// How long a start may take on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How the shop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `vitrina up`: everything in one process.
    OneProcess,
    /// `vitrina-edge`, `vitrina-svc NAME`, `vitrina sandbox` and a real RabbitMQ.
    Processes,
}

/// What a test may set.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Where a collector listens; absent: nowhere.
    pub otlp: Option<String>,
    /// Where the edge listens, when it must be known before; absent: at a free port.
    pub edge_port: Option<u16>,
    /// Further words on the command line of `vitrina up`.
    pub arguments: Vec<String>,
    /// What `vitrina.toml` says, for `vitrina up` and the edges; empty: there is no such file.
    pub config: String,
    /// Further variables in the environment of every process.
    pub environment: Vec<(&'static str, String)>,
    /// The one processor that all of it runs on, by its number; absent: all that there are.
    pub processor: Option<usize>,
}

/// A running shop; its processes end with it.
pub struct Shop {
    options: Options,
    folder: TempDir,
    edge_port: u16,
    /// Where a second edge listens, when the shop runs as processes.
    other_port: u16,
    admin_port: u16,
    /// Of the stand-ins; S3 listens on the next one.
    sandbox_port: u16,
    processes: Vec<Process>,
    broker: Option<RabbitServer>,
}

struct Process {
    name: String,
    command: Vec<String>,
    environment: Vec<(&'static str, String)>,
    child: Option<Child>,
}

impl Shop {
    /// Starts a shop with an empty data directory and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the log is in the message.
    pub async fn start(way: Way) -> Shop {
        Shop::start_with(way, Options::default()).await
    }

    /// Starts a shop with `options`.
    ///
    /// # Panics
    /// When it does not become ready; the log is in the message.
    pub async fn start_with(way: Way, options: Options) -> Shop {
        let folder = tempfile::tempdir().expect("the temporary directory can be written");
        let mut shop = Shop {
            edge_port: options.edge_port.unwrap_or_else(free_port),
            options,
            folder,
            other_port: free_port(),
            admin_port: free_port(),
            sandbox_port: two_free_ports(),
            processes: Vec::new(),
            broker: None,
        };
        match way {
            Way::OneProcess => shop.one_process(),
            Way::Processes => shop.separate_processes().await,
        }
        for index in 0..shop.processes.len() {
            shop.spawn(index);
        }
        shop.ready().await;
        shop
    }

    /// A client without a token.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.edge_port))
    }

    /// A client, without a token, of a second edge in front of the same services; there is one when they are processes.
    pub fn other_client(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.other_port))
    }

    /// A client for the admin listener.
    pub fn admin(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.admin_port))
    }

    /// The URL of its RabbitMQ.
    ///
    /// # Panics
    /// When it has none, as in one process.
    pub fn broker_url(&self) -> &str {
        self.broker.as_ref().map(RabbitServer::url).expect("a shop in many processes has a RabbitMQ")
    }

    /// A client for the stand-ins of outside services.
    pub fn outside(&self) -> Client {
        Client::new(&format!("http://127.0.0.1:{}", self.sandbox_port))
    }

    /// The temporary directory that everything of this shop lies in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What the processes wrote to their logs.
    pub fn log(&self) -> String {
        let logs = self.processes.iter().map(|process| self.log_of(&process.name));
        logs.map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect()
    }

    /// The process id of the process `name`; `shop` in one process, else `edge` or a service's name.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pid(&self, name: &str) -> u32 {
        let process = self.processes.iter().find(|process| process.name == name);
        let child = process.and_then(|process| process.child.as_ref());
        child.and_then(Child::id).unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// Kills the process `name` with SIGKILL.
    pub async fn kill(&mut self, name: &str) {
        for process in self.processes.iter_mut().filter(|process| process.name == name) {
            if let Some(mut child) = process.child.take() {
                child.kill().await.expect("our own child can be killed");
            }
        }
    }

    /// Sends a signal, such as `HUP`, to the process `name`.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn signal(&self, name: &str, signal: &str) {
        let pid = self.pid(name).to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "{name} could not be sent {signal}");
    }

    /// Sends SIGTERM to the process `name` and waits for its end.
    ///
    /// # Panics
    /// When it does not end by itself with exit code 0 within a minute.
    pub async fn stop(&mut self, name: &str) {
        self.signal(name, "TERM").await;
        for process in self.processes.iter_mut().filter(|process| process.name == name) {
            if let Some(mut child) = process.child.take() {
                let ended = tokio::time::timeout(READY_WITHIN, child.wait()).await;
                let status = ended.expect("it ends in time").expect("our own child can be waited for");
                assert!(status.success(), "{name} ended with {status}");
            }
        }
    }

    /// Starts the process `name` again on its data, without waiting.
    pub fn restart(&mut self, name: &str) {
        for index in 0..self.processes.len() {
            if self.processes[index].name == name {
                self.spawn(index);
            }
        }
    }

    /// How often the process `name` has said that it is ready, over all its starts.
    pub fn ready_count(&self, name: &str) -> usize {
        let log = std::fs::read_to_string(self.log_of(name)).unwrap_or_default();
        log.lines().filter(|line| line.contains(" is ready")).count()
    }

    /// Waits until every process has said that it is ready, and the edge that all services answer.
    ///
    /// # Panics
    /// When that does not come; the log is in the message.
    pub async fn ready(&mut self) {
        let client = self.client();
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        loop {
            let answer = client.try_send(client.request(reqwest::Method::GET, "/readyz")).await;
            let have_said_so = self.processes.iter().all(|process| self.ready_count(&process.name) > 0);
            if answer.is_ok_and(|answer| answer.status == 200) && have_said_so {
                return;
            }
            self.check_alive();
            assert!(
                tokio::time::Instant::now() < deadline,
                "the shop does not become ready:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs `vitrina` with `arguments` and gives its exit code and output.
    ///
    /// # Panics
    /// When it can't be started.
    pub async fn vitrina(&self, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(program("vitrina").expect("the programs are built"))
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .await
            .expect("vitrina can be started");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    fn one_process(&mut self) {
        let mut command = self.command("vitrina", &["up"]);
        command.extend([
            "--data".to_owned(),
            self.data().display().to_string(),
            "--listen".to_owned(),
            format!("127.0.0.1:{}", self.edge_port),
            "--admin".to_owned(),
            format!("127.0.0.1:{}", self.admin_port),
            "--grpc".to_owned(),
            "off".to_owned(),
            "--sandbox".to_owned(),
            format!("127.0.0.1:{}", self.sandbox_port),
        ]);
        command.extend(self.options.arguments.clone());
        command.extend(self.config());
        self.add("shop", command, Vec::new());
    }

    async fn separate_processes(&mut self) {
        let broker = RabbitServer::start().await;
        let mut addresses: Vec<(&str, String)> = Vec::new();
        let sandbox_port = self.sandbox_port;
        let mut command = self.command("vitrina", &["sandbox"]);
        command.extend(["--data".to_owned(), self.data().display().to_string()]);
        command.extend(["--listen".to_owned(), format!("127.0.0.1:{sandbox_port}")]);
        self.add("sandbox", command, Vec::new());
        for service in SERVICES {
            let address = format!("127.0.0.1:{}", free_port());
            let mut command = self.command("vitrina-svc", &[service]);
            command.extend(["--data".to_owned(), self.data().display().to_string()]);
            command.extend([
                "--listen".to_owned(),
                address.clone(),
                "--broker".to_owned(),
                broker.url().to_owned(),
            ]);
            let environment = if service == "orders" {
                // It is the last of them: those that it calls have their addresses.
                for (peer, address) in addresses.iter().take(3) {
                    command.extend([format!("--{peer}"), address.clone()]);
                }
                command.extend(["--public-url".to_owned(), format!("http://127.0.0.1:{}", self.edge_port)]);
                vec![
                    ("VITRINA_MERCADOPAGO_URL", format!("http://127.0.0.1:{sandbox_port}")),
                    ("VITRINA_MERCADOPAGO_ACCESS_TOKEN", "TEST-vitrina".to_owned()),
                    ("VITRINA_MERCADOPAGO_WEBHOOK_SECRET", "vitrina-webhook-secret".to_owned()),
                ]
            } else {
                vec![("VITRINA_S3_ENDPOINT", format!("http://127.0.0.1:{}", sandbox_port + 1))]
            };
            self.add(service, command, environment);
            addresses.push((service, address));
        }
        for (name, port, admin_port) in
            [("edge", self.edge_port, self.admin_port), ("other-edge", self.other_port, free_port())]
        {
            let mut command = self.command("vitrina-edge", &[]);
            command.extend(["--listen".to_owned(), format!("127.0.0.1:{port}")]);
            command.extend(["--admin".to_owned(), format!("127.0.0.1:{admin_port}")]);
            command.extend(["--broker".to_owned(), broker.url().to_owned()]);
            for (service, address) in &addresses {
                command.extend([format!("--{service}"), format!("http://{address}")]);
            }
            command.extend(self.config());
            self.add(name, command, Vec::new());
        }
        self.broker = Some(broker);
    }

    /// Writes the configuration, when there is one, and gives the words that name it.
    fn config(&self) -> Vec<String> {
        if self.options.config.is_empty() {
            return Vec::new();
        }
        let file = self.folder.path().join("vitrina.toml");
        std::fs::write(&file, &self.options.config).expect("the temporary directory can be written");
        vec!["--config".to_owned(), file.display().to_string()]
    }

    fn command(&self, name: &str, arguments: &[&str]) -> Vec<String> {
        let program = program(name).expect("the programs are built");
        let mut command = vec![program.display().to_string()];
        command.extend(arguments.iter().map(|&argument| argument.to_owned()));
        if let Some(otlp) = &self.options.otlp {
            command.extend(["--otlp".to_owned(), otlp.clone()]);
        }
        command
    }

    fn add(&mut self, name: &str, command: Vec<String>, environment: Vec<(&'static str, String)>) {
        self.processes.push(Process { name: name.to_owned(), command, environment, child: None });
    }

    fn spawn(&mut self, index: usize) {
        let log = self.log_of(&self.processes[index].name);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let log = log.expect("the temporary directory can be written");
        let process = &mut self.processes[index];
        let mut command = self.options.processor.map(process::on_processor).unwrap_or_default();
        command.extend(process.command.clone());
        let child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(self.folder.path())
            .env("VITRINA_LOG", "info")
            .envs(
                process
                    .environment
                    .iter()
                    .chain(&self.options.environment)
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file descriptor is free"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn();
        process.child = Some(child.unwrap_or_else(|error| panic!("{:?}: {error}", process.command)));
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    fn check_alive(&mut self) {
        let log = self.log();
        for process in &mut self.processes {
            let ended = process.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "{} ended with {ended:?}:\n{log}", process.name);
        }
    }
}

/// A TCP port of the loopback that nothing listens on, below the range that the system gives to outgoing connections, so
/// that it is still free a moment later.
///
/// # Panics
/// When none is found.
pub fn free_port() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each test process starts elsewhere, so that two of them rarely try the same port.
    let start = 12_000 + u16::try_from(std::process::id() % 180).unwrap_or(0) * 100;
    for _ in 0..10_000 {
        let port = start + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}

/// The first of two free ports in a row.
fn two_free_ports() -> u16 {
    let mut first = free_port();
    loop {
        let second = free_port();
        if second == first + 1 {
            return first;
        }
        first = second;
    }
}

/// The folder of the built programs: that of the running test binary, one up.
///
/// # Errors
/// When the running program can't be located.
pub fn programs() -> Result<PathBuf> {
    let binary = std::env::current_exe().context("the test binary has no path")?;
    let folder =
        binary.parent().and_then(Path::parent).context("the test binary lies in no target folder")?;
    Ok(folder.to_owned())
}

/// The whole real catalogue when it lies beside the checkout, else the checkout's own first 3,000 rows of it.
pub fn catalogue() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let whole = root.join("../../shared/data/catalogue.csv");
    if whole.exists() { whole } else { root.join("data/catalogue.csv") }
}

fn program(name: &str) -> Result<PathBuf> {
    let program = programs()?.join(name);
    if !program.is_file() {
        bail!("{} is not there: cargo build --workspace --all-targets", program.display());
    }
    Ok(program)
}
