//! TLS to an upstream: which name its certificate must have, and who must have issued it.
//!
//! A certificate is always checked: there is no way to switch that off, since a file with the issuer's certificate does the same
//! safely. The file is read with the configuration.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use pingora_core::protocols::tls::CaType;
use pingora_core::utils::tls::{WrappedX509, parse_x509};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

use crate::config::HttpUpstream;

/// What an upstream's certificate is checked by.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// The name that it must have; absent: the host of the address.
    name: Option<ServerName<'static>>,
    /// For connections of hyper.
    pub(super) client: Arc<ClientConfig>,
    /// For connections of pingora; absent: whom the system trusts.
    pub(super) issuers: Option<Arc<CaType>>,
}

impl Trust {
    /// Reads what the section says; `None` without TLS.
    ///
    /// # Errors
    /// Why it cannot be done.
    pub(crate) fn open(config: &HttpUpstream) -> Result<Option<Self>, String> {
        if !config.tls {
            let is_named = config.tls_name.is_some() || config.tls_ca.is_some();
            return if is_named { Err("tls_name and tls_ca need tls = true".to_owned()) } else { Ok(None) };
        }
        let wrong = |name: &String| format!("tls_name `{name}` is no host name");
        let name = config.tls_name.as_ref();
        let name =
            name.map(|name| ServerName::try_from(name.clone()).map_err(|_| wrong(name))).transpose()?;
        let issuers = config.tls_ca.as_deref().map(issuers).transpose()?;
        let client = client(issuers.as_deref())?;
        let issuers = issuers.map(|issuers| {
            let wrapped = issuers.iter().map(|der| WrappedX509::new(der.to_vec(), parse_x509));
            wrapped.collect::<Vec<_>>().into()
        });
        Ok(Some(Self { name, client: Arc::new(client), issuers }))
    }

    /// The name that the certificate of an address must have.
    pub(super) fn name_at(&self, address: &str) -> String {
        match &self.name {
            Some(name) => name.to_str().into_owned(),
            None => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
                host.trim_matches(['[', ']']).to_owned()
            }
        }
    }

    pub(super) fn name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }
}

/// The configuration of a client without TLS, whose connections are never encrypted.
pub(super) fn nobody() -> Result<ClientConfig, String> {
    client(Some(&[]))
}

/// A client's configuration that trusts these, or whom the system trusts.
fn client(issuers: Option<&[CertificateDer<'static>]>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.map_err(|error| format!("tls: {error}"))?;
    let builder = match issuers {
        None => builder
            .with_native_roots()
            .map_err(|error| format!("tls: the system's certificates cannot be read: {error}"))?,
        Some(issuers) => {
            let mut roots = RootCertStore::empty();
            for issuer in issuers {
                roots.add(issuer.clone()).map_err(|error| format!("tls_ca: {error}"))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

fn issuers(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = fs::read(file).map_err(|error| format!("tls_ca: cannot read {}: {error}", file.display()))?;
    let issuers = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if issuers.is_empty() {
        return Err(format!("tls_ca: {} holds no certificate in PEM", file.display()));
    }
    Ok(issuers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls() -> HttpUpstream {
        HttpUpstream { tls: true, ..HttpUpstream::default() }
    }

    #[test]
    fn a_certificate_has_the_name_of_its_address_unless_told_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let own = rcgen::generate_simple_self_signed(vec!["cms.internal".to_owned()]).unwrap();
        fs::write(&file, own.cert.pem()).unwrap();
        let plain = HttpUpstream { tls_ca: Some(file), ..tls() };
        let trust = Trust::open(&plain).unwrap().unwrap();
        assert_eq!(trust.name_at("cms.example:8443"), "cms.example");
        assert_eq!(trust.name_at("[::1]:8443"), "::1");
        let named = HttpUpstream { tls_name: Some("cms.internal".into()), ..plain };
        assert_eq!(Trust::open(&named).unwrap().unwrap().name_at("10.0.0.1:8443"), "cms.internal");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        assert!(Trust::open(&HttpUpstream::default()).unwrap().is_none());
        for (wrong, name) in [
            (HttpUpstream { tls_name: Some("a b".into()), ..tls() }, "tls_name"),
            (HttpUpstream { tls_ca: Some("/nowhere.pem".into()), ..tls() }, "tls_ca"),
            (HttpUpstream { tls: false, tls_name: Some("a".into()), ..tls() }, "tls = true"),
        ] {
            let mistake = Trust::open(&wrong).unwrap_err();
            assert!(mistake.contains(name), "{mistake}");
        }
    }
}
