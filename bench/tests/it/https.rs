//! Vendors are called by https: a server is talked to when the system trusts whoever signed its certificate, and else it is not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vitrina_bench::story::{self, Person, purchase_body, surely};
use vitrina_bench::{Options, Shop, Way};
use vitrina_sandbox::{Sandbox, SandboxConfig};

/// An authority of this test's own, and a key and certificate for `localhost` that it has signed.
struct Authority {
    file: PathBuf,
    server: ServerConfig,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // By its name a certificate is found to be of another authority, not to be one of the known one's that was changed.
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        let own = params.self_signed(&key).expect("it can be signed");
        let issuer = Issuer::new(params, key);
        let file = folder.join(format!("{name}.pem"));
        std::fs::write(&file, own.pem()).expect("the folder can be written");

        let key = KeyPair::generate().expect("a key can be made");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("it is a name");
        let signed = params.signed_by(&key, &issuer).expect("it can be signed");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring speaks the versions that rustls does")
            .with_no_client_auth()
            .with_single_cert(vec![signed.der().clone()], key)
            .expect("the key is the certificate's");
        Authority { file, server }
    }

    /// Serves `target` by https; gives the URL.
    async fn serve(self, target: std::net::SocketAddr) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let port = listener.local_addr().expect("it has an address").port();
        let acceptor = TlsAcceptor::from(Arc::new(self.server));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the certificate goes away here.
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut target = TcpStream::connect(target).await.expect("the stand-in listens");
                    let _ = copy_bidirectional(&mut stream, &mut target).await;
                });
            }
        });
        format!("https://localhost:{port}")
    }
}

/// A shop whose payments are taken at `url`, and which trusts the authority in `trusted`.
async fn shop(url: String, trusted: &Path) -> (Shop, Person, String) {
    let environment = vec![
        ("VITRINA_MERCADOPAGO_URL", url),
        ("VITRINA_MERCADOPAGO_ACCESS_TOKEN", "TEST-vitrina".to_owned()),
        ("VITRINA_MERCADOPAGO_WEBHOOK_SECRET", "vitrina-webhook-secret".to_owned()),
        ("VITRINA_MERCADOPAGO_NOTIFICATION_URL", "https://shop.example/v1/webhooks/mercadopago".to_owned()),
        ("SSL_CERT_FILE", trusted.display().to_string()),
    ];
    let shop = Shop::start_with(Way::OneProcess, Options { environment, ..Options::default() }).await;
    let client = shop.client();
    let (seller, buyer) = (story::seller(&client, "ana").await, story::person(&client, "beto").await);
    let (_, publication) = story::publication(&seller, "Radio").await;
    let body = purchase_body(&publication, 1, "AUTOMATIC");
    let placed = surely(&buyer.client, "/v1/orders", "one", &body).await.expect(201);
    (shop, buyer, placed.text_at("/orders/0/id"))
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_taken_by_a_provider_whose_authority_is_trusted() {
    let folder = tempfile::tempdir().expect("there is room");
    let vendor = Sandbox::start(SandboxConfig::new(folder.path().join("vendor"))).await.expect("it starts");
    let authority = Authority::new(folder.path(), "known");
    let trusted = authority.file.clone();
    let (_shop, buyer, order) = shop(authority.serve(vendor.addr).await, &trusted).await;
    story::preference(&buyer, &order).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_whose_authority_is_unknown_is_told_nothing() {
    let folder = tempfile::tempdir().expect("there is room");
    let vendor = Sandbox::start(SandboxConfig::new(folder.path().join("vendor"))).await.expect("it starts");
    let trusted = Authority::new(folder.path(), "known").file;
    let stranger = Authority::new(folder.path(), "unknown");
    let (shop, buyer, order) = shop(stranger.serve(vendor.addr).await, &trusted).await;
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    // The operator is told why, the order waits.
    while !shop.log().contains("UnknownIssuer") {
        assert!(tokio::time::Instant::now() < limit, "{}", shop.log());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let shown = buyer.client.get(&format!("/v1/orders/{order}")).await.expect(200);
    assert_eq!(shown.text_at("/state"), "RESERVED");
    assert!(shown.json.pointer("/payment/redirectUrl").is_none(), "{shown:#?}");
}
