//! `vitrina.toml`: one file for all that can be set, each section checked key by key.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Table;
use vitrina_edge::{EdgeConfig, TelemetryConfig};
use vitrina_images::S3Config;
use vitrina_notifications::{Fcm, SendGrid};
use vitrina_orders::MercadoPago;
use vitrina_svc::Sections;

/// Everything that a file can set; what is absent has its default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Config {
    pub(crate) edge: EdgeConfig,
    /// Without `otlp`: `http://127.0.0.1:4317`, quietly off when nothing listens there.
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) broker: Broker,
    /// Absent: the sandbox's.
    pub(crate) s3: Option<S3Config>,
    /// Absent: the sandbox's.
    pub(crate) mercadopago: Option<MercadoPago>,
    /// Absent: the sandbox's.
    pub(crate) sendgrid: Option<SendGrid>,
    /// Absent: the sandbox's.
    pub(crate) fcm: Option<Fcm>,
    pub(crate) notifications: Notifications,
    /// The sections as they were read, to be compared with those of later.
    #[serde(skip)]
    sections: Table,
}

/// Sections that are read at the start alone.
const READ_AT_START: [&str; 6] = ["broker", "s3", "mercadopago", "sendgrid", "fcm", "notifications"];

/// What people are told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Notifications {
    /// Base of the links in mails, where people use the shop; absent: the edge's address.
    pub(crate) link_base: Option<String>,
}

/// Which broker carries the events.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Broker {
    /// `amqp://…`; absent: the embedded one.
    pub(crate) url: Option<String>,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// With every mistake at once, each with its section and key.
    pub(crate) fn read(path: &Path) -> Result<Config> {
        let text = fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))?;
        let table: Table = text.parse().with_context(|| format!("{} is no TOML", path.display()))?;
        let mistakes = mistakes(&table);
        if !mistakes.is_empty() {
            bail!("{}:\n  {}", path.display(), mistakes.join("\n  "));
        }
        let config = Config::deserialize(table.clone());
        let config = config.with_context(|| format!("{} is wrong", path.display()))?;
        Ok(Config { sections: table, ..config })
    }

    /// What is different from `started` and takes effect at the next start only. What the edge says of its own section comes
    /// beside it.
    pub(crate) fn needs_restart(&self, started: &Config) -> Vec<&'static str> {
        let is_other = |name: &&str| self.sections.get(*name) != started.sections.get(*name);
        let mut changed: Vec<_> = READ_AT_START.into_iter().filter(is_other).collect();
        if self.telemetry.otlp != started.telemetry.otlp {
            changed.push("telemetry.otlp");
        }
        changed
    }

    /// What it says of outside services.
    pub(crate) fn outside(&self) -> Sections {
        Sections {
            s3: self.s3.clone(),
            mercadopago: self.mercadopago.clone(),
            sendgrid: self.sendgrid.clone(),
            fcm: self.fcm.clone(),
        }
    }
}

/// Reads a file and says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<ExitCode> {
    Config::read(path)?;
    println!("{}: nothing to say", path.display());
    Ok(ExitCode::SUCCESS)
}

fn mistakes(table: &Table) -> Vec<String> {
    let mut mistakes = Vec::new();
    for (section, value) in table {
        match (section.as_str(), value.as_table()) {
            ("edge", Some(keys)) => {
                mistakes.extend(
                    EdgeConfig::from_table(keys.clone()).map_or_else(|wrong| wrong, |edge| edge.mistakes()),
                );
            }
            ("telemetry", Some(keys)) => {
                mistakes.extend(TelemetryConfig::from_table(keys.clone()).err().unwrap_or_default());
            }
            ("broker", Some(keys)) => mistakes.extend(wrong_keys::<Broker>("broker", keys)),
            ("s3", Some(keys)) => mistakes.extend(wrong_keys::<S3Config>("s3", keys)),
            ("mercadopago", Some(keys)) => mistakes.extend(wrong_keys::<MercadoPago>("mercadopago", keys)),
            ("sendgrid", Some(keys)) => mistakes.extend(wrong_keys::<SendGrid>("sendgrid", keys)),
            ("fcm", Some(keys)) => mistakes.extend(wrong_keys::<Fcm>("fcm", keys)),
            ("notifications", Some(keys)) => {
                mistakes.extend(wrong_keys::<Notifications>("notifications", keys))
            }
            (
                "edge" | "telemetry" | "broker" | "s3" | "mercadopago" | "sendgrid" | "fcm" | "notifications",
                None,
            ) => mistakes.push(format!("{section}: must be a section, [{section}]")),
            _ => mistakes.push(format!(
                "[{section}]: there is no such section; there are edge, telemetry, broker, s3, mercadopago, \
                 sendgrid, fcm and notifications"
            )),
        }
    }
    // Secrets may stand in the environment instead, so both are looked at together, once each key by itself can be read.
    mistakes.extend(outside(table).with_environment(None).mistakes());
    mistakes
}

/// What a file says of outside services; a section that cannot be read is as if it were absent.
fn outside(table: &Table) -> Sections {
    Sections {
        s3: section(table, "s3"),
        mercadopago: section(table, "mercadopago"),
        sendgrid: section(table, "sendgrid"),
        fcm: section(table, "fcm"),
    }
}

fn section<T: DeserializeOwned>(table: &Table, name: &str) -> Option<T> {
    T::deserialize(table.get(name)?.as_table()?.clone()).ok()
}

/// Tries each key alone, so that the first mistake does not hide the others.
fn wrong_keys<T: DeserializeOwned>(section: &str, keys: &Table) -> Vec<String> {
    let each = keys.iter().filter_map(|(key, value)| {
        let alone = Table::from_iter([(key.clone(), value.clone())]);
        let error = T::deserialize(alone).err()?;
        Some(format!("{section}.{key}: {}", error.message().trim()))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        assert!(mistakes(&Table::new()).is_empty());
    }

    #[test]
    fn what_is_read_at_the_start_alone_is_told_apart() {
        let config = |text: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            Config::read(file.path()).unwrap()
        };
        let started =
            config("[notifications]\nlink_base = \"https://a.example\"\n[telemetry]\nlog = \"info\"\n");
        let log =
            config("[notifications]\nlink_base = \"https://a.example\"\n[telemetry]\nlog = \"debug\"\n");
        assert!(log.needs_restart(&started).is_empty());
        let other = config("[broker]\nurl = \"amqp://a\"\n[telemetry]\notlp = \"http://b:1\"\n");
        assert_eq!(other.needs_restart(&started), ["broker", "notifications", "telemetry.otlp"]);
    }

    #[test]
    fn every_mistake_is_named() {
        let table = "[edge]\nlisten = \"here\"\nthreds = 1\n[broker]\nurl = 5\n[shop]\nx = 1\n\
            [mercadopago]\naccess_token = \"TEST-1\"\nurl = \"http://api.mercadopago.com\"\n\
            [sendgrid]\nfrom_email = \"nobody\"\n[fcm]\nservice_account = \"nowhere.json\"";
        let mistakes = mistakes(&table.parse().unwrap()).join("\n");
        for name in [
            "edge.listen",
            "edge.threds",
            "broker.url",
            "[shop]",
            "mercadopago.webhook_secret: is missing",
            "mercadopago.url: must be https://api.mercadopago.com",
            "sendgrid.api_key: is missing",
            "sendgrid.from_email: must be an address",
            "sendgrid.webhook_key: is missing",
            "fcm.service_account: its file cannot be read",
        ] {
            assert!(mistakes.contains(name), "{name} is not in {mistakes}");
        }
    }
}
