//! What can be set, and from where: a flag goes before the environment, that before the file, that before the default.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use serde::Deserialize;
use vitrina_chassis::Transport;
use vitrina_images::S3Config;
use vitrina_notifications::{Fcm, SendGrid};
use vitrina_orders::MercadoPago;
use vitrina_proto::Clients;
use vitrina_svc::{Name, Outside, Sections};

/// Time to finish when told to stop: within the 30 s that container platforms give before they kill.
const DRAIN_S_DEFAULT: u64 = 25;

const EXAMPLES: &str = "\
Examples:
  Users at its usual place, with the broker on this machine:
    vitrina-svc users --data /var/lib/vitrina --broker amqp://localhost:5672

  Products for other machines, with traces and metrics sent to a collector:
    vitrina-svc products --data /var/lib/vitrina --listen 0.0.0.0:7002 \\
        --broker amqp://rabbitmq:5672 --otlp http://collector:4317

  Orders that are paid at MercadoPago; its secrets are not for a command line, where everybody can read them:
    VITRINA_MERCADOPAGO_ACCESS_TOKEN=… VITRINA_MERCADOPAGO_WEBHOOK_SECRET=… \\
        vitrina-svc orders --public-url https://shop.example

  All of it from a file, in which the flags are keys (data = \"…\", listen = \"…\", broker = \"…\"):
    vitrina-svc products --config /etc/vitrina/products.toml

Outside services are sections of the file, whose keys are also read from the environment:
  images  [s3]           VITRINA_S3_ENDPOINT (empty: AWS itself), …_REGION, …_BUCKET, …_ACCESS_KEY, …_SECRET_KEY;
                         unless told otherwise those of `vitrina sandbox` on this machine
  orders  [mercadopago]  VITRINA_MERCADOPAGO_URL, …_ACCESS_TOKEN, …_WEBHOOK_SECRET, …_NOTIFICATION_URL;
                         without any, orders are paid by transfer only
  notifications [sendgrid]  VITRINA_SENDGRID_URL, …_API_KEY, …_FROM_EMAIL, …_FROM_NAME, …_WEBHOOK_KEY; without any, no mails
                [fcm]    VITRINA_FCM_URL, …_SERVICE_ACCOUNT (the account's JSON, or the path of its file); without any, no pushes
  Vendors are called by https; SSL_CERT_FILE names authorities to trust in place of the system's.

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
    /// Address to serve gRPC on; port 0 takes a free one [default: 127.0.0.1, port 7001 for users and so on to 7006 for orders].
    #[arg(long, env = "VITRINA_LISTEN", value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// The message broker: amqp://… or `embedded`, which reaches this process only [default: amqp://127.0.0.1:5672].
    #[arg(long, env = "VITRINA_BROKER", value_name = "URL", hide_env_values = true)]
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
    /// Users and orders: file with the master key, 64 hexadecimal digits [default: DIR/master.key, made at the first start].
    #[arg(long, env = "VITRINA_MASTER_KEY_FILE", value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Orders only: address of the users service [default: 127.0.0.1:7001].
    #[arg(long, env = "VITRINA_USERS", value_name = "ADDR")]
    users: Option<String>,
    /// Orders only: address of the products service [default: 127.0.0.1:7002].
    #[arg(long, env = "VITRINA_PRODUCTS", value_name = "ADDR")]
    products: Option<String>,
    /// Orders only: address of the publications service [default: 127.0.0.1:7003].
    #[arg(long, env = "VITRINA_PUBLICATIONS", value_name = "ADDR")]
    publications: Option<String>,
    /// Orders only: URL of the shop as the payment provider reaches it, for its notifications.
    #[arg(long, env = "VITRINA_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// TOML file with any of these settings.
    #[arg(long, env = "VITRINA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
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

/// The settings once every source was asked. It has no `Debug`: the broker's URL may hold a password.
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
    pub(crate) outside: Outside,
    /// Where the services are that orders calls.
    peers: [(Name, Option<String>); 3],
}

/// The file; a key that is not one is refused, so that a typing error is never silent.
#[derive(Default, Deserialize)]
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
    users: Option<String>,
    products: Option<String>,
    publications: Option<String>,
    public_url: Option<String>,
    s3: Option<S3Config>,
    mercadopago: Option<MercadoPago>,
    sendgrid: Option<SendGrid>,
    fcm: Option<Fcm>,
}

impl Args {
    /// Asks every source.
    ///
    /// # Errors
    /// When the file cannot be read or holds what is no setting.
    pub(crate) fn settings(self) -> anyhow::Result<Settings> {
        let file = self.config.as_deref().map(read).transpose()?.unwrap_or_default();
        let data = self.data.or(file.data).unwrap_or_else(|| PathBuf::from("data"));
        let public_url = self.public_url.or(file.public_url);
        let sections =
            Sections { s3: file.s3, mercadopago: file.mercadopago, sendgrid: file.sendgrid, fcm: file.fcm };
        let sections = sections.with_environment(public_url.as_deref());
        Ok(Settings {
            name: self.name,
            listen: self.listen.or(file.listen).unwrap_or_else(|| place(self.name)),
            broker: self.broker.or(file.broker).unwrap_or_else(|| "amqp://127.0.0.1:5672".to_owned()),
            otlp: self.otlp.or(file.otlp),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            drain_s: self.drain_s.or(file.drain_s).unwrap_or(DRAIN_S_DEFAULT),
            master_key_file: self
                .master_key_file
                .or(file.master_key_file)
                .unwrap_or_else(|| data.join("master.key")),
            outside: Outside::named(sections, Outside { link_base: public_url, ..Outside::default() }),
            peers: [
                (Name::Users, self.users.or(file.users)),
                (Name::Products, self.products.or(file.products)),
                (Name::Publications, self.publications.or(file.publications)),
            ],
            data,
        })
    }
}

impl Settings {
    /// The ways to the services that orders calls.
    ///
    /// # Errors
    /// When an address is none; whether somebody is there shows when it is called.
    pub(crate) fn clients(&self) -> anyhow::Result<Clients<Transport>> {
        let mut ways = Vec::new();
        for (name, address) in &self.peers {
            let address = address.clone().unwrap_or_else(|| place(*name).to_string());
            let way = Transport::lazy(&address);
            ways.push((name.as_str(), way.with_context(|| format!("{address} is no address"))?));
        }
        vitrina_svc::clients(&ways)
    }
}

/// Where a service is when nothing is said: on this machine only.
fn place(name: Name) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, name.port()))
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
    fn every_service_has_its_place() {
        for (name, port) in [("users", 7001), ("images", 7004), ("orders", 7006)] {
            let settings = Args::parse_from(["vitrina-svc", name]).settings().expect("settings");
            assert_eq!(settings.listen, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        }
    }

    #[test]
    fn outside_services_are_named_by_the_file() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("svc.toml");
        let config = path.to_str().expect("a path of text");
        let settings = || Args::parse_from(["vitrina-svc", "orders", "--config", config]).settings();
        let whole = "public_url = \"https://shop.example\"\n[mercadopago]\naccess_token = \"TEST-1\"\n\
            webhook_secret = \"s\"\n[s3]\nbucket = \"pictures\"\n";
        fs::write(&path, whole).expect("the file");
        let outside = settings().expect("settings").outside;
        assert_eq!(
            outside.mercadopago.expect("a provider").notification_url,
            "https://shop.example/v1/webhooks/mercadopago"
        );
        assert_eq!((outside.s3.bucket.as_str(), outside.s3.endpoint), ("pictures", None));
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("svc.toml");
        fs::write(&path, "lisen = \"127.0.0.1:1\"\n").expect("the file");
        assert!(read(&path).is_err());
    }
}
