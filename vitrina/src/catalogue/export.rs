//! Writes a seller's products as CSV that `import` reads.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use reqwest::Method;
use serde_json::Value;

use crate::connect::{Shop, Target};

/// The columns of an export. Attributes without a column of their own have no place in the format.
const COLUMNS: [&str; 11] = [
    "sku",
    "title",
    "description",
    "brand",
    "category",
    "condition",
    "price",
    "stock",
    "model",
    "weight_lb",
    "dimensions",
];

#[derive(Args, Debug)]
#[command(after_help = "Example:
  vitrina export products.csv --seller ana")]
pub(crate) struct ExportOptions {
    /// The file to write
    file: PathBuf,
    /// Id, e-mail address or username of the seller
    #[arg(long)]
    seller: String,
    #[command(flatten)]
    target: Target,
}

/// Exports a seller's products, newest first.
pub(crate) async fn export(options: ExportOptions) -> Result<ExitCode> {
    let shop = Shop::connect(&options.target, &options.seller).await?;
    let name = options.file.display();
    let mut writer =
        csv::Writer::from_path(&options.file).with_context(|| format!("{name} can't be written"))?;
    writer.write_record(COLUMNS)?;
    let mut cursor = String::new();
    let mut rows = 0_u64;
    loop {
        let page = shop.send(Method::GET, &format!("/v1/products?limit=100{cursor}"), None).await?;
        for product in page["items"].as_array().into_iter().flatten() {
            writer.write_record(row(product))?;
            rows += 1;
        }
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    writer.flush().with_context(|| format!("{name} can't be written"))?;
    println!("{rows} products written to {name}");
    Ok(ExitCode::SUCCESS)
}

fn row(product: &Value) -> [String; COLUMNS.len()] {
    let text = |pointer: &str| match product.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let minor = product.pointer("/price/minor").and_then(Value::as_i64).unwrap_or_default();
    let id = text("/id");
    let sku = text("/sku");
    [
        if sku.is_empty() { id } else { sku },
        text("/name"),
        text("/description"),
        text("/brand"),
        text("/category"),
        text("/condition").to_lowercase(),
        format!("{}.{:02}", minor / 100, minor % 100),
        text("/stock/onHand"),
        text("/attributes/model"),
        text("/attributes/weight_lb"),
        text("/attributes/dimensions"),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_product_is_a_row_that_import_reads() {
        let product = json!({"id": "prd_1", "name": "Radio", "condition": "NEW", "category": "audio",
            "price": {"minor": 1_205, "currency": "ARS"}, "stock": {"onHand": 3}, "attributes": {"model": "K1"}});
        let row = row(&product);
        assert_eq!(row[0], "prd_1");
        assert_eq!(row[5], "new");
        assert_eq!(row[6], "12.05");
        assert_eq!(row[8], "K1");
    }
}
