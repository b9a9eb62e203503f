//! Calls that leave: the client of every HTTP call that this workspace makes.
//!
//! *Duty*: what a client trusts is decided in one place, for calls to vendors as for those of tests. *Flow*: [`client`] gives a
//! builder with TLS by rustls and ring, and the authorities that the system trusts; the caller adds its time limits. `clippy.toml`
//! refuses every other way to a client: reqwest is built without a provider of its own, since a second one beside ring would be
//! a second TLS in every program, and such a client panics when it is made.
//!
//! *Invariants*: a server whose certificate no known authority has signed is not talked to. A system without authorities is no
//! error here, as a shop that talks to stand-ins needs none; then no `https` server is trusted. *It is not* for S3, whose SDK
//! brings its own client, nor for calls between services.

use std::error::Error;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use reqwest::{ClientBuilder, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Read once: a system has some hundred and fifty authorities, and no process outlives its system's updates by much.
static TLS: LazyLock<ClientConfig> = LazyLock::new(tls);

/// A client that speaks HTTP/1.1, and TLS 1.2 and 1.3 with servers whose certificates an authority of the system has signed, or one
/// of the file that the environment names as `SSL_CERT_FILE` (in its place; also `SSL_CERT_DIR`).
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn client() -> ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(TLS.clone())
}

/// Why a call got no answer, in a few words for an operator: `timeout`, or what the innermost cause says, such as a
/// certificate that is not trusted. Never the URL, which may hold ids.
pub fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timeout".to_owned();
    }
    let mut innermost = None;
    let mut source = error.source();
    while let Some(error) = source {
        innermost = Some(error);
        source = error.source();
    }
    match innermost {
        Some(innermost) => format!("connection failed: {innermost}"),
        None => "connection failed".to_owned(),
    }
}

/// What is wrong with the base URL of a vendor, whose own servers are those of `domain`.
pub fn url_mistake(url: &str, domain: &str) -> Option<String> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some((parsed, host)) = parsed.as_ref().and_then(|url| url.host_str().map(|host| (url, host))) else {
        return Some(format!("must be a URL such as https://{domain}"));
    };
    if url.ends_with('/') {
        return Some("must not end with a slash".to_owned());
    }
    (is_of(host, domain) && parsed.scheme() == "http").then(|| {
        format!(
            "must be https://{host}: over http, everybody on the way could read the keys, and nobody answers"
        )
    })
}

/// Whether a URL leads to the servers of `domain`.
pub fn leads_to(url: &str, domain: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.host_str().is_some_and(|host| is_of(host, domain)))
}

/// Whether a URL leads to this machine only, which nobody else can call it by.
pub fn is_local(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    })
}

fn is_of(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn tls() -> ClientConfig {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        tracing::warn!(
            errors = errors.join("; "),
            "the system knows no certificate authorities: no https server will be trusted"
        );
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks the versions that rustls does")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_without_any_set_up() {
        assert!(client().build().is_ok());
    }

    #[test]
    fn a_vendor_is_never_called_in_clear() {
        let mistake = |url| url_mistake(url, "vendor.example").unwrap_or_default();
        for good in ["https://api.vendor.example", "https://vendor.example", "http://127.0.0.1:7100"] {
            assert_eq!(mistake(good), "");
        }
        for bad in ["http://api.vendor.example", "http://vendor.example:80"] {
            assert!(mistake(bad).starts_with("must be https://"), "{bad}: {}", mistake(bad));
        }
        assert_eq!(mistake("http://othervendor.example"), "");
        for none in ["", "api.vendor.example", "ftp://vendor.example"] {
            assert!(mistake(none).starts_with("must be a URL"), "{none}");
        }
        assert_eq!(mistake("https://api.vendor.example/"), "must not end with a slash");
    }

    #[test]
    fn an_address_of_this_machine_is_told_from_others() {
        for local in ["http://127.0.0.1:8080/v1", "http://localhost", "http://[::1]:8080"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["https://shop.example", "http://10.0.0.5", "nothing"] {
            assert!(!is_local(other), "{other}");
        }
        assert!(leads_to("https://api.vendor.example", "vendor.example"));
        assert!(!leads_to("http://127.0.0.1:7100", "vendor.example"));
    }
}
