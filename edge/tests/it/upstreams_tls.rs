//! Plain HTTP servers that speak TLS: their certificates are checked, whichever way a request goes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vitrina_edge::{Edge, EdgeConfig, HttpUpstream, Upstreams};

use crate::origin::{Origin, answer, behind, upstream};
use crate::resilience::until;
use crate::support::{check_problem, free};

const NAME: &str = "cms.internal";

/// Speaks TLS in front of a server. Gives where, and writes the certificate into `dir`.
async fn tls_in_front(origin: SocketAddr, dir: &Path) -> (SocketAddr, PathBuf) {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let file = dir.join("ca.pem");
    std::fs::write(&file, cert.pem()).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(free()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut plain = TcpStream::connect(origin).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut plain).await;
            });
        }
    });
    (address, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_fills_and_checks_go_over_tls() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    origin.on(|_| answer(200, &[("cache-control", "max-age=60")], "over tls"));
    let (address, ca) = tls_in_front(origin.address, dir.path()).await;
    let shop = behind(HttpUpstream {
        tls: true,
        tls_name: Some(NAME.into()),
        tls_ca: Some(ca),
        cache: true,
        health_path: Some("/up".into()),
        health_every_ms: 50,
        ..upstream(&[address])
    })
    .await;
    let fill = shop.get("/old/a").await;
    assert!(fill.headers()["cache-status"].to_str().unwrap().ends_with("stored"), "{fill:?}");
    assert_eq!(fill.text().await.unwrap(), "over tls");
    let passage = shop.http.post(shop.url("/old/a")).body("x").send().await.unwrap();
    assert_eq!(passage.text().await.unwrap(), "over tls");
    until("it is checked", async || origin.seen().iter().filter(|seen| seen.target == "/up").count() > 2)
        .await;
    assert_eq!(shop.get("/old/b").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_another_s_or_nobody_s_is_refused() {
    let (origin, dir) = (Origin::start().await, tempfile::tempdir().unwrap());
    let (address, ca) = tls_in_front(origin.address, dir.path()).await;
    let named = HttpUpstream { tls: true, tls_name: Some(NAME.into()), ..upstream(&[address]) };
    for (wrong, why) in [
        // The name is that of the address then.
        (HttpUpstream { tls_name: None, tls_ca: Some(ca.clone()), ..named.clone() }, "another's name"),
        (
            HttpUpstream { tls_name: Some("other.internal".into()), tls_ca: Some(ca), ..named.clone() },
            "another's name",
        ),
        (named, "nobody that the system trusts"),
    ] {
        for cache in [false, true] {
            let shop = behind(HttpUpstream { cache, ..wrong.clone() }).await;
            let answer = shop.get("/old").await;
            assert_eq!(answer.status(), 502, "{why}");
            check_problem(answer, 502, "upstream_failed").await;
        }
    }
    assert!(origin.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_no_certificate_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, "nothing").unwrap();
    let http = HttpUpstream { tls: true, tls_ca: Some(file), ..upstream(&[free()]) };
    let config =
        EdgeConfig { listen: free(), admin_listen: free(), http: vec![http], ..EdgeConfig::default() };
    let error = Edge::start(config, Upstreams::new(), None).await.unwrap_err().to_string();
    assert!(error.contains("edge.http[0]: tls_ca"), "{error}");
}
