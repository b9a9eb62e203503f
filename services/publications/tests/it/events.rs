//! What is heard may come twice and in any order.

use vitrina_chassis::{Caller, UserId};
use vitrina_proto::events::v1 as events;
use vitrina_proto::products::v1::{Product, ProductStatus};
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus::{Active, Closed, Paused};

use crate::harness::{PublicationId, Shop, ars, by, everything, new, product, stock, until};

fn published(product: &Product, id: &str, title: &str) -> events::ProductPublished {
    events::ProductPublished {
        product: Some(product.clone()),
        publication_id: id.to_owned(),
        title: title.to_owned(),
        tags: vec!["importado".to_owned()],
    }
}

#[tokio::test]
async fn an_imported_product_is_published_once() {
    let shop = Shop::open().await;
    let lamp = product(UserId::generate());
    let id = PublicationId::generate().to_string();
    for title in ["Lámpara", "Otro título"] {
        shop.hear("product.published", &lamp.id, &published(&lamp, &id, title)).await;
    }
    shop.until_found(1).await;
    // Messages of one key are handled in order: once this is seen, the second one was handled too.
    shop.hear_product(&Product { version: 2, stock: Some(stock(9)), ..lamp.clone() }).await;
    until("all is heard", || async { shop.search(everything()).await.items[0].available == 9 }).await;
    let got = shop.get(Caller::anonymous(), &id).await.unwrap();
    assert_eq!((got.title.as_str(), got.status(), got.version), ("Lámpara", Active, 1));
    assert_eq!((got.payment_methods.len(), got.tags.len()), (2, 1));
    assert_eq!(shop.search(everything()).await.total, 1);
}

#[tokio::test]
async fn an_import_does_not_displace_what_the_seller_published_before() {
    let shop = Shop::open().await;
    let lamp = product(UserId::generate());
    let first = shop.publish(&lamp, "Lámpara").await.id;
    let id = PublicationId::generate().to_string();
    shop.hear("product.published", &lamp.id, &published(&lamp, &id, "Otra")).await;
    until("it is heard", || async { shop.get(Caller::anonymous(), &id).await.is_ok() }).await;
    assert_eq!(shop.get(Caller::anonymous(), &id).await.unwrap().status(), Paused);
    assert_eq!(shop.get(Caller::anonymous(), &first).await.unwrap().status(), Active);
}

#[tokio::test]
async fn an_older_event_of_a_product_changes_nothing() {
    let shop = Shop::open().await;
    let lamp = product(UserId::generate());
    let at = |version, minor| Product { version, price: ars(minor), ..lamp.clone() };
    shop.hear_product(&at(3, 300)).await;
    shop.hear_product(&at(2, 200)).await;
    let id = PublicationId::generate().to_string();
    // The publication of an import comes with an older product, too.
    shop.hear("product.published", &lamp.id, &published(&at(1, 100), &id, "Lámpara")).await;
    shop.until_found(1).await;
    assert_eq!(shop.search(everything()).await.items[0].price, ars(300));
    shop.hear_product(&at(2, 200)).await;
    shop.hear_product(&at(4, 400)).await;
    until("the newest is known", || async { shop.search(everything()).await.items[0].price == ars(400) })
        .await;
}

#[tokio::test]
async fn a_deleted_product_is_not_on_sale() {
    let shop = Shop::waiting(50).await;
    let ana = UserId::generate();
    let lamp = product(ana);
    let id = PublicationId::generate().to_string();
    shop.hear("product.published", &lamp.id, &published(&lamp, &id, "Lámpara")).await;
    shop.until_found(1).await;
    let deleted = Product { version: 2, status: ProductStatus::Deleted.into(), ..lamp.clone() };
    let payload = events::ProductChanged { product: Some(deleted), ..Default::default() };
    shop.hear("product.deleted", &lamp.id, &payload).await;
    shop.until_found(0).await;
    let got = shop.get(Caller::seller(ana), &id).await.unwrap();
    assert_eq!((got.status(), got.version), (Closed, 2));
    let again = shop.client().create_publication(by(ana, new(&lamp, "Lámpara"))).await;
    assert_eq!(crate::harness::reason(again), "product_unknown");
}

#[tokio::test]
async fn an_older_username_changes_nothing() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    shop.hear_user(eva, 2, "eva2").await;
    shop.hear_user(eva, 1, "eva").await;
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    assert_eq!(shop.ask(eva, &id).await.unwrap().asked_by.unwrap().username, "eva2");
}

#[tokio::test]
async fn a_wish_counts_once() {
    let shop = Shop::open().await;
    let (ana, eva, leo) = (UserId::generate(), UserId::generate(), UserId::generate());
    let first = shop.publish(&product(ana), "Lámpara").await.id;
    let second = shop.publish(&product(ana), "Velador").await.id;
    shop.until_found(2).await;
    for user in [eva, eva, leo] {
        shop.hear_wish("wishlist.added", user, &first).await;
    }
    for topic in ["wishlist.added", "wishlist.removed", "wishlist.removed", "wishlist.added"] {
        shop.hear_wish(topic, ana, &second).await;
    }
    let wished = || async {
        let request = tonic::Request::new(pb::ListHomeRequest::default());
        let lists = shop.client().list_home(request).await.unwrap().into_inner();
        lists.most_wished.into_iter().map(|item| item.id).collect::<Vec<_>>()
    };
    until("the wishes are known", || async { wished().await == [first.clone(), second.clone()] }).await;
    for user in [eva, leo] {
        shop.hear_wish("wishlist.removed", user, &first).await;
    }
    until("the wishes are gone", || async { wished().await == [second.clone()] }).await;
}
