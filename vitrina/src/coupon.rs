//! `vitrina coupon`: codes that take something off an order, made by the operator.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::DATA;
use crate::connect::post_admin;
use crate::data::Data;

#[derive(Args, Debug)]
pub(crate) struct CouponOptions {
    #[command(subcommand)]
    command: CouponCommand,
    /// Data directory of the running shop
    #[arg(long, default_value = DATA, env = "VITRINA_DATA", global = true)]
    data: PathBuf,
}

#[derive(Debug, Subcommand)]
enum CouponCommand {
    /// Makes a coupon; the same command again changes nothing and tells how many orders use it
    Create(Terms),
}

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  vitrina coupon create TEN --percent 10 --ends 2027-01-01T00:00:00Z
  vitrina coupon create HELLO --amount-minor 50000 --minimum-minor 200000 --uses 100 --uses-per-buyer 1 --ends 2027-01-01T00:00:00Z")]
struct Terms {
    /// 1 to 32 of A-Z, 0-9 and -
    code: String,
    /// Percent off each order, 1 to 99
    #[arg(long, required_unless_present = "amount_minor", conflicts_with = "amount_minor")]
    percent: Option<u32>,
    /// Amount off the whole checkout in minor units: 50000 is 500.00
    #[arg(long)]
    amount_minor: Option<i64>,
    /// Least subtotal of the checkout in minor units
    #[arg(long)]
    minimum_minor: Option<i64>,
    /// Currency of the amount and of the minimum
    #[arg(long, default_value = "ARS")]
    currency: String,
    /// When it begins to count, such as 2026-12-01T00:00:00Z [default: now]
    #[arg(long)]
    starts: Option<String>,
    /// When it ends, exclusive
    #[arg(long)]
    ends: String,
    /// Orders in all [default: any number]
    #[arg(long)]
    uses: Option<u32>,
    /// Orders of one buyer [default: any number]
    #[arg(long)]
    uses_per_buyer: Option<u32>,
}

/// Makes what is asked for.
pub(crate) async fn run(options: CouponOptions) -> Result<ExitCode> {
    let CouponCommand::Create(terms) = &options.command;
    let made = post_admin(&Data::at(&options.data), "/admin/coupons", &terms.body()).await?;
    let (code, uses) =
        (made["code"].as_str().unwrap_or(&terms.code), made["uses"].as_u64().unwrap_or_default());
    println!("{code}: used by {uses} orders");
    Ok(ExitCode::SUCCESS)
}

impl Terms {
    /// The contract's `CreateCouponRequest`.
    fn body(&self) -> Value {
        let money =
            |minor: Option<i64>| minor.map(|minor| json!({"minor": minor, "currency": self.currency}));
        let members = [
            ("code", Some(json!(self.code.to_ascii_uppercase()))),
            ("percent", self.percent.map(Value::from)),
            ("amount", money(self.amount_minor)),
            ("minimum", money(self.minimum_minor)),
            ("startsAt", self.starts.as_deref().map(Value::from)),
            ("endsAt", Some(json!(self.ends))),
            ("usesMax", self.uses.map(Value::from)),
            ("usesPerBuyerMax", self.uses_per_buyer.map(Value::from)),
        ];
        let given = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect::<Map<_, _>>())
    }
}
