//! The sections of a `vitrina.toml` that an edge reads: `[edge]` and `[telemetry]`. The others belong to others.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::EdgeConfig;
use crate::error::Error;

/// What a file says to an edge; what is absent has its default.
#[derive(Clone, Debug, Default)]
pub struct ConfigFile {
    /// The section `[edge]`.
    pub edge: EdgeConfig,
    /// The section `[telemetry]`.
    pub telemetry: TelemetryConfig,
}

/// What a process tells of itself, and where: the section `[telemetry]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// OTLP over gRPC; absent: what the program does without it.
    pub otlp: Option<String>,
    /// Filter of the log, such as `info,vitrina_edge=debug`; absent: the program's own. A reload changes it.
    pub log: Option<String>,
}

impl ConfigFile {
    /// Reads a file; without a path: the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or a section is wrong: then with every wrong key.
    pub fn read(path: Option<&Path>) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::ReadConfig { path: path.to_owned(), source })?;
        let mut file: Table = toml::from_str(&text)
            .map_err(|source| Error::ParseConfig { path: path.to_owned(), source: Box::new(source) })?;
        let edge = section(&mut file, "edge").and_then(EdgeConfig::from_table);
        let telemetry = section(&mut file, "telemetry").and_then(TelemetryConfig::from_table);
        match (edge, telemetry) {
            (Ok(edge), Ok(telemetry)) => Ok(Self { edge, telemetry }),
            (edge, telemetry) => {
                let mistakes = [edge.err(), telemetry.err()].into_iter().flatten().flatten();
                Err(Error::Config(mistakes.collect()))
            }
        }
    }
}

impl TelemetryConfig {
    /// The section from its keys.
    ///
    /// # Errors
    /// Every wrong key.
    pub fn from_table(keys: Table) -> Result<Self, Vec<String>> {
        let (section, mut mistakes) = super::by_key::<Self>("telemetry", keys);
        if let Some(Err(error)) = section.log.as_deref().map(vitrina_otel::check_log_filter) {
            mistakes.push(format!("telemetry.log: {error}"));
        }
        if mistakes.is_empty() { Ok(section) } else { Err(mistakes) }
    }
}

/// Takes a section out of a file; an empty one when it is not there.
fn section(file: &mut Table, name: &str) -> Result<Table, Vec<String>> {
    match file.remove(name) {
        None => Ok(Table::new()),
        Some(Value::Table(keys)) => Ok(keys),
        Some(_) => Err(vec![format!("{name}: must be a section, [{name}]")]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ConfigFile, Error> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        ConfigFile::read(Some(file.path()))
    }

    #[test]
    fn a_section_changes_what_it_names_only() {
        let text =
            "[edge]\nlisten = \"127.0.0.1:0\"\n[edge.rates.auth]\nper_s = 1\nburst = 2\n[users]\nx = 1\n";
        let file = read(text).unwrap();
        assert_eq!(file.edge.rates.auth.burst, 2);
        assert_eq!(file.edge.rates.read.per_s, 20_000);
        assert_eq!(file.telemetry, TelemetryConfig::default());
    }

    #[test]
    fn every_mistake_of_both_sections_is_named_at_once() {
        let text = "[edge]\nlisten_on = 1\ndrain_ms = \"long\"\ncache = { bytes_max = 0 }\n\
            cors = { origins = [\"shop.example\"] }\nupstreams = { users = [\"no address\"] }\n\
            [telemetry]\notpl = 1\nlog = \"a=loud\"\n";
        let Err(Error::Config(mistakes)) = read(text) else { panic!("it is refused") };
        let all = mistakes.join("\n");
        for name in
            ["edge.listen_on", "edge.drain_ms", "edge.cors.origins", "edge.upstreams.users", "telemetry.otpl"]
        {
            assert!(all.contains(name), "{name} is not in {all}");
        }
        assert!(all.contains("telemetry.log"), "{all}");
    }
}
