//! Killed at random under people who buy, pay, cancel and are paid, the shop owes nobody anything once it is back.
//!
//! `ROUNDS` is how often it is killed, `SEED` what the choices of all are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use vitrina_bench::story::{self, Person, purchase_body, stock, surely};
use vitrina_bench::{Client, Shop, Way};

/// Persons who buy side by side.
const BUYERS: usize = 6;
/// Units of what there is plenty of, and of what runs out while the test goes on.
const UNITS: [u32; 4] = [100_000, 40, 100_000, 40];
/// How long everything may take to come to its end on a loaded machine; never a measure of speed.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// How long a buyer waits for the address to pay at before he looks at something else.
const PATIENCE: usize = 50;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);
/// States that an order is in only while somebody still has to do something for it by himself.
const TRANSIENT: [&str; 3] = ["CREATED", "RESERVED", "REFUNDING"];
/// States of an order whose units are sold.
const SOLD: [&str; 3] = ["PAID", "SHIPPED", "FINISHED"];

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What a seller has of one thing.
struct Shelf {
    seller: usize,
    product: String,
    publication: String,
    units: u64,
}

/// A checkout that was sent, to be sent again under its key until it is answered.
#[derive(Clone)]
struct Sent {
    buyer: usize,
    path: String,
    key: String,
    body: Value,
}

/// Everybody and everything that takes part.
struct Market {
    shelves: Vec<Shelf>,
    sellers: Vec<Person>,
    buyers: Vec<Person>,
    outside: Client,
    /// Orders that were answered with success, each with its buyer.
    acknowledged: Mutex<BTreeSet<(usize, String)>>,
    /// Payments that the provider's page took, as approved, each with its order.
    approved: Mutex<Vec<String>>,
    unanswered: Mutex<Vec<Sent>>,
}

/// What the shop and the provider say about everything.
struct Books {
    /// Orders by id, each with its buyer.
    orders: BTreeMap<String, (usize, Value)>,
    /// Payments by the order that they name.
    payments: BTreeMap<String, Vec<Value>>,
    /// What is on hand and reserved of each shelf.
    stock: Vec<(u64, u64)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_saga_ends_and_no_money_is_lost_when_the_shop_is_killed() {
    let seed = number("SEED").unwrap_or_else(rand::random);
    let rounds = number("ROUNDS").unwrap_or(3);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut shop = Shop::start(Way::OneProcess).await;
    let mut market = open(&shop).await;
    for round in 0..rounds {
        let is_over = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(market);
        let visits: Vec<_> = (0..BUYERS)
            .map(|buyer| {
                let choices = StdRng::seed_from_u64(random.r#gen());
                tokio::spawn(visit(Arc::clone(&shared), (buyer, round), choices, Arc::clone(&is_over)))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(random.gen_range(200..2_000))).await;
        shop.kill("shop").await;
        is_over.store(true, Ordering::Relaxed);
        for visit in visits {
            visit.await.expect("a buyer does not panic");
        }
        shop.restart("shop");
        shop.ready().await;
        market = Arc::into_inner(shared).expect("nobody buys any more");
        // The access tokens live 10 minutes, the rounds may take longer.
        let client = shop.client();
        for person in market.sellers.iter_mut().chain(&mut market.buyers) {
            *person = story::login(&client, person).await;
        }
        market.answer_all().await;
        market.settle().await;
    }
    let orders = market.acknowledged.lock().await.len();
    let payments = market.approved.lock().await.len();
    println!("killed {rounds} times: {orders} orders acknowledged, {payments} payments taken, all settled");
    assert!(orders > 0, "nothing was bought");
}

/// Two sellers, each with plenty of one thing and little of another.
async fn open(shop: &Shop) -> Market {
    let client = shop.client();
    let mut market = Market {
        shelves: Vec::new(),
        sellers: vec![story::seller(&client, "ana").await, story::seller(&client, "eva").await],
        buyers: Vec::new(),
        outside: shop.outside(),
        acknowledged: Mutex::default(),
        approved: Mutex::default(),
        unanswered: Mutex::default(),
    };
    for (number, units) in UNITS.into_iter().enumerate() {
        let seller = number * market.sellers.len() / UNITS.len();
        let person = &market.sellers[seller];
        let (product, publication) = story::publication(person, &format!("Cosa {number}")).await;
        let more = json!({"delta": i64::from(units) - 5, "reason": "entrega"});
        person.client.post(&format!("/v1/products/{product}/stock-adjustments"), &more).await;
        let units = u64::from(units);
        assert_eq!(stock(person, &product).await, (units, 0));
        market.shelves.push(Shelf { seller, product, publication, units });
    }
    for _ in 0..BUYERS {
        market.buyers.push(story::person(&client, "beto").await);
    }
    market
}

/// Buys one thing after the other, and does with each order what its buyer or its seller might do.
async fn visit(
    market: Arc<Market>,
    (buyer, round): (usize, u64),
    mut choices: StdRng,
    is_over: Arc<AtomicBool>,
) {
    for number in 0..10_000 {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let key = format!("{round}-{number}");
        let Some(sent) = market.fill(buyer, &key, &mut choices).await else { continue };
        for order in market.send(sent).await.unwrap_or_default() {
            market.go_on(buyer, &order, &mut choices).await;
        }
    }
}

impl Market {
    /// Chooses what to buy: one thing at once, or a cart with something of both sellers.
    async fn fill(&self, buyer: usize, key: &str, choices: &mut StdRng) -> Option<Sent> {
        let method = if choices.gen_bool(0.7) { "AUTOMATIC" } else { "MANUAL" };
        let quantity = choices.gen_range(1..=2);
        let things: [&Shelf; 2] =
            [0, 2].map(|first| &self.shelves[first + usize::from(choices.gen_bool(0.3))]);
        let key = key.to_owned();
        if choices.gen_bool(0.7) {
            let body = purchase_body(&things[0].publication, quantity, method);
            return Some(Sent { buyer, path: "/v1/orders".to_owned(), key, body });
        }
        let client = &self.buyers[buyer].client;
        let cart = client.request(Method::POST, "/v1/carts").json(&json!({}));
        let cart = client.try_send(cart).await.ok().filter(|answer| answer.status == 201)?.text_at("/id");
        for thing in things {
            let item = json!({"publicationId": thing.publication, "quantity": quantity});
            let item = client.request(Method::POST, &format!("/v1/carts/{cart}/items")).json(&item);
            client.try_send(item).await.ok().filter(|answer| answer.status == 201)?;
        }
        let path = format!("/v1/carts/{cart}/checkout");
        Some(Sent { buyer, path, key, body: json!({"paymentMethod": method}) })
    }

    /// Sends a checkout and notes what came of it; gives its orders.
    async fn send(&self, sent: Sent) -> Option<Vec<String>> {
        let client = &self.buyers[sent.buyer].client;
        let request = client.request(Method::POST, &sent.path).header("idempotency-key", &sent.key);
        match client.try_send(request.json(&sent.body)).await {
            Ok(answer) if answer.status == 201 => Some(self.acknowledge(sent.buyer, &answer.json).await),
            // Refused, and nothing was begun.
            Ok(answer) if answer.status < 500 => None,
            Ok(_) | Err(_) => {
                self.unanswered.lock().await.push(sent);
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }

    async fn acknowledge(&self, buyer: usize, answer: &Value) -> Vec<String> {
        let orders = answer["orders"].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> =
            orders.iter().filter_map(|order| order["id"].as_str().map(str::to_owned)).collect();
        self.acknowledged.lock().await.extend(ids.iter().map(|id| (buyer, id.clone())));
        ids
    }

    /// Pays an order once, twice or not at all, has it cancelled or confirmed; what the shop does not answer is left so.
    async fn go_on(&self, buyer: usize, order: &str, choices: &mut StdRng) {
        let client = &self.buyers[buyer].client;
        let choice = choices.gen_range(0..10);
        let shown = client.request(Method::GET, &format!("/v1/orders/{order}"));
        let Ok(shown) = client.try_send(shown).await else { return };
        let is_automatic = shown.json["payment"]["kind"] == "AUTOMATIC";
        let seller =
            self.sellers.iter().find(|seller| Some(seller.id.as_str()) == shown.json["sellerId"].as_str());
        match (choice, is_automatic, seller) {
            (0, _, _) => {}
            (1, _, _) => step(client, order, "cancel").await,
            (2, true, _) => {
                self.pay(buyer, order, "approved").await;
                step(client, order, "cancel").await;
            }
            (3, true, _) => {
                self.pay(buyer, order, "rejected").await;
                self.pay(buyer, order, "approved").await;
            }
            (4, true, _) => {
                self.pay(buyer, order, "approved").await;
                self.pay(buyer, order, "approved").await;
            }
            (5, true, Some(seller)) => {
                self.pay(buyer, order, "approved").await;
                step(&seller.client, order, "refunds").await;
            }
            (_, true, _) => self.pay(buyer, order, "approved").await,
            (_, false, Some(seller)) => step(&seller.client, order, "confirm-payment").await,
            (_, false, None) => panic!("an order names its seller: {shown:#?}"),
        }
    }

    /// Presses a button of the page that an order is to be paid at.
    async fn pay(&self, buyer: usize, order: &str, result: &str) {
        let client = &self.buyers[buyer].client;
        for _ in 0..PATIENCE {
            let shown = client.request(Method::GET, &format!("/v1/orders/{order}"));
            let Ok(shown) = client.try_send(shown).await else { return };
            let address = shown.json.pointer("/payment/redirectUrl").and_then(Value::as_str);
            if let Some((_, preference)) = address.and_then(|address| address.split_once("pref_id=")) {
                let choice = json!({"pref_id": preference, "result": result});
                let press = self.outside.request(Method::POST, "/checkout/v1/pay").json(&choice);
                let taken = self.outside.try_send(press).await;
                if result == "approved" && taken.is_ok_and(|answer| answer.status == 201) {
                    self.approved.lock().await.push(order.to_owned());
                }
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends what was not answered again, under its key, until it is.
    async fn answer_all(&self) {
        let unanswered = std::mem::take(&mut *self.unanswered.lock().await);
        join_all(unanswered.iter().map(|sent| async {
            let client = &self.buyers[sent.buyer].client;
            let answer = surely(client, &sent.path, &sent.key, &sent.body).await;
            match answer.status {
                201 => drop(self.acknowledge(sent.buyer, &answer.json).await),
                status => assert!(status < 500, "{} is never answered: {answer:#?}", sent.key),
            }
        }))
        .await;
    }

    /// Waits until the books agree.
    async fn settle(&self) {
        let give_up_at = tokio::time::Instant::now() + SETTLED_WITHIN;
        loop {
            let acknowledged = self.acknowledged.lock().await.clone();
            let approved = self.approved.lock().await.clone();
            let wrong = self.books().await.wrong(&self.shelves, &acknowledged, &approved);
            if wrong.is_empty() {
                return;
            }
            assert!(
                tokio::time::Instant::now() < give_up_at,
                "the books do not agree:\n{}",
                wrong.join("\n")
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn books(&self) -> Books {
        let mut orders = BTreeMap::new();
        for (number, buyer) in self.buyers.iter().enumerate() {
            for order in all(&buyer.client, "/v1/orders?role=buyer&limit=100").await {
                let id = order["id"].as_str().expect("an order has an id").to_owned();
                orders.insert(id, (number, order));
            }
        }
        let mut payments: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let taken = self.outside.get("/sandbox/payments").await.expect(200);
        for payment in taken.json.as_array().expect("a list") {
            let reference = payment["external_reference"].as_str().expect("a payment names its order");
            payments.entry(reference.to_owned()).or_default().push(payment.clone());
        }
        let shelves = self.shelves.iter();
        let stock = shelves.map(|shelf| stock(&self.sellers[shelf.seller], &shelf.product));
        Books { orders, payments, stock: join_all(stock).await }
    }
}

impl Books {
    /// Everything that does not agree.
    fn wrong(
        &self,
        shelves: &[Shelf],
        acknowledged: &BTreeSet<(usize, String)>,
        approved: &[String],
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (buyer, id) in acknowledged {
            if self.orders.get(id).is_none_or(|(of, _)| of != buyer) {
                wrong.push(format!("{id} was acknowledged and is lost"));
            }
        }
        for (id, (buyer, order)) in &self.orders {
            if !acknowledged.contains(&(*buyer, id.clone())) {
                wrong.push(format!("{id} is an order that nobody was told of"));
            }
            wrong.extend(self.wrong_order(id, order));
        }
        for id in self.payments.keys().chain(approved) {
            if !self.orders.contains_key(id) {
                wrong.push(format!("a payment for {id}, which is not there"));
            }
        }
        let lost = approved.iter().filter(|id| !self.payments.contains_key(*id));
        wrong.extend(lost.map(|id| format!("the provider has lost a payment of {id}")));
        wrong.extend(shelves.iter().zip(&self.stock).filter_map(|(shelf, stock)| {
            let count = |states: &[&str]| self.units(shelf, states);
            let expected = (shelf.units - count(&SOLD), count(&["AWAITING_PAYMENT"]));
            (*stock != expected).then(|| format!("{}: stock is {stock:?}, not {expected:?}", shelf.product))
        }));
        wrong
    }

    /// What is wrong with an order and its payments.
    fn wrong_order(&self, id: &str, order: &Value) -> Option<String> {
        let state = order["state"].as_str().unwrap_or_default();
        if TRANSIENT.contains(&state) {
            return Some(format!("{id} is still {state}"));
        }
        let payments = self.payments.get(id).map(Vec::as_slice).unwrap_or_default();
        // In hundredths, as all amounts of the test are in ARS.
        let minor = |payment: &Value, field: &str| {
            (payment[field].as_f64().unwrap_or(f64::NAN) * 100.0).round() as i64
        };
        let kept = |payment: &Value| match payment["status"].as_str() {
            Some("approved" | "refunded") => {
                minor(payment, "transaction_amount") - minor(payment, "transaction_amount_refunded")
            }
            _ => 0,
        };
        let kept: Vec<i64> = payments.iter().map(kept).filter(|kept| *kept != 0).collect();
        let is_automatic = order["payment"]["kind"] == "AUTOMATIC";
        let total = order["total"]["minor"].as_i64().unwrap_or_default();
        let expected = if is_automatic && SOLD.contains(&state) { vec![total] } else { Vec::new() };
        (kept != expected).then(|| format!("{id} is {state} and was charged {kept:?}, not {expected:?}"))
    }

    /// Units of a shelf in orders of these states.
    fn units(&self, shelf: &Shelf, states: &[&str]) -> u64 {
        let orders = self
            .orders
            .values()
            .filter(|(_, order)| order["state"].as_str().is_some_and(|state| states.contains(&state)));
        let lines = orders.flat_map(|(_, order)| order["lines"].as_array().into_iter().flatten());
        let lines = lines.filter(|line| line["publicationId"].as_str() == Some(&shelf.publication));
        lines.filter_map(|line| line["quantity"].as_u64()).sum()
    }
}

/// Moves an order on, if the shop is there; the key makes it once.
async fn step(client: &Client, order: &str, step: &str) {
    let request = client.request(Method::POST, &format!("/v1/orders/{order}/{step}"));
    // Without an answer it may have happened or not; the books have to agree either way.
    let _ = client.try_send(request.header("idempotency-key", step).json(&json!({}))).await;
}

/// Everything of a list, page by page.
async fn all(client: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}{cursor}")).await.expect(200);
        items.extend(page.json["items"].as_array().cloned().unwrap_or_default());
        match page.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}
