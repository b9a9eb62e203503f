//! TLS: certificate and key from PEM files, read anew when they change, so that a renewal needs no restart.
//!
//! A handshake takes the certificate that is current when it begins; connections that are open keep theirs. Files that
//! cannot be used, such as a new certificate whose key is not written yet, leave the old ones in force.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at: two small reads.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

/// What the edge speaks, in the order of its preference.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Section `[edge.tls]`: with it, the address for clients speaks TLS only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM file of the certificate, with those of its issuers behind it.
    pub cert: PathBuf,
    /// PEM file of the private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: PathBuf,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Seconds for which a browser must not come without TLS again (RFC 6797); 0: it is not told so.
    #[serde(default = "hsts_s")]
    pub hsts_s: u32,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum TlsVersion {
    /// 1.2 and 1.3, for clients from before 2018.
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3 only.
    #[default]
    #[serde(rename = "1.3")]
    V1_3,
}

/// The certificate in force.
#[derive(Debug)]
pub(crate) struct Certificates {
    current: ArcSwap<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Digest of both files and the version: tells whether they are others now, without keeping the key.
    digest: [u8; 32],
    config: Arc<ServerConfig>,
}

/// One year, the shortest that browsers' lists of such sites take.
fn hsts_s() -> u32 {
    31_536_000
}

impl Tls {
    /// What is wrong with the files, each sentence with its key; empty when they can be used.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        load(self).err().unwrap_or_default()
    }

    /// The value of `Strict-Transport-Security`, when browsers are to be told.
    pub(crate) fn hsts(&self) -> Option<String> {
        (self.hsts_s > 0).then(|| format!("max-age={}", self.hsts_s))
    }

    fn versions(&self) -> Vec<&'static SupportedProtocolVersion> {
        match self.min_version {
            TlsVersion::V1_2 => vec![&TLS13, &TLS12],
            TlsVersion::V1_3 => vec![&TLS13],
        }
    }
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// Every mistake, each with its key.
    pub(crate) fn open(tls: &Tls) -> Result<Self, Vec<String>> {
        Ok(Self { current: ArcSwap::from_pointee(load(tls)?) })
    }

    /// Reads the files again. Gives whether something else is in force now.
    ///
    /// # Errors
    /// Every mistake, each with its key; what was in force stays.
    pub(crate) fn reload(&self, tls: &Tls) -> Result<bool, Vec<String>> {
        let loaded = load(tls)?;
        let is_new = loaded.digest != self.current.load().digest;
        if is_new {
            self.current.store(Arc::new(loaded));
        }
        Ok(is_new)
    }

    /// For one handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load().config.clone())
    }
}

fn load(tls: &Tls) -> Result<Loaded, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut file = |name: &str, path: &Path| {
        fs::read(path).unwrap_or_else(|error| {
            mistakes.push(format!("edge.tls.{name}: cannot read {}: {error}", path.display()));
            Vec::new()
        })
    };
    let (cert, key) = (file("cert", &tls.cert), file("key", &tls.key));
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let chain = CertificateDer::pem_slice_iter(&cert).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if chain.is_empty() {
        mistakes.push(format!("edge.tls.cert: {} holds no certificate in PEM", tls.cert.display()));
    }
    let key_der = PrivateKeyDer::from_pem_slice(&key);
    let Ok(key_der) = key_der else {
        mistakes.push(format!("edge.tls.key: {} holds no private key in PEM", tls.key.display()));
        return Err(mistakes);
    };
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let mut digest = Sha256::new();
    for part in [&cert, &key, &vec![u8::from(tls.min_version == TlsVersion::V1_3)]] {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    let config = server_config(tls, chain, key_der)
        .map_err(|error| vec![format!("edge.tls: certificate and key cannot be used: {error}")])?;
    Ok(Loaded { digest: digest.finalize().into(), config: Arc::new(config) })
}

fn server_config(
    tls: &Tls,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&tls.versions())?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
    // Sessions are resumed from tickets, which cost the edge no memory. Early data stays off: it can be replayed.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}
