//! A real catalogue goes in whole, what can't go in is named, and what went in is found and counted right.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::path::Path;

use serde_json::Value;
use vitrina_bench::{Client, Shop, Way, story};

/// Rows of the file that are imported; `ROWS=all` takes every row.
fn rows_max() -> usize {
    match std::env::var("ROWS").as_deref() {
        Ok("all") => usize::MAX,
        Ok(rows) => rows.parse().expect("ROWS is a number or all"),
        Err(_) => 3_000,
    }
}

struct Row {
    line: usize,
    brand: String,
    has_price: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalogue_is_imported_found_and_counted() {
    let shop = Shop::start(Way::OneProcess).await;
    let client = shop.client();
    let seller = story::seller(&client, "catalogue").await;
    let file = shop.folder().join("slice.csv");
    let rows = slice(&file);
    let priced: Vec<&Row> = rows.iter().filter(|row| row.has_price).collect();

    let rejects = shop.folder().join("rejects.csv");
    let report = import(&shop, &file, &rejects, &seller.username).await;
    let refused = std::fs::read_to_string(&rejects).expect("the rejects are written");
    for row in rows.iter().filter(|row| !row.has_price) {
        assert!(report.contains(&format!("line {}", row.line)), "line {} is not named:\n{report}", row.line);
    }
    assert_eq!(
        refused.lines().count() - 1,
        rows.len() - priced.len(),
        "a refused row is missing from {refused}"
    );

    let total = u64::try_from(priced.len()).expect("a file has fewer rows");
    let path = format!("/v1/publications?limit=1&seller={}", seller.id);
    let found = client.get_until(&path, |answer| answer.json["total"].as_u64() == Some(total)).await;
    check_brands(&found.json, &priced);

    let page = client.get("/v1/pages/search?q=kodak+ink").await.expect(200);
    let first = page.text_at("/cards/0/publicationId");
    assert!(
        page.json.get("degraded").is_none_or(|parts| parts.as_array().is_some_and(Vec::is_empty)),
        "{page:#?}"
    );
    let page = client.get(&format!("/v1/pages/publications/{first}")).await.expect(200);
    assert_eq!(page.text_at("/seller/id"), seller.id);
    assert!(page.json.pointer("/product/effectivePrice/minor").is_some_and(Value::is_number), "{page:#?}");

    import(&shop, &file, &rejects, &seller.username).await;
    client.get(&path).await.expect(200);
    check_every_product_once(&seller.client, priced.len()).await;
}

async fn import(shop: &Shop, file: &Path, rejects: &Path, seller: &str) -> String {
    let data = shop.data().display().to_string();
    let (code, report) = shop
        .vitrina(&[
            "import",
            &file.display().to_string(),
            "--seller",
            seller,
            "--data",
            &data,
            "--rejects",
            &rejects.display().to_string(),
        ])
        .await;
    assert_eq!(code, 1, "rows without a price are refused, the others go in:\n{report}");
    report
}

/// Writes the first rows of the real catalogue to `file` and gives what is true of them.
fn slice(file: &Path) -> Vec<Row> {
    let source = vitrina_bench::catalogue();
    let mut reader = csv::Reader::from_path(&source).expect("the catalogue is there");
    let headers = reader.headers().expect("it has a header").clone();
    let mut writer = csv::Writer::from_path(file).expect("the temporary directory can be written");
    writer.write_record(&headers).expect("the slice can be written");
    let column = |name: &str| headers.iter().position(|header| header == name).expect("the column is there");
    let (brand, price) = (column("brand"), column("price_usd"));
    let mut rows = Vec::new();
    for record in reader.records().take(rows_max()) {
        let record = record.expect("the catalogue is CSV");
        writer.write_record(&record).expect("the slice can be written");
        rows.push(Row {
            // One record a line: the real file has no line break within a field.
            line: rows.len() + 2,
            brand: record[brand].trim().to_owned(),
            has_price: record[price].trim().parse::<f64>().is_ok_and(|price| price > 0.0),
        });
    }
    writer.flush().expect("the slice can be written");
    rows
}

/// The facet of brands against a plain count over the file.
fn check_brands(found: &Value, priced: &[&Row]) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for row in priced.iter().filter(|row| !row.brand.is_empty()) {
        *counts.entry(&row.brand).or_default() += 1;
    }
    let facet = found["facets"]["brand"].as_array().expect("there is a facet of brands");
    assert!(!facet.is_empty());
    let least = facet.iter().filter_map(|entry| entry["count"].as_u64()).min().expect("it is not empty");
    for entry in facet {
        let value = entry["value"].as_str().expect("a value is a text");
        assert_eq!(entry["count"].as_u64(), counts.get(value).copied(), "brand {value}");
    }
    let named: HashSet<&str> = facet.iter().filter_map(|entry| entry["value"].as_str()).collect();
    let left_out = counts.iter().filter(|(brand, _)| !named.contains(*brand)).map(|(_, count)| *count).max();
    assert!(left_out.is_none_or(|count| count <= least), "a more frequent brand was left out");
}

async fn check_every_product_once(seller: &Client, expected: usize) {
    let mut skus = HashSet::new();
    let mut cursor = String::new();
    loop {
        let answer = seller.get(&format!("/v1/products?limit=100{cursor}")).await.expect(200);
        for item in answer.json["items"].as_array().expect("a page has items") {
            let sku = item["sku"].as_str().expect("an imported product has a sku").to_owned();
            assert!(skus.insert(sku.clone()), "{sku} is there twice");
        }
        match answer.json["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(skus.len(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_catalogue_is_refused_with_the_reason() {
    let shop = Shop::start(Way::OneProcess).await;
    let seller = story::seller(&shop.client(), "clumsy").await;
    let file = shop.folder().join("wrong.csv");
    let mut text = std::fs::File::create(&file).expect("the temporary directory can be written");
    text.write_all(b"sku,title,colour\n1,Radio,red\n").expect("the file can be written");
    let data = shop.data().display().to_string();
    let file = file.display().to_string();
    let (code, report) =
        shop.vitrina(&["import", &file, "--seller", &seller.username, "--data", &data]).await;
    assert_eq!(code, 2, "{report}");
    assert!(report.contains("colour"), "the unknown column is not named:\n{report}");
    let (code, report) = shop.vitrina(&["import", "absent.csv", "--seller", "x", "--data", &data]).await;
    assert_eq!(code, 2, "{report}");
    assert!(report.contains("absent.csv"), "{report}");
}
