//! Search, as fed by events: words, filters, counts, orders and pages.

use std::collections::BTreeMap;
use std::time::Duration;

use vitrina_chassis::UserId;
use vitrina_proto::products::v1::{Condition, Product};
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus::{Active, Paused};

use crate::harness::{Shop, ars, by, everything, new, product, stock, until, words};

#[tokio::test]
async fn words_are_found_through_accents_plurals_and_typing_errors() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let plain = Product { brand: None, description: String::new(), ..product(ana) };
    for title in ["Lámpara de pie", "Televisor grande", "Running shoes"] {
        shop.publish(&Product { id: product(ana).id, ..plain.clone() }, title).await;
    }
    let branded = Product { brand: Some("Ñandú".into()), ..product(ana) };
    shop.hear_product(&branded).await;
    let request = pb::CreatePublicationRequest {
        tags: vec!["regalo".into()],
        description: Some("Para toda la familia.".into()),
        ..new(&branded, "Mesa plegable")
    };
    shop.client().create_publication(by(ana, request)).await.unwrap();
    shop.until_found(4).await;
    for (typed, title) in [
        ("lampara", "Lámpara de pie"),
        ("LÁMPARAS", "Lámpara de pie"),
        ("televisores", "Televisor grande"),
        ("telvisor", "Televisor grande"),
        ("televizores", "Televisor grande"),
        ("lanpara pie", "Lámpara de pie"),
        ("shoe run", "Running shoes"),
        ("nandu", "Mesa plegable"),
        ("regalos", "Mesa plegable"),
        ("familias", "Mesa plegable"),
    ] {
        assert_eq!(shop.titles(words(typed)).await, [title], "{typed}");
    }
    for typed in ["bicicleta", "lámpara grande", "?!"] {
        assert!(shop.titles(words(typed)).await.is_empty(), "{typed}");
    }
}

#[tokio::test]
async fn a_word_of_the_title_counts_more_than_one_of_the_description() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let with_lamp = Product { description: "Con lámpara de pie incluida.".into(), ..product(ana) };
    shop.publish(&with_lamp, "Mesa").await;
    shop.publish(&product(ana), "Lámpara").await;
    shop.until_found(2).await;
    assert_eq!(shop.titles(words("lampara")).await, ["Lámpara", "Mesa"]);
}

/// What the n-th product of a varied range is.
fn varied(shop: &Shop, seller: UserId, n: u32) -> Product {
    let pick = |names: &[&str], by: u32| names[by as usize % names.len()].to_owned();
    Product {
        category: pick(&["hogar/luz", "hogar", "hogar/luz/led", "deporte"], n),
        brand: (!n.is_multiple_of(5)).then(|| pick(&["Lux", "Ñandú", "Acme"], n)),
        condition: if n.is_multiple_of(3) { Condition::Used.into() } else { Condition::New.into() },
        price: ars(i64::from(n) * 1000),
        offer: if n.is_multiple_of(4) { shop.offer(i64::from(n) * 500, 60_000) } else { None },
        stock: Some(stock(n % 3)),
        ..product(seller)
    }
}

/// Whether a search without words shall find a product, and what it costs then.
fn is_wanted(request: &pb::SearchRequest, product: &Product) -> bool {
    let price = effective(product);
    let category = request.category.as_deref().unwrap_or_default();
    (category.is_empty()
        || product.category == category
        || product.category.starts_with(&format!("{category}/")))
        && request.brand.as_ref().is_none_or(|brand| product.brand.as_ref() == Some(brand))
        && request.condition.is_none_or(|condition| product.condition == condition)
        && request.min_price.is_none_or(|min| price >= min)
        && request.max_price.is_none_or(|max| price <= max)
        && request.seller.as_ref().is_none_or(|seller| product.seller_id == *seller)
        && (!request.in_stock() || product.stock.expect("it is there").available > 0)
        && (!request.on_offer() || product.offer.is_some())
}

fn effective(product: &Product) -> u64 {
    let price = product.offer.as_ref().and_then(|offer| offer.price.as_ref()).or(product.price.as_ref());
    price.map_or(0, |price| price.minor.unsigned_abs())
}

fn counted(values: &[pb::FacetValue]) -> BTreeMap<String, u32> {
    values.iter().map(|value| (value.value.clone(), value.count)).collect()
}

fn count<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<String, u32> {
    names.fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name.to_owned()).or_default() += 1;
        counts
    })
}

async fn check_counts(shop: &Shop, products: &[Product], request: pb::SearchRequest) {
    let reply = shop.search(pb::SearchRequest { limit: Some(100), ..request.clone() }).await;
    let plain: Vec<&Product> = products.iter().filter(|product| is_wanted(&request, product)).collect();
    let mut found: Vec<_> = reply.items.iter().map(|item| item.product_id.as_str()).collect();
    let mut wanted: Vec<_> = plain.iter().map(|product| product.id.as_str()).collect();
    found.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{request:?}");
    assert_eq!(reply.total as usize, plain.len());
    let facets = reply.facets.expect("they are always there");
    assert_eq!(counted(&facets.category), count(plain.iter().map(|product| product.category.as_str())));
    assert_eq!(counted(&facets.brand), count(plain.iter().filter_map(|product| product.brand.as_deref())));
    let condition = |used| if used { "USED" } else { "NEW" };
    let conditions = plain.iter().map(|product| condition(product.condition() == Condition::Used));
    assert_eq!(counted(&facets.condition), count(conditions));
    assert_eq!(facets.price.iter().map(|range| range.count).sum::<u32>(), reply.total);
    for range in facets.price {
        let from = range.from.expect("it is there").minor.unsigned_abs();
        let to = range.to.map_or(u64::MAX, |to| to.minor.unsigned_abs());
        let inside = plain.iter().filter(|product| (from..to).contains(&effective(product)));
        assert_eq!(range.count as usize, inside.count(), "{from}..{to}");
    }
}

#[tokio::test]
async fn filters_and_facets_agree_with_a_plain_count() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let mut products = Vec::new();
    for n in 1..=60 {
        products.push(varied(&shop, if n % 7 == 0 { eva } else { ana }, n));
        shop.publish(&products[products.len() - 1], &format!("Cosa {n}")).await;
    }
    shop.until_found(60).await;
    let some = |text: &str| Some(text.to_owned());
    for request in [
        everything(),
        pb::SearchRequest { category: some("hogar"), ..everything() },
        pb::SearchRequest { category: some("hogar/luz"), in_stock: Some(true), ..everything() },
        pb::SearchRequest { brand: some("Ñandú"), on_offer: Some(true), ..everything() },
        pb::SearchRequest { condition: Some(Condition::Used.into()), ..everything() },
        pb::SearchRequest { min_price: Some(5_000), max_price: Some(20_000), ..everything() },
        pb::SearchRequest { seller: Some(eva.to_string()), ..everything() },
        pb::SearchRequest { on_offer: Some(false), in_stock: Some(false), ..everything() },
        pb::SearchRequest { category: some("hog"), ..everything() },
    ] {
        check_counts(&shop, &products, request).await;
    }
    let folded = pb::SearchRequest { brand: some("NANDU"), ..everything() };
    let exact = pb::SearchRequest { brand: some("Ñandú"), ..everything() };
    assert_eq!(shop.search(folded).await.total, shop.search(exact).await.total);
}

#[tokio::test]
async fn an_offer_counts_from_its_start_to_its_end() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let mut offer = shop.offer(40_000, 20_000);
    if let Some(offer) = &mut offer {
        offer.starts_at = Some(vitrina_proto::Timestamp::from_unix_ms(shop.now_ms() + 10_000));
    }
    shop.publish(&Product { offer, ..product(ana) }, "Rebajada").await;
    shop.publish(&Product { price: ars(50_000), ..product(ana) }, "Barata").await;
    shop.until_found(2).await;
    let cheapest = || pb::SearchRequest { sort: Some("price_asc".into()), ..everything() };
    let check = |titles: [&'static str; 2], price, on_offer| {
        let shop = &shop;
        async move {
            let reply = shop.search(cheapest()).await;
            let found: Vec<_> = reply.items.iter().map(|item| item.title.as_str()).collect();
            assert_eq!(found, titles);
            let item = reply.items.iter().find(|item| item.title == "Rebajada").unwrap();
            assert_eq!((item.price.clone(), item.effective_price.clone()), (ars(100_000), ars(price)));
            let request = pb::SearchRequest { on_offer: Some(true), ..everything() };
            assert_eq!(shop.search(request).await.total, on_offer);
            let request = pb::SearchRequest { max_price: Some(45_000), ..everything() };
            assert_eq!(shop.search(request).await.total, on_offer);
        }
    };
    check(["Barata", "Rebajada"], 100_000, 0).await;
    shop.ctx.clock.advance(Duration::from_secs(10));
    check(["Rebajada", "Barata"], 40_000, 1).await;
    shop.ctx.clock.advance(Duration::from_secs(10));
    check(["Barata", "Rebajada"], 100_000, 0).await;
}

#[tokio::test]
async fn stock_price_and_status_are_followed() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    let id = shop.publish(&lamp, "Lámpara").await.id;
    shop.until_found(1).await;
    let in_stock = || pb::SearchRequest { in_stock: Some(true), ..everything() };
    assert_eq!(shop.search(in_stock()).await.items[0].available, 3);
    shop.hear_product(&Product { version: 2, stock: Some(stock(0)), ..lamp.clone() }).await;
    until("it is sold out", || async { shop.search(in_stock()).await.total == 0 }).await;
    assert_eq!(shop.search(everything()).await.items[0].available, 0);
    shop.put_status(ana, &id, Paused).await.unwrap();
    assert!(shop.search(everything()).await.items.is_empty(), "it is not shown at once");
    shop.until_found(0).await;
    shop.put_status(ana, &id, Active).await.unwrap();
    shop.until_found(1).await;
    let update = pb::UpdatePublicationRequest { id, title: Some("Velador".into()), ..Default::default() };
    shop.client().update_publication(by(ana, update)).await.unwrap();
    until("the new title is found", || async { shop.titles(words("velador")).await.len() == 1 }).await;
    assert!(shop.titles(words("lámpara")).await.is_empty());
}

#[tokio::test]
async fn every_order_goes_through_all_pages_while_publications_are_added() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let mut total: u32 = 25;
    for n in 0..total {
        shop.ctx.clock.advance(Duration::from_millis(1));
        // Pairs of one price: their order must not depend on chance.
        let cheap = Product { price: ars(i64::from(n / 2) * 100), ..product(ana) };
        shop.publish(&cheap, &format!("Lámpara {n}")).await;
    }
    shop.until_found(total).await;
    for (sort, q) in [
        ("price_asc", ""),
        ("price_desc", ""),
        ("newest", ""),
        ("relevance", "lámpara"),
        ("newest", "lanpara"),
    ] {
        let request =
            |cursor| pb::SearchRequest { sort: Some(sort.to_owned()), limit: Some(4), cursor, ..words(q) };
        let all = pb::SearchRequest { limit: Some(100), ..request(None) };
        let before: Vec<_> = shop.search(all).await.items;
        if sort.starts_with("price") {
            let mut prices: Vec<_> = before.iter().map(|item| item.price.as_ref().unwrap().minor).collect();
            if sort == "price_desc" {
                prices.reverse();
            }
            assert!(prices.is_sorted(), "{sort}: {prices:?}");
        }
        let (mut seen, mut cursor, mut page) = (Vec::new(), None, 0);
        loop {
            let reply = shop.search(request(cursor)).await;
            seen.extend(reply.items.into_iter().map(|item| item.id));
            cursor = reply.next_cursor;
            if cursor.is_none() {
                break;
            }
            page += 1;
            assert!(page < 100, "{sort} {q} goes on for ever");
            if page % 3 == 0 {
                shop.ctx.clock.advance(Duration::from_millis(1));
                shop.publish(&Product { price: ars(1100), ..product(ana) }, "Lámpara nueva").await;
                total += 1;
                shop.until_found(total).await;
            }
        }
        let ids: Vec<_> = before.into_iter().map(|item| item.id).collect();
        seen.retain(|id| ids.contains(id));
        assert_eq!(seen, ids, "{sort} {q}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_order_is_refused() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    for title in ["Lámpara", "Velador"] {
        shop.publish(&product(ana), title).await;
    }
    shop.until_found(2).await;
    let page = |sort: &str, cursor| pb::SearchRequest {
        sort: Some(sort.to_owned()),
        limit: Some(1),
        cursor,
        ..everything()
    };
    let cursor = shop.search(page("newest", None)).await.next_cursor;
    assert!(cursor.is_some());
    assert_eq!(shop.search(page("newest", cursor.clone())).await.next_cursor, None);
    let refused = shop.client().search(tonic::Request::new(page("price_asc", cursor))).await;
    assert_eq!(crate::harness::wrong_fields(refused), ["cursor"]);
}
