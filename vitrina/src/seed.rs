//! A generated shop, so that there is something to look at: sellers, products, publications, offers, questions, wishes.
//!
//! It goes in through the HTTP API like everything else, and the same `--seed` gives the same shop.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use indicatif::ProgressBar;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::connect::{Shop, Target};

/// Password of every generated account.
const PASSWORD: &str = "vitrina-demo";

const THINGS: [(&str, &str); 10] = [
    ("Auriculares", "electronics/audio"),
    ("Radio portátil", "electronics/audio"),
    ("Cámara réflex", "electronics/cameras"),
    ("Teclado mecánico", "computing/peripherals"),
    ("Monitor", "computing/monitors"),
    ("Mate de calabaza", "home/kitchen"),
    ("Termo de acero", "home/kitchen"),
    ("Bicicleta urbana", "sports/cycling"),
    ("Guitarra criolla", "music/strings"),
    ("Lámpara de pie", "home/lighting"),
];
const BRANDS: [&str; 6] = ["Andes", "Pampa", "Austral", "Litoral", "Cuyo", "Delta"];
const STYLES: [&str; 6] = ["clásico", "compacto", "profesional", "negro", "azul", "edición limitada"];
const QUESTIONS: [(&str, &str); 4] = [
    ("¿Hace envíos al interior?", "Sí, a todo el país."),
    ("¿Tiene garantía?", "Seis meses."),
    ("¿Hay otro color?", "Por ahora solo este."),
    ("¿Es nuevo?", "Sí, en caja cerrada."),
];

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  vitrina seed                                    5 sellers with 20 products each
  vitrina seed --sellers 20 --products 100 --seed 7

The accounts are seller1, seller2, … and buyer; their password is vitrina-demo.")]
pub(crate) struct SeedOptions {
    #[command(flatten)]
    target: Target,
    /// How many sellers
    #[arg(long, default_value_t = 5)]
    sellers: u32,
    /// Products of each seller
    #[arg(long, default_value_t = 20)]
    products: u32,
    /// The same number gives the same shop
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Fills a running shop.
pub(crate) async fn run(options: SeedOptions) -> Result<ExitCode> {
    let shop = Shop::anonymous(&options.target)?;
    let plan = Plan { sellers: options.sellers, products: options.products, seed: options.seed };
    let progress = ProgressBar::new(u64::from(plan.sellers) * u64::from(plan.products));
    plan.fill(&shop, &progress).await?;
    progress.finish_and_clear();
    println!(
        "{} sellers with {} products each; log in as seller1 or buyer, password {PASSWORD}",
        plan.sellers, plan.products
    );
    Ok(ExitCode::SUCCESS)
}

/// How large a generated shop is.
pub(crate) struct Plan {
    sellers: u32,
    products: u32,
    seed: u64,
}

impl Plan {
    /// What `up --demo` makes.
    pub(crate) fn demo() -> Plan {
        Plan { sellers: 3, products: 8, seed: 1 }
    }

    /// Makes the shop; accounts that are there already are used as they are.
    pub(crate) async fn fill(&self, shop: &Shop, progress: &ProgressBar) -> Result<()> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let buyer = account(shop, "buyer", "Beto").await?;
        for number in 1..=self.sellers {
            let seller = account(shop, &format!("seller{number}"), "Ana").await?;
            let name = json!({"displayName": format!("Tienda {}", BRANDS[number as usize % BRANDS.len()])});
            // A second run finds the profile there.
            if seller.send(Method::GET, "/v1/me/seller", None).await.is_err() {
                seller.send(Method::POST, "/v1/me/seller", Some(&name)).await?;
            }
            for _ in 0..self.products {
                publish(&seller, &buyer, &mut random).await?;
                progress.inc(1);
            }
        }
        Ok(())
    }
}

async fn account(shop: &Shop, username: &str, first_name: &str) -> Result<Shop> {
    let body = json!({"email": format!("{username}@example.com"), "username": username, "password": PASSWORD,
        "firstName": first_name, "lastName": "Demo"});
    let session = match shop.send(Method::POST, "/v1/auth/register", Some(&body)).await {
        Ok(session) => session,
        Err(_) => {
            let login = json!({"login": username, "password": PASSWORD});
            let session = shop.send(Method::POST, "/v1/auth/login", Some(&login)).await;
            session.with_context(|| format!("{username} can neither be registered nor logged in"))?
        }
    };
    let token = session["accessToken"].as_str().context("the shop gave no token")?;
    Ok(shop.with_token(token))
}

async fn publish(seller: &Shop, buyer: &Shop, random: &mut StdRng) -> Result<()> {
    let product = product(random);
    let created = seller.send(Method::POST, "/v1/products", Some(&product)).await?;
    let id = created["id"].as_str().context("a product has an id")?;
    let publication = json!({"productId": id, "title": product["name"], "tags": ["demo"],
        "paymentMethods": ["AUTOMATIC", "MANUAL"]});
    let published = seller.send(Method::POST, "/v1/publications", Some(&publication)).await?;
    let publication = published["id"].as_str().context("a publication has an id")?;
    if random.gen_bool(0.3) {
        let minor = product["price"]["minor"].as_u64().unwrap_or_default() * 8 / 10;
        let offer = json!({"price": {"minor": minor, "currency": "ARS"}, "endsAt": "2099-12-31T00:00:00Z"});
        seller.send(Method::PUT, &format!("/v1/products/{id}/offer"), Some(&offer)).await?;
    }
    if random.gen_bool(0.4) {
        buyer.send(Method::PUT, &format!("/v1/me/wishlist/{publication}"), Some(&json!({}))).await?;
    }
    if let (true, Some((text, answer))) = (random.gen_bool(0.5), QUESTIONS.choose(random)) {
        let path = format!("/v1/publications/{publication}/questions");
        let question = buyer.send(Method::POST, &path, Some(&json!({"text": text}))).await?;
        if let (true, Some(question)) = (random.gen_bool(0.7), question["id"].as_str()) {
            let path = format!("/v1/questions/{question}/answer");
            seller.send(Method::POST, &path, Some(&json!({"text": answer}))).await?;
        }
    }
    Ok(())
}

fn product(random: &mut StdRng) -> Value {
    let (thing, category) = THINGS[random.gen_range(0..THINGS.len())];
    let brand = BRANDS[random.gen_range(0..BRANDS.len())];
    let style = STYLES[random.gen_range(0..STYLES.len())];
    json!({
        "name": format!("{thing} {brand} {style}"),
        "description": format!("{thing} de la marca {brand}, {style}. Con factura."),
        "condition": if random.gen_bool(0.8) { "NEW" } else { "USED" },
        "category": category,
        "brand": brand,
        "price": {"minor": random.gen_range(5_000..900_000) / 100 * 100, "currency": "ARS"},
        "stock": {"onHand": random.gen_range(0..40)},
    })
}
