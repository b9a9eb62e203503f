//! A generated shop, so that there is something to look at: sellers, products with pictures, publications, offers, questions,
//! wishes, orders in every state, reviews and a coupon.
//!
//! It goes in through the HTTP API and the sandbox's pages, as people would do it, and the same `--seed` gives the same shop.
//! Everything is looked for before it is made, under an idempotency key: a second run changes nothing, and one that was broken
//! off is gone on with by running it again.

mod goods;
mod orders;
mod person;
mod picture;
mod progress;
mod shelf;
mod stories;
mod till;

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use self::orders::{Buyer, COUPON, Market};
use self::person::Person;
use self::progress::Progress;
use self::shelf::{Crowd, Listed};
use self::stories::{PRAISES, STORIES};
use self::till::Till;
use crate::connect::{Shop, Target, post_admin};
use crate::data::Data;

/// Password of every generated account.
const PASSWORD: &str = "vitrina-demo";
/// Those who buy; the first of them has an order in every state.
const BUYERS: [(&str, &str); 3] = [("buyer", "Beto"), ("buyer2", "Carla"), ("buyer3", "Dario")];
/// Sellers whose goods the first buyer's orders are spread over.
const TOLD_OF: usize = 3;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  vitrina seed                                    5 sellers with 20 products each
  vitrina seed --sellers 20 --products 100 --seed 7

The accounts are seller1, seller2, … and buyer, buyer2, buyer3; their password is vitrina-demo. A second run changes nothing.")]
pub(crate) struct SeedOptions {
    #[command(flatten)]
    target: Target,
    /// How many sellers
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sellers: u32,
    /// Products of each seller; the orders need 7 of three sellers
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    products: u32,
    /// The same number gives the same shop
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Fills a running shop.
pub(crate) async fn run(options: SeedOptions) -> Result<ExitCode> {
    let shop = Shop::anonymous(&options.target)?;
    let plan = Plan { sellers: options.sellers, products: options.products, seed: options.seed };
    // Coupons are made by operators, who reach a shop elsewhere by its own admin listener only.
    let data = options.target.url.is_none().then(|| Data::at(&options.target.data));
    let progress = Progress::bar(plan.steps());
    let filled = plan.fill(&shop, data.as_ref(), &progress).await;
    progress.end();
    println!("{}", filled?);
    Ok(ExitCode::SUCCESS)
}

/// How large a generated shop is.
#[derive(Clone, Copy)]
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

    /// Fills the shop that was just started on `data`, telling how far it is by lines on standard error.
    ///
    /// # Errors
    /// When the shop stops answering, or refuses what it should not. What was made stays, and the next run goes on with it.
    pub(crate) async fn fill_beside(&self, url: &str, data: &Data) -> Result<String> {
        self.fill(&Shop::at(url)?, Some(data), &Progress::lines(self.steps())).await
    }

    /// Steps that are told of.
    fn steps(&self) -> u64 {
        u64::from(self.sellers) * (u64::from(self.products) + 2) + STORIES.len() as u64
    }

    /// Makes what is missing, and gives what there is to be said about it.
    async fn fill(&self, shop: &Shop, data: Option<&Data>, progress: &Progress) -> Result<String> {
        let made = Arc::new(AtomicU64::new(0));
        progress.say("accounts");
        let mut buyers = Vec::new();
        for (name, first_name) in BUYERS {
            buyers.push(Person::enter(shop, name, first_name, &made).await?);
        }
        let mut sellers = Vec::new();
        for number in 0..self.sellers {
            sellers.push(seller(shop, number, &made).await?);
        }
        progress.say("products with their pictures");
        let crowd = Crowd::of(&buyers).await?;
        let mut listed = Vec::new();
        for (place, seller) in (0..).zip(&sellers) {
            let goods = (0..self.products).map(|number| goods::good(self.seed, place, number));
            listed.push(shelf::fill((place as usize, seller), goods, &crowd, progress).await?);
        }
        progress.say("orders and reviews");
        let has_coupon = match data {
            Some(data) => coupon(data).await.map(|()| true)?,
            None => false,
        };
        let mut market = Market { sellers: &sellers, has_coupon, till: None };
        tell(&mut market, &buyers, &listed, progress).await?;
        let made = made.load(Ordering::Relaxed);
        Ok(self.summary(shop.base(), made, (&sellers, &listed), (has_coupon, market.till.as_ref())))
    }

    fn summary(
        &self,
        base: &str,
        made: u64,
        (sellers, listed): (&[Person], &[Vec<Listed>]),
        (has_coupon, till): (bool, Option<&Till>),
    ) -> String {
        let mut text = match made {
            0 => "the demo shop is there already: nothing was changed".to_owned(),
            _ => format!("the demo shop is complete: {made} things were made"),
        };
        let mut line = |words: String| {
            // Writing to a String does not fail.
            let _ = write!(text, "\n  {words}");
        };
        let last = self.sellers;
        line(format!("log in as buyer, buyer2, buyer3 or seller1 to seller{last}; password {PASSWORD}"));
        let has_all =
            self.sellers as usize >= TOLD_OF && self.products as usize >= STORIES.len().div_ceil(TOLD_OF);
        if has_all {
            line(
                "buyer has an order in every state; sellers see theirs at /v1/orders?role=seller".to_owned(),
            );
        }
        if has_coupon {
            line(format!("coupon {COUPON}: 10 percent off"));
        }
        line("worth opening:".to_owned());
        line(format!("  {base}/docs"));
        line(format!("  {base}/v1/pages/home"));
        line(format!("  {base}/v1/pages/search?q=mate"));
        if let Some(listed) = listed.first().and_then(|shelf| shelf.first()) {
            line(format!("  {base}/v1/pages/publications/{}", listed.publication));
        }
        if let Some(seller) = sellers.first() {
            line(format!("  {base}/v1/pages/sellers/{}", seller.id));
        }
        if let Some(till) = till {
            line(format!("  {}   where an order waits to be paid", till.page));
            line(format!("  {}   payments, mails and pushes", till.overview()));
        }
        text
    }
}

/// The seller at a place, from 0, with a profile and a bank account.
async fn seller(shop: &Shop, number: u32, made: &Arc<AtomicU64>) -> Result<Person> {
    let seller = Person::enter(shop, &format!("seller{}", number + 1), "Ana", made).await?;
    let brand = goods::BRANDS[number as usize % goods::BRANDS.len()];
    let profile = json!({"displayName": format!("Tienda {brand}")});
    seller.try_make("/v1/me/seller", "demo-seller", &profile).await?;
    let account = json!({"bankName": "Nación", "holderName": "Ana Demo", "accountType": "SAVINGS",
        "holderIdentity": {"type": "DNI", "number": "30111222"}, "scheme": "CBU",
        "number": "2850590940090418135201"});
    seller.try_make("/v1/me/bank-accounts", "demo-bank-account", &account).await?;
    Ok(seller)
}

/// Makes the coupon; one that is there stays as it is.
async fn coupon(data: &Data) -> Result<()> {
    let terms = json!({"code": COUPON, "percent": 10, "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-12-31T00:00:00Z"});
    post_admin(data, "/admin/coupons", &terms).await.context("the coupon can't be made")?;
    Ok(())
}

/// Tells the first buyer's stories, each on a good of its own, and has the others judge every seller.
async fn tell(
    market: &mut Market<'_>,
    buyers: &[Person],
    listed: &[Vec<Listed>],
    progress: &Progress,
) -> Result<()> {
    let mut known = Vec::new();
    for buyer in buyers {
        known.push(Buyer::of(buyer).await?);
    }
    let [first, others @ ..] = known.as_slice() else { return Ok(()) };
    let told_of = listed.len().min(TOLD_OF);
    for (place, story) in STORIES.iter().enumerate() {
        let good = listed[place % told_of].iter().find(|good| good.number as usize == place / told_of);
        if let Some(good) = good {
            market.tell(first, good, story).await?;
        }
        progress.step();
    }
    let mut praises = PRAISES.iter().cycle();
    for shelf in listed {
        for ((buyer, good), story) in others.iter().zip(shelf.iter()).zip(praises.by_ref()) {
            market.tell(buyer, good, story).await?;
            progress.step();
        }
    }
    Ok(())
}

/// A number for a name, the same everywhere and always (FNV-1a).
fn number_of(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
