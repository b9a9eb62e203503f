//! TLS as its clients see it, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use rcgen::CertifiedKey;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vitrina_edge::{EdgeConfig, Tls, TlsVersion};

use crate::support::{LIMIT, Shop, free};

/// An edge with TLS and the folder of its files.
struct Secure {
    shop: Shop,
    tls: Tls,
    dir: tempfile::TempDir,
    cert: CertificateDer<'static>,
}

impl Secure {
    async fn open(min_version: TlsVersion) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cert = write_new(dir.path());
        let tls = Tls {
            cert: dir.path().join("cert.pem"),
            key: dir.path().join("key.pem"),
            min_version,
            hsts_s: 600,
        };
        let config = EdgeConfig { tls: Some(tls.clone()), ..EdgeConfig::default() };
        Self { shop: Shop::open_with(config, None).await, tls, dir, cert }
    }

    /// Connects as a client that trusts `cert` only.
    async fn connect(
        &self,
        cert: &CertificateDer<'static>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(cert.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = TcpStream::connect(self.shop.edge.addr).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let shaken = TlsConnector::from(Arc::new(config)).connect(name, stream);
        tokio::time::timeout(LIMIT, shaken).await.expect("a handshake ends in time")
    }
}

/// Writes a new certificate with its key into `dir`.
fn write_new(dir: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

async fn health_by_http1(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // Some servers close without a goodbye; what counts is the answer.
    let _ = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn http1_is_served_and_browsers_are_told_to_come_back_that_way() {
    let secure = Secure::open(TlsVersion::V1_3).await;
    let stream = secure.connect(&secure.cert, &[&TLS13], &[]).await.unwrap();
    let answer = health_by_http1(stream).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age=600"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_chosen_by_clients_that_know_it() {
    let secure = Secure::open(TlsVersion::V1_3).await;
    let stream = secure.connect(&secure.cert, &[&TLS13], &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut ready: h2::client::SendRequest<Bytes> = requests.ready().await.unwrap();
    let request = Request::builder().uri("https://localhost/healthz").body(()).unwrap();
    let (answer, _) = ready.send_request(request, true).unwrap();
    assert_eq!(tokio::time::timeout(LIMIT, answer).await.unwrap().unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_is_spoken_only_when_allowed() {
    let strict = Secure::open(TlsVersion::V1_3).await;
    assert!(strict.connect(&strict.cert, &[&TLS12], &[]).await.is_err());
    let lenient = Secure::open(TlsVersion::V1_2).await;
    let stream = lenient.connect(&lenient.cert, &[&TLS12], &[]).await.unwrap();
    assert!(health_by_http1(stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_without_a_restart() {
    let secure = Secure::open(TlsVersion::V1_3).await;
    let open = secure.connect(&secure.cert, &[&TLS13], &[]).await.unwrap();
    let renewed = write_new(secure.dir.path());
    let config = EdgeConfig {
        listen: free(),
        admin_listen: free(),
        tls: Some(secure.tls.clone()),
        ..EdgeConfig::default()
    };
    secure.shop.edge.reload(config.clone()).unwrap();
    assert!(secure.connect(&secure.cert, &[&TLS13], &[]).await.is_err(), "the old one is no longer shown");
    secure.connect(&renewed, &[&TLS13], &[]).await.unwrap();
    assert!(health_by_http1(open).await.starts_with("HTTP/1.1 200"), "open connections stay");

    std::fs::write(&secure.tls.key, "no key").unwrap();
    let refused = secure.shop.edge.reload(config).unwrap_err().to_string();
    assert!(refused.contains("edge.tls.key"), "{refused}");
    secure.connect(&renewed, &[&TLS13], &[]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_tls_gets_nothing() {
    let secure = Secure::open(TlsVersion::V1_3).await;
    let answer = secure.shop.raw("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_agrees() {
    let secure = Secure::open(TlsVersion::V1_3).await;
    let port = secure.shop.edge.addr.port();
    for (protocol, said) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let curl = tokio::process::Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30", "--tlsv1.3", protocol])
            .args([
                "--output",
                "/dev/null",
                "--write-out",
                "%{http_version} %{response_code} %{ssl_verify_result}",
            ])
            .arg("--resolve")
            .arg(format!("localhost:{port}:127.0.0.1"))
            .arg("--cacert")
            .arg(&secure.tls.cert)
            .arg(format!("https://localhost:{port}/openapi.json"))
            .output()
            .await
            .unwrap();
        let answer = String::from_utf8_lossy(&curl.stdout);
        assert_eq!(answer, format!("{said} 200 0"), "{}", String::from_utf8_lossy(&curl.stderr));
    }
}
