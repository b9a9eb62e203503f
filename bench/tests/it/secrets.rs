//! A whole purchase leaves no secret behind: in no log, in no telemetry, in no file, in nothing that is exported.
//!
//! The vendors are stand-ins of this test's own, with keys of its own, so that what the shop keeps is told from what a vendor does.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use vitrina_bench::story::{self, Person, purchase_body, surely};
use vitrina_bench::{Answer, Client, Options, Shop, Way, free_port};
use vitrina_otel::testing::Collector;
use vitrina_sandbox::{Running, Sandbox, SandboxConfig};

const PASSWORD: &str = "hunter-of-lost-umbrellas";
const BANK_NUMBER: &str = "2850590940090418135201";
const CARD_NUMBER: &str = "5031755734530604";
const CARD_HOLDER: &str = "APRO Guillermina Etcheverry";
const DEVICE: &str = "device-token-of-an-old-telephone";
const PROVIDER_TOKEN: &str = "TEST-4242-mercadopago-access";
const WEBHOOK_SECRET: &str = "mercadopago-webhook-hush";
const MAIL_KEY: &str = "SG.sendgrid-key-that-nobody-knows";
const OBJECTS_KEY: &str = "s3-secret-key-of-this-test";
/// Files that are there to hold a secret, and whom only the shop's own user can read.
const KEY_FILES: [&str; 2] = ["master.key", "admin.token"];
/// What a vendor itself keeps: the mailbox that mails with tokens arrive in, and the device that pushes arrive at. Cards are in none:
/// a vendor keeps their ends only.
const KEPT_BY_VENDORS: [&str; 3] = ["verification token", "reset token", "device token"];

/// A secret by its name.
type Secret = (&'static str, String);

struct Scene {
    shop: Shop,
    client: Client,
    outside: Client,
    vendors: Running,
    vendors_folder: tempfile::TempDir,
    collector: Collector,
    secrets: Vec<Secret>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purchase_leaves_no_secret_in_logs_telemetry_files_or_exports() {
    let mut scene = Scene::open().await;
    let (seller, product, publication) = scene.sells().await;
    let buyer = scene.registers("beto").await;
    scene.mails(&buyer).await;
    scene.buys_as_a_guest(&publication).await;
    scene.pays_by_card(&buyer, &publication).await;
    scene.pays_by_transfer(&buyer, &seller, &publication).await;
    scene.is_misunderstood(&buyer).await;
    let pushed = |answer: &Answer| answer.text.contains(DEVICE);
    scene.outside.get_until("/sandbox/pushes", pushed).await;
    seller.client.get(&format!("/v1/products/{product}")).await.expect(200);
    scene.leaves_nothing(&seller).await;
}

impl Scene {
    async fn open() -> Scene {
        let collector = Collector::start().await;
        let vendors_folder = tempfile::tempdir().expect("there is room");
        let port = free_port();
        let edge = format!("http://127.0.0.1:{port}");
        let config = SandboxConfig {
            mercadopago_token: PROVIDER_TOKEN.to_owned(),
            webhook_secret: WEBHOOK_SECRET.to_owned(),
            sendgrid_key: MAIL_KEY.to_owned(),
            sendgrid_events_url: Some(format!("{edge}/v1/webhooks/sendgrid")),
            s3_secret_key: OBJECTS_KEY.to_owned(),
            ..SandboxConfig::new(vendors_folder.path())
        };
        let vendors = Sandbox::start(config).await.expect("the stand-ins start");
        let environment = vec![
            ("VITRINA_MERCADOPAGO_URL", vendors.url()),
            ("VITRINA_MERCADOPAGO_ACCESS_TOKEN", PROVIDER_TOKEN.to_owned()),
            ("VITRINA_MERCADOPAGO_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("VITRINA_MERCADOPAGO_NOTIFICATION_URL", format!("{edge}/v1/webhooks/mercadopago")),
            ("VITRINA_SENDGRID_URL", vendors.url()),
            ("VITRINA_SENDGRID_API_KEY", MAIL_KEY.to_owned()),
            ("VITRINA_SENDGRID_FROM_EMAIL", "shop@example.com".to_owned()),
            ("VITRINA_SENDGRID_WEBHOOK_KEY", vendors.mail_events_key().to_owned()),
            ("VITRINA_FCM_URL", vendors.url()),
            ("VITRINA_FCM_SERVICE_ACCOUNT", vendors.service_account()),
            ("VITRINA_S3_ENDPOINT", vendors.s3_url()),
            ("VITRINA_S3_SECRET_KEY", OBJECTS_KEY.to_owned()),
        ];
        let options = Options {
            otlp: Some(collector.endpoint()),
            edge_port: Some(port),
            arguments: ["--log", "debug"].map(str::to_owned).to_vec(),
            environment,
            ..Options::default()
        };
        let shop = Shop::start_with(Way::OneProcess, options).await;
        let admin = fs::read_to_string(shop.data().join("admin.token")).expect("the shop has made it");
        let account: Value = serde_json::from_str(&vendors.service_account()).expect("it is JSON");
        let account_key = account["private_key"].as_str().expect("an account has a key");
        let account_key: Vec<&str> = account_key.lines().filter(|line| !line.contains("---")).collect();
        let secrets = vec![
            ("password", PASSWORD.to_owned()),
            ("bank account number", BANK_NUMBER.to_owned()),
            ("card number", CARD_NUMBER.to_owned()),
            ("card holder", "Guillermina Etcheverry".to_owned()),
            ("device token", DEVICE.to_owned()),
            ("MercadoPago's access token", PROVIDER_TOKEN.to_owned()),
            ("webhook secret", WEBHOOK_SECRET.to_owned()),
            ("SendGrid key", MAIL_KEY.to_owned()),
            ("S3 secret key", OBJECTS_KEY.to_owned()),
            ("admin token", admin.trim().to_owned()),
            ("key of the push account", account_key[0].to_owned()),
        ];
        let (client, outside) = (shop.client(), Client::new(&vendors.url()));
        Scene { shop, client, outside, vendors, vendors_folder, collector, secrets }
    }

    fn knows(&mut self, name: &'static str, secret: impl Into<String>) {
        self.secrets.push((name, secret.into()));
    }

    /// A person with this test's password; every write carries a key, since what is answered is kept under it.
    async fn registers(&mut self, name: &str) -> Person {
        let body = json!({
            "email": format!("{name}@example.com"), "username": name, "password": PASSWORD,
            "firstName": "Ana", "lastName": "Paz",
        });
        let first = surely(&self.client, "/v1/auth/register", name, &body).await.expect(201);
        self.has_session(&first);
        let refresh = json!({"refreshToken": first.text_at("/refreshToken")});
        let second = surely(&self.client, "/v1/auth/refresh", "refresh", &refresh).await.expect(200);
        self.has_session(&second);
        let login = json!({"login": name, "password": PASSWORD});
        let third = surely(&self.client, "/v1/auth/login", "login", &login).await.expect(200);
        self.has_session(&third);
        Person {
            client: self.client.with_token(&third.text_at("/accessToken")),
            id: first.text_at("/user/id"),
            username: name.to_owned(),
            refresh_token: third.text_at("/refreshToken"),
        }
    }

    fn has_session(&mut self, answer: &Answer) {
        let access = answer.text_at("/accessToken");
        // Without its signature it opens nothing, and the signature alone is what must not be found.
        let (_, signature) = access.rsplit_once('.').expect("a token has a signature");
        self.knows("access token", signature);
        self.knows("refresh token", answer.text_at("/refreshToken"));
    }

    async fn sells(&mut self) -> (Person, String, String) {
        let seller = self.registers("ana").await;
        seller.client.post("/v1/me/seller", &json!({"displayName": "Lo de Ana"})).await.expect(201);
        let account = json!({"bankName": "Nación", "holderName": "Ana Paz", "accountType": "SAVINGS", "scheme": "CBU",
            "holderIdentity": {"type": "DNI", "number": "30111222"}, "number": BANK_NUMBER});
        let made = surely(&seller.client, "/v1/me/bank-accounts", "bank", &account).await.expect(201);
        let path = format!("/v1/me/bank-accounts/{}?reveal=true", made.text_at("/id"));
        assert_eq!(seller.client.get(&path).await.expect(200).text_at("/number"), BANK_NUMBER);
        let (product, publication) = story::publication(&seller, "Radio de viaje").await;
        (seller, product, publication)
    }

    /// The tokens of mails, and a device.
    async fn mails(&mut self, buyer: &Person) {
        let path = format!("/v1/me/devices/{DEVICE}");
        let put = buyer.client.request(Method::PUT, &path).header("idempotency-key", "device");
        let put = buyer.client.send(put.json(&json!({"name": "Teléfono"}))).await.expect(200);
        assert_eq!(put.text_at("/token"), DEVICE);
        let listed = buyer.client.get("/v1/me/devices").await.expect(200);
        assert_eq!(listed.text_at("/items/0/token"), DEVICE);
        let verify = self.token_of("verify_email").await;
        self.client.post("/v1/auth/verify-email", &json!({"token": verify})).await.expect(204);
        self.client.post("/v1/auth/password/forgot", &json!({"email": "beto@example.com"})).await.expect(202);
        let reset = self.token_of("password_reset").await;
        self.knows("verification token", verify);
        self.knows("reset token", reset);
    }

    /// The token in the buyer's mail of a kind.
    async fn token_of(&self, kind: &str) -> String {
        let is_it = |mail: &Value| mail["to"][0] == "beto@example.com" && mail["categories"][0] == kind;
        let list = |answer: &Answer| answer.json.as_array().cloned().unwrap_or_default();
        let answer = self.outside.get_until("/sandbox/mails", |answer| list(answer).iter().any(is_it)).await;
        let mail = list(&answer).into_iter().find(is_it).expect("it is there");
        let text = mail["text"].as_str().expect("a mail has a text");
        let (_, rest) = text.split_once("?token=").expect("it has a link");
        rest.split_whitespace().next().expect("the link carries a token").to_owned()
    }

    async fn buys_as_a_guest(&mut self, publication: &str) {
        let cart = surely(&self.client, "/v1/carts", "cart", &json!({})).await.expect(201);
        let (id, token) = (cart.text_at("/id"), cart.text_at("/token"));
        self.knows("cart token", token.clone());
        let post = |path: String, body: Value| {
            let request = self.client.request(Method::POST, &path).header("x-cart-token", &token);
            self.client.send(request.header("idempotency-key", "guest").json(&body))
        };
        let item = json!({"publicationId": publication, "quantity": 1});
        post(format!("/v1/carts/{id}/items"), item).await.expect(201);
        let terms = json!({"paymentMethod": "MANUAL", "guestEmail": "guest@example.com"});
        let order = post(format!("/v1/carts/{id}/checkout"), terms).await.expect(201).text_at("/orders/0/id");
        let read = self.client.request(Method::GET, &format!("/v1/orders/{order}"));
        let shown = self.client.send(read.header("x-cart-token", &token)).await.expect(200);
        assert_eq!(
            shown.text_at("/payment/bankAccounts/0/number"),
            BANK_NUMBER,
            "who has to pay sees where to"
        );
        post(format!("/v1/orders/{order}/cancel"), json!({})).await.expect(200);
    }

    /// At the vendor's page, and by its API with a card.
    async fn pays_by_card(&self, buyer: &Person, publication: &str) {
        for (key, by_page) in [("page", true), ("api", false)] {
            let body = purchase_body(publication, 1, "AUTOMATIC");
            let placed = surely(&buyer.client, "/v1/orders", key, &body).await.expect(201);
            let order = placed.text_at("/orders/0/id");
            let preference = story::preference(buyer, &order).await;
            if by_page {
                let choice = json!({"pref_id": preference, "holder": CARD_HOLDER});
                self.outside.post("/checkout/v1/pay", &choice).await.expect(201);
            } else {
                self.charge(&order).await;
            }
            let path = format!("/v1/orders/{order}");
            buyer.client.get_until(&path, |answer| answer.json["state"] == "PAID").await;
        }
    }

    async fn charge(&self, order: &str) {
        let card = json!({"card_number": CARD_NUMBER, "security_code": "123", "expiration_month": 11,
            "expiration_year": 2030, "cardholder": {"name": CARD_HOLDER}});
        let token = self.outside.post("/v1/card_tokens", &card).await.expect(201).text_at("/id");
        let edge = self.client.base();
        let charge = json!({"transaction_amount": 5980.0, "token": token, "payment_method_id": "master",
            "installments": 1, "payer": {"email": "beto@example.com"}, "external_reference": order,
            "notification_url": format!("{edge}/v1/webhooks/mercadopago")});
        let vendor = self.outside.with_token(PROVIDER_TOKEN);
        let request = vendor.request(Method::POST, "/v1/payments").header("x-idempotency-key", order);
        vendor.send(request.json(&charge)).await.expect(201);
    }

    async fn pays_by_transfer(&self, buyer: &Person, seller: &Person, publication: &str) {
        let body = purchase_body(publication, 1, "MANUAL");
        let order = surely(&buyer.client, "/v1/orders", "transfer", &body).await.expect(201);
        let order = order.text_at("/orders/0/id");
        let shown = buyer.client.get(&format!("/v1/orders/{order}")).await.expect(200);
        assert_eq!(shown.text_at("/payment/bankAccounts/0/number"), BANK_NUMBER);
        let path = format!("/v1/orders/{order}/confirm-payment");
        surely(&seller.client, &path, "paid", &json!({})).await.expect(200);
    }

    /// Wrong requests with secrets in them, which is when programs tend to tell what they got.
    async fn is_misunderstood(&self, buyer: &Person) {
        let broken = |path: &str, body: String| {
            let request = self.client.request(Method::POST, path).header("content-type", "application/json");
            self.client.send(request.body(body))
        };
        broken("/v1/auth/login", format!("{{\"login\": \"beto\", \"password\": \"{PASSWORD}\""))
            .await
            .expect(400);
        broken("/v1/auth/login", format!("{{\"{PASSWORD}\": 1}}")).await.expect(400);
        let wrong = json!({"login": "nobody", "password": PASSWORD});
        self.client.post("/v1/auth/login", &wrong).await.expect(401);
        self.client.post("/v1/auth/refresh", &json!({"refreshToken": PASSWORD})).await.expect(401);
        let path = format!("/v1/me/devices/{DEVICE}?token={PASSWORD}");
        buyer.client.put(&path, &json!({"kind": "none"})).await.expect(400);
        let knob = json!({"provider": "mercadopago", "error_rate": 1.0, "error_status": 401});
        self.outside.post("/sandbox/knobs", &knob).await.expect(200);
        let (_, publication) = story::publication(&self.other_seller().await, "Radio rota").await;
        let body = purchase_body(&publication, 1, "AUTOMATIC");
        surely(&buyer.client, "/v1/orders", "unprepared", &body).await.expect(201);
        self.outside.delete("/sandbox/knobs").await.expect(204);
    }

    async fn other_seller(&self) -> Person {
        story::seller(&self.client, "eva").await
    }

    /// Stops the shop and looks everywhere.
    async fn leaves_nothing(mut self, seller: &Person) {
        let file = self.shop.folder().join("export.csv").display().to_string();
        let data = self.shop.data();
        let data_text = data.display().to_string();
        let arguments = ["export", &file, "--seller", &seller.username, "--data", &data_text];
        let (code, said) = self.shop.vitrina(&arguments).await;
        assert_eq!(code, 0, "{said}");
        self.shop.stop("shop").await;
        self.vendors.stop().await;
        let found = Found { secrets: &self.secrets };
        let mut leaks = found.in_text("the log", self.shop.log().as_bytes(), &[]);
        leaks.extend(found.in_text("telemetry", self.collector.text().as_bytes(), &[]));
        leaks.extend(found.in_text("what export says", said.as_bytes(), &[]));
        leaks.extend(found.in_text("the export", &fs::read(&file).expect("it was written"), &[]));
        leaks.extend(found.in_files(&data, &[]));
        leaks.extend(found.in_files(self.vendors_folder.path(), &KEPT_BY_VENDORS));
        assert!(leaks.is_empty(), "{leaks:#?}");
        // What is looked for can be found.
        let mailbox = found.in_files(self.vendors_folder.path(), &[]);
        assert!(
            KEPT_BY_VENDORS.iter().all(|name| mailbox.iter().any(|leak| leak.starts_with(name))),
            "{mailbox:#?}"
        );
        assert!(self.shop.log().contains("DEBUG"), "the log is one of every detail");
        assert!(self.collector.text().contains("/v1/auth/login"), "telemetry came");
    }
}

/// Looks for secrets.
struct Found<'a> {
    secrets: &'a [Secret],
}

impl Found<'_> {
    fn in_text(&self, place: &str, text: &[u8], allowed: &[&str]) -> Vec<String> {
        let text = String::from_utf8_lossy(text);
        let secrets = self.secrets.iter().filter(|(name, _)| !allowed.contains(name));
        let found = secrets.filter_map(|(name, secret)| {
            let at = text.find(secret)?;
            let (from, to) = (at.saturating_sub(200), at + secret.len() + 40);
            let around = &text[text.floor_char_boundary(from)..text.floor_char_boundary(to)];
            Some(format!("{name} in {place}: {around}"))
        });
        found.collect()
    }

    fn in_files(&self, folder: &Path, allowed: &[&str]) -> Vec<String> {
        let files = files_of(folder);
        assert!(!files.is_empty(), "{} has files", folder.display());
        let is_key_file = |file: &PathBuf| {
            KEY_FILES.iter().any(|name| file.file_name().is_some_and(|file| file.to_str() == Some(name)))
        };
        let files = files.iter().filter(|file| !is_key_file(file));
        let found = files.map(|file| {
            let content = fs::read(file).expect("our own file can be read");
            self.in_text(&file.display().to_string(), &content, allowed)
        });
        found.flatten().collect()
    }
}

/// Every file below a folder.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .expect("our own folder can be listed")
        .map(|entry| entry.expect("it is there").path());
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_of(folder)));
    files
}
