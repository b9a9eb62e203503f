//! What can be set, and from where: a flag goes before the environment, that before the file, that before the default.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use serde::Deserialize;

/// Where a service listens when nothing is said: on this machine only.
const LISTEN_DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 50051);
/// Time to finish when told to stop: within the 30 s that container platforms give before they kill.
const DRAIN_S_DEFAULT: u64 = 25;

const EXAMPLES: &str = "\
Examples:
  Users on port 50051, with the broker on this machine:
    vitrina-svc users --data /var/lib/vitrina --broker amqp://localhost:5672

  Products for other machines, with traces and metrics sent to a collector:
    vitrina-svc products --data /var/lib/vitrina --listen 0.0.0.0:50052 \\
        --broker amqp://rabbitmq:5672 --otlp http://collector:4317

  The same from a file, in which the flags are keys (data = \"…\", listen = \"…\", broker = \"…\"):
    vitrina-svc products --config /etc/vitrina/products.toml

The data of a service lies in DIR/NAME. SIGTERM and Ctrl-C let it finish what it has taken before it ends.";

/// One service of Vitrina as a process: serves gRPC with health and reflection until SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "vitrina-svc", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The service to run.
    #[arg(value_enum)]
    name: Name,
    /// Directory for the data; the service uses NAME in it [default: data].
    #[arg(long, env = "VITRINA_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to serve gRPC on; port 0 takes a free one [default: 127.0.0.1:50051].
    #[arg(long, env = "VITRINA_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The message broker: amqp://… or `embedded`, which reaches this process only [default: amqp://127.0.0.1:5672].
    #[arg(long, env = "VITRINA_BROKER", value_name = "URL")]
    broker: Option<String>,
    /// OTLP/gRPC endpoint for traces, metrics and logs; none are sent without it.
    #[arg(long, env = "VITRINA_OTLP", value_name = "URL")]
    otlp: Option<String>,
    /// Format of the log on stderr [default: text].
    #[arg(long, env = "VITRINA_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// What is logged, as in `info,vitrina_chassis=debug` [default: info].
    #[arg(long, env = "VITRINA_LOG", value_name = "FILTER")]
    log: Option<String>,
    /// Seconds to finish what was taken when told to stop [default: 25].
    #[arg(long, env = "VITRINA_DRAIN_S", value_name = "SECONDS")]
    drain_s: Option<u64>,
    /// Users only: file with the master key, 64 hexadecimal digits [default: DIR/master.key, made at the first start].
    #[arg(long, env = "VITRINA_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// TOML file with any of these settings.
    #[arg(long, env = "VITRINA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The services that this binary can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Accounts, sessions, addresses.
    Users,
    /// Products, prices and stock.
    Products,
    /// What is on offer: publications, search, questions, reviews.
    Publications,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// The settings once every source was asked.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) name: Name,
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) broker: String,
    pub(crate) otlp: Option<String>,
    pub(crate) log_format: LogFormat,
    pub(crate) log: String,
    pub(crate) drain_s: u64,
    pub(crate) master_key_file: PathBuf,
}

/// The file; a key that is not one is refused, so that a typing error is never silent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    broker: Option<String>,
    otlp: Option<String>,
    log_format: Option<LogFormat>,
    log: Option<String>,
    drain_s: Option<u64>,
    master_key_file: Option<PathBuf>,
}

impl Name {
    /// The name as it is written everywhere.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Name::Users => "users",
            Name::Products => "products",
            Name::Publications => "publications",
        }
    }
}

impl Args {
    /// Asks every source.
    ///
    /// # Errors
    /// When the file cannot be read or holds what is no setting.
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let data = self.data.or(file.data).unwrap_or_else(|| PathBuf::from("data"));
        Ok(Settings {
            name: self.name,
            listen: self.listen.or(file.listen).unwrap_or(LISTEN_DEFAULT),
            broker: self.broker.or(file.broker).unwrap_or_else(|| "amqp://127.0.0.1:5672".to_owned()),
            otlp: self.otlp.or(file.otlp),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            drain_s: self.drain_s.or(file.drain_s).unwrap_or(DRAIN_S_DEFAULT),
            master_key_file: self
                .master_key_file
                .or(file.master_key_file)
                .unwrap_or_else(|| data.join("master.key")),
            data,
        })
    }
}

fn read(path: &Path) -> anyhow::Result<File> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("{} is not a configuration", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_flag_goes_before_the_file_and_that_before_the_default() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("svc.toml");
        fs::write(&path, "data = \"from-file\"\nlisten = \"127.0.0.1:1\"\n").expect("the file");
        let config = path.to_str().expect("a path of text");
        let args = ["vitrina-svc", "products", "--listen", "127.0.0.1:2", "--config", config];
        let settings = Args::parse_from(args).settings().expect("settings");
        assert_eq!((settings.name, settings.listen.port(), settings.drain_s), (Name::Products, 2, 25));
        assert_eq!(settings.data, PathBuf::from("from-file"));
        assert_eq!(settings.master_key_file, PathBuf::from("from-file/master.key"));
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("svc.toml");
        fs::write(&path, "lisen = \"127.0.0.1:1\"\n").expect("the file");
        assert!(read(&path).is_err());
    }
}
