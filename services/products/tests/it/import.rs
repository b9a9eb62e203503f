//! Catalogues come in whole: what can become a product does, once; what cannot is reported by line, column and reason.

use std::collections::HashMap;

use tonic::Status;
use vitrina_chassis::UserId;
use vitrina_proto::events::v1::ProductPublished;
use vitrina_proto::products::v1::{self as pb, ImportReport};

use crate::harness::{Shop, ars, by, lamp, listen, wrong_fields};

/// Rows of a real catalogue, dirty as it was: titles of up to 851 characters, rows without price, brand or size.
const CATALOGUE: &str = include_str!("data/catalogue.csv");

async fn import(
    shop: &Shop,
    seller: UserId,
    request: pb::ImportProductsRequest,
) -> Result<ImportReport, Status> {
    shop.client().import_products(by(seller, request)).await.map(tonic::Response::into_inner)
}

fn csv(text: &str) -> pb::ImportProductsRequest {
    pb::ImportProductsRequest { csv: text.as_bytes().to_vec(), ..Default::default() }
}

async fn products(shop: &Shop, seller: UserId) -> Vec<pb::Product> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let request = pb::ListProductsRequest { limit: Some(100), cursor };
        let page =
            shop.client().list_products(by(seller, request)).await.expect("a list is read").into_inner();
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

/// Imports one row behind a header and gives its faults as (column, reason).
async fn check_refused(header: &str, row: &str, faults: &[(&str, &str)]) {
    let shop = Shop::open();
    let ana = UserId::generate();
    let report = import(&shop, ana, csv(&format!("{header}\n{row}\n"))).await.expect("the header is fine");
    let found: Vec<_> =
        report.rejected.iter().map(|row| (row.column.as_str(), row.reason.as_str())).collect();
    assert_eq!(found, faults, "{row}");
    assert_eq!((report.read, report.created), (1, 0));
    assert!(report.rejected.iter().all(|row| row.line == 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_run_of_a_real_catalogue_changes_nothing() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let first = import(&shop, ana, csv(CATALOGUE)).await.unwrap();
    let rows: Vec<HashMap<String, String>> =
        csv::Reader::from_reader(CATALOGUE.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    let priced = rows.iter().filter(|row| !row["price_usd"].is_empty()).count();
    assert_eq!((first.read as usize, first.created as usize, first.unchanged), (rows.len(), priced, 0));
    assert_eq!(first.rejected.len(), rows.len() - priced);
    assert!(first.rejected.iter().all(|row| row.column == "price_usd" && row.reason == "is missing"));
    let before = products(&shop, ana).await;
    assert_eq!(before.len(), priced);

    let second = import(&shop, ana, csv(CATALOGUE)).await.unwrap();
    assert_eq!((second.read, second.created, second.unchanged as usize), (first.read, 0, priced));
    assert_eq!(second.rejected, first.rejected);
    assert_eq!(products(&shop, ana).await, before);
}

#[tokio::test]
async fn a_row_becomes_a_product_with_an_active_publication() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let mut events = listen(&shop.ctx, &["product.published"]).await;
    let text = "tags,price_usd,dimensions,title,sku,model,weight_lb,brand,stock,category,condition,description\n\
                \"a, b|c\",12.655,1 x 2,Lamp,s1,m1,1.5,Lux,3,home/lamps,USED,It shines.\n";
    let report =
        import(&shop, ana, pb::ImportProductsRequest { rate: Some(2.0), ..csv(text) }).await.unwrap();
    assert_eq!((report.created, report.rejected.len()), (1, 0));
    let product = products(&shop, ana).await.remove(0);
    // Half a unit is rounded up: 12.655 × 2 = 25.31.
    assert_eq!(product.price, ars(2531));
    let attributes = [("dimensions", "1 x 2"), ("model", "m1"), ("weight_lb", "1.5")];
    assert_eq!(product.attributes, attributes.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    assert_eq!((product.name.as_str(), product.description.as_str()), ("Lamp", "It shines."));
    assert_eq!((product.brand.as_deref(), product.category.as_str()), (Some("Lux"), "home/lamps"));
    assert_eq!((product.condition(), product.sku.as_deref()), (pb::Condition::Used, Some("s1")));
    assert_eq!(product.stock.map(|stock| stock.on_hand), Some(3));

    let delivery = events.next().await.expect("an event comes");
    let event: ProductPublished = prost::Message::decode(delivery.message.payload.clone()).unwrap();
    assert_eq!(Some(&event.publication_id), product.publication_id.as_ref());
    assert_eq!((event.title.as_str(), event.tags), ("Lamp", vec!["a".to_owned(), "b".into(), "c".into()]));
    assert_eq!(event.product.as_ref(), Some(&product));
    let request = pb::GetAvailabilityRequest { publication_id: event.publication_id };
    let available = shop.client().get_availability(tonic::Request::new(request)).await.unwrap().into_inner();
    assert_eq!(available.available, 3);
    let refused = shop.client().delete_product(by(ana, pb::DeleteProductRequest { id: product.id })).await;
    assert_eq!(crate::harness::reason(refused), "publication_active");
}

#[tokio::test]
async fn what_a_row_leaves_out_has_a_default() {
    let shop = Shop::open();
    let ana = UserId::generate();
    import(&shop, ana, csv("\u{feff}sku,title,price\r\ns1, Lamp ,5\r\n")).await.unwrap();
    let product = products(&shop, ana).await.remove(0);
    assert_eq!(
        (product.name.as_str(), product.description.as_str(), product.category.as_str()),
        ("Lamp", "Lamp", "other")
    );
    assert_eq!((product.condition(), product.brand), (pb::Condition::New, None));
    assert_eq!((product.price, product.stock.map(|stock| stock.on_hand)), (ars(500), Some(10)));
}

#[tokio::test]
async fn a_title_that_is_too_long_for_a_name_is_kept_in_the_description() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let title = "compatible ".repeat(30);
    import(&shop, ana, csv(&format!("sku,title,price,description\ns1,{title},5,Good.\n"))).await.unwrap();
    let product = products(&shop, ana).await.remove(0);
    assert!(product.name.len() > 180 && product.name.len() <= 200 && product.name.ends_with("compatible"));
    assert_eq!(product.description, format!("{}\n\nGood.", title.trim()));
}

#[tokio::test]
async fn a_refused_row_is_named_by_line_column_and_reason() {
    check_refused("sku,title,price", "a,Lamp,", &[("price", "is missing")]).await;
    check_refused("sku,title,price,price_usd", "a,Lamp,,0", &[("price_usd", "must be above zero")]).await;
    check_refused("sku,title,price", "a,Lamp,-1", &[("price", "must be above zero")]).await;
    check_refused("sku,title,price", "a,Lamp,1.234", &[("price", "has more than 2 decimals")]).await;
    check_refused("sku,title,price", "a,Lamp,1e3", &[("price", "is not a decimal number")]).await;
    check_refused("sku,title,price", "a,Lamp,99999999999999999999", &[("price", "is too large")]).await;
    check_refused(
        "sku,title,price",
        ",,x",
        &[("sku", "is missing"), ("title", "is missing"), ("price", "is not a decimal number")],
    )
    .await;
    check_refused(
        "sku,title,price,stock,condition,category",
        "a,Lamp,1,-1,old,/",
        &[
            ("category", "must be 1 to 5 names parted by /"),
            ("condition", "must be new or used"),
            ("stock", "must be a whole number from 0 to 1000000"),
        ],
    )
    .await;
    check_refused("sku,title,price", "a,Lamp", &[("price", "the row has 2 cells, the header 3")]).await;
    let title = "x".repeat(2001);
    check_refused("sku,title,price", &format!("a,{title},1"), &[("title", "is longer than 2000 characters")])
        .await;
}

#[tokio::test]
async fn lines_are_counted_from_the_first_line_over_rows_of_several_lines() {
    let shop = Shop::open();
    let text = "sku,title,price\na,\"La\nmp\",1\nb,Lamp,\n\nc,Lamp,\n";
    let report =
        import(&shop, UserId::generate(), pb::ImportProductsRequest { first_line: Some(102), ..csv(text) })
            .await
            .unwrap();
    let found: Vec<_> = report.rejected.iter().map(|row| (row.line, row.sku.as_deref())).collect();
    assert_eq!(found, [(104, Some("b")), (106, Some("c"))]);
}

#[tokio::test]
async fn a_repeated_sku_is_unchanged_when_it_says_the_same_and_refused_when_not() {
    let shop = Shop::open();
    let report = import(&shop, UserId::generate(), csv("sku,title,price\na,Lamp,1\na,Lamp,1.00\na,Lamp,2\n"))
        .await
        .unwrap();
    assert_eq!((report.read, report.created, report.unchanged), (3, 1, 1));
    assert_eq!((report.rejected[0].line, report.rejected[0].reason.as_str()), (4, "sku repeated"));
}

#[tokio::test]
async fn a_wrong_header_or_wrong_terms_refuse_the_whole_file() {
    let shop = Shop::open();
    let ana = UserId::generate();
    for header in ["sku,title,price,colour", "sku,title", "sku,sku,title,price", "title,price", ""] {
        assert!(
            wrong_fields(import(&shop, ana, csv(header)).await).iter().all(|field| field == "csv"),
            "{header}"
        );
    }
    let ignoring =
        pb::ImportProductsRequest { ignore_unknown: true, ..csv("sku,title,price,colour\na,Lamp,1,red\n") };
    assert_eq!(import(&shop, ana, ignoring).await.unwrap().created, 1);
    let wrong = pb::ImportProductsRequest {
        rate: Some(f64::NAN),
        currency: Some("pesos".into()),
        stock: Some(u32::MAX),
        ..csv("sku,title,price\n")
    };
    assert_eq!(wrong_fields(import(&shop, ana, wrong).await), ["currency", "rate", "stock"]);
}

#[tokio::test]
async fn an_import_leaves_products_of_the_same_sku_as_they_are() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let request = pb::CreateProductRequest { sku: Some("a".into()), ..lamp() };
    let product = shop.client().create_product(by(ana, request)).await.unwrap().into_inner();
    let report = import(&shop, ana, csv("sku,title,price\na,Other,1\nb,Lamp,2\n")).await.unwrap();
    assert_eq!((report.created, report.unchanged), (1, 1));
    assert_eq!(shop.get(ana, &product.id).await.unwrap(), product);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_imports_of_one_file_at_once_create_each_product_once() {
    let shop = Shop::open();
    let ana = UserId::generate();
    let (first, second) =
        tokio::join!(import(&shop, ana, csv(CATALOGUE)), import(&shop, ana, csv(CATALOGUE)));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.created + second.created, first.created + first.unchanged);
    assert_eq!(products(&shop, ana).await.len() as u32, first.created + second.created);
}
