//! What can be set on a plain HTTP upstream: the sections `[[edge.http]]` of `vitrina.toml`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use serde::Deserialize;

use super::{EdgeConfig, SERVICES};
use crate::upstream::origin::Trust;

/// Longest name; it becomes a label of numbers and a name in `/admin/upstreams`.
const NAME_BYTES_MAX: usize = 40;

/// A server that speaks HTTP/1.1, such as an old catalogue or a CMS, put behind the edge under a prefix.
///
/// A route of the contract wins over any prefix, the longer prefix over the shorter.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpUpstream {
    /// What operators call it: small letters, digits and `-`; not the name of a service.
    pub name: String,
    /// Such as `/catalogue`: this path and all below it. `/` takes whatever no route knows.
    pub path_prefix: String,
    /// `host:port` of each replica, taken in turn. Names are looked up at each new connection.
    pub addresses: Vec<String>,
    /// Whether the upstream sees its paths without the prefix.
    pub strip_prefix: bool,
    /// `Host` as the upstream is to see it; absent: as the client sent it.
    pub host: Option<String>,
    /// Whether the upstream speaks TLS; its certificate is always checked.
    pub tls: bool,
    /// Name that its certificate must have; absent: the host of each address.
    pub tls_name: Option<String>,
    /// PEM file of who issued its certificate; absent: whom the system trusts.
    pub tls_ca: Option<PathBuf>,
    /// Path that answers 2xx or 3xx while an address is well; absent: addresses are judged by their connections alone.
    pub health_path: Option<String>,
    /// Milliseconds between two checks of an address, at least 1.
    pub health_every_ms: u64,
    /// Whether what it answers to GET may be stored, as RFC 9111 and its own headers allow.
    pub cache: bool,
    /// Bytes of the largest answer that is stored; a longer one passes through, as does one above `entry_bytes_max` of
    /// `[edge.cache]`.
    pub object_bytes_max: usize,
    /// Bytes that the body of a request may have.
    pub body_bytes_max: usize,
    /// Milliseconds for a connection to be made.
    pub connect_ms: u64,
    /// Milliseconds of silence after which an answer is given up.
    pub read_ms: u64,
    /// Milliseconds without progress after which sending a request is given up.
    pub write_ms: u64,
    /// Rate class of all its requests; absent: `read` for safe methods, `write` for the others.
    pub rate_class: Option<String>,
}

impl Default for HttpUpstream {
    fn default() -> Self {
        Self {
            name: String::new(),
            path_prefix: String::new(),
            addresses: Vec::new(),
            strip_prefix: false,
            host: None,
            tls: false,
            tls_name: None,
            tls_ca: None,
            health_path: None,
            health_every_ms: 2_000,
            cache: false,
            object_bytes_max: 8 * 1024 * 1024,
            body_bytes_max: 16 * 1024 * 1024,
            connect_ms: 1_000,
            read_ms: 30_000,
            write_ms: 30_000,
            rate_class: None,
        }
    }
}

impl HttpUpstream {
    pub(crate) fn health_every(&self) -> Duration {
        Duration::from_millis(self.health_every_ms)
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }

    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_millis(self.read_ms)
    }

    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_ms)
    }

    /// What is wrong with this section alone.
    fn mistakes(&self, rate_classes: &[&str]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let is_name = |text: &str| {
            (1..=NAME_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        };
        if !is_name(&self.name) {
            mistakes.push("name must be 1 to 40 small letters, digits or `-`".to_owned());
        } else if SERVICES.contains(&self.name.as_str()) {
            mistakes.push("name is that of a service".to_owned());
        }
        if !is_prefix(&self.path_prefix) {
            mistakes.push(format!("path_prefix `{}` is no path such as /catalogue", self.path_prefix));
        }
        if self.addresses.is_empty() {
            mistakes.push("addresses must name at least one".to_owned());
        }
        for address in self.addresses.iter().filter(|address| !is_address(address)) {
            mistakes.push(format!("`{address}` is no address such as 127.0.0.1:8090"));
        }
        if self.host.as_ref().is_some_and(|host| host.is_empty() || HeaderValue::from_str(host).is_err()) {
            mistakes.push("host is no host name".to_owned());
        }
        mistakes.extend(Trust::open(self).err());
        if self.health_path.as_ref().is_some_and(|path| !is_path(path)) {
            mistakes.push("health_path is no path such as /health".to_owned());
        }
        if let Some(class) = self.rate_class.as_ref().filter(|class| !rate_classes.contains(&class.as_str()))
        {
            mistakes.push(format!("there is no rate class `{class}`"));
        }
        let at_least_one = [
            ("health_every_ms", self.health_every_ms),
            ("connect_ms", self.connect_ms),
            ("read_ms", self.read_ms),
            ("write_ms", self.write_ms),
        ];
        for (name, _) in at_least_one.iter().filter(|(_, value)| *value == 0) {
            mistakes.push(format!("{name} must be at least 1"));
        }
        mistakes
    }
}

/// Every mistake in the sections `[[edge.http]]`, each with the section that it is in.
pub(super) fn mistakes(config: &EdgeConfig) -> Vec<String> {
    let classes: Vec<&str> = config.rates.named().into_iter().map(|(name, _)| name).collect();
    let mut names = BTreeSet::new();
    let mut prefixes = BTreeSet::new();
    let mut all = Vec::new();
    for (index, upstream) in config.http.iter().enumerate() {
        let mut mistakes = upstream.mistakes(&classes);
        if !upstream.name.is_empty() && !names.insert(&upstream.name) {
            mistakes.push(format!("the name `{}` is there already", upstream.name));
        }
        if !upstream.path_prefix.is_empty() && !prefixes.insert(&upstream.path_prefix) {
            mistakes.push(format!("the path_prefix `{}` is there already", upstream.path_prefix));
        }
        all.extend(mistakes.into_iter().map(|what| format!("edge.http[{index}]: {what}")));
    }
    all
}

fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"#\"<>\\".contains(&byte))
}

fn is_prefix(text: &str) -> bool {
    text == "/" || (is_path(text) && !text.ends_with('/') && !text.contains(['?', '%', '{', '*']))
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let is_host = !host.is_empty()
        && (host.starts_with('[') && host.ends_with(']')
            || host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> EdgeConfig {
        #[derive(Deserialize)]
        struct File {
            edge: EdgeConfig,
        }
        toml::from_str::<File>(text).unwrap().edge
    }

    #[test]
    fn a_section_of_three_lines_is_enough() {
        let config = parsed(
            "[[edge.http]]\nname = \"cms\"\npath_prefix = \"/cms\"\naddresses = [\"cms.internal:8090\", \"[::1]:80\"]\n",
        );
        assert!(config.mistakes().is_empty(), "{:?}", config.mistakes());
    }

    #[test]
    fn every_mistake_of_every_section_is_named() {
        let config = parsed(
            r#"
            [[edge.http]]
            name = "users"
            path_prefix = "cms/"
            addresses = ["http://cms:80"]
            rate_class = "slow"
            read_ms = 0
            [[edge.http]]
            name = "cms"
            path_prefix = "/cms"
            health_path = "health"
            host = ""
            [[edge.http]]
            name = "cms"
            path_prefix = "/cms"
            addresses = ["cms:80"]
            "#,
        );
        let mistakes = config.mistakes();
        let count = |section: &str| mistakes.iter().filter(|mistake| mistake.starts_with(section)).count();
        assert_eq!(count("edge.http[0]"), 5, "{mistakes:?}");
        assert_eq!(count("edge.http[1]"), 3, "{mistakes:?}");
        assert_eq!(count("edge.http[2]"), 2, "{mistakes:?}");
    }
}
