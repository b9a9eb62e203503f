//! Suggestions, related publications, the home page, a seller's own list, and batches.

use std::collections::BTreeSet;
use std::time::Duration;

use tonic::{Code, Request};
use vitrina_chassis::{Caller, UserId};
use vitrina_proto::products::v1::Product;
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus::{Active, Draft, Paused};

use crate::harness::{Shop, as_caller, by, new, product};

async fn suggest(shop: &Shop, typed: &str) -> Vec<String> {
    let request = pb::SuggestRequest { q: typed.to_owned(), limit: None };
    shop.client().suggest(Request::new(request)).await.expect("it is fine").into_inner().items
}

#[tokio::test]
async fn what_is_being_typed_is_completed() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let nandu = Product { brand: Some("Ñandú".into()), ..product(ana) };
    shop.publish(&nandu, "Lámpara de escritorio").await;
    shop.ctx.clock.advance(Duration::from_millis(1));
    shop.publish(&Product { brand: Some("Lampe".into()), ..product(ana) }, "Velador").await;
    shop.publish(&product(ana), "Mesa de luz").await;
    shop.until_found(3).await;
    assert_eq!(suggest(&shop, "lámp").await, ["Lampe", "Velador", "Lámpara de escritorio"]);
    assert_eq!(suggest(&shop, "NAND").await, ["Ñandú", "Lámpara de escritorio"]);
    assert_eq!(suggest(&shop, "mesa lu").await, ["Mesa de luz"]);
    assert!(suggest(&shop, "bici").await.is_empty());
    assert!(suggest(&shop, "?").await.is_empty());
}

#[tokio::test]
async fn related_ones_share_words_or_the_category() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let in_category = |category: &str| Product { category: category.to_owned(), ..product(ana) };
    let first = shop.publish(&in_category("hogar/luz"), "Lámpara de pie").await.id;
    let same_words = shop.publish(&in_category("jardin"), "Lámparas solares").await.id;
    let same_kind = shop.publish(&in_category("hogar/luz"), "Velador").await.id;
    shop.publish(&in_category("deporte"), "Bicicleta").await;
    shop.until_found(4).await;
    let related = |id: String| {
        let request = pb::ListRelatedRequest { id, limit: None };
        async { shop.client().list_related(Request::new(request)).await }
    };
    let items = related(first).await.unwrap().into_inner().items;
    let found: BTreeSet<_> = items.into_iter().map(|item| item.id).collect();
    assert_eq!(found, BTreeSet::from([same_words, same_kind]));
    assert_eq!(related("pub_nothing".into()).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_home_page_lists_the_newest_and_what_is_on_offer() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let cheap = Product { offer: shop.offer(50_000, 60_000), ..product(ana) };
    let old = shop.publish(&cheap, "Lámpara").await.id;
    shop.ctx.clock.advance(Duration::from_millis(1));
    let new = shop.publish(&product(ana), "Velador").await.id;
    shop.until_found(2).await;
    let home = || async {
        let lists = shop.client().list_home(Request::new(pb::ListHomeRequest::default())).await;
        let lists = lists.unwrap().into_inner();
        let ids = |items: Vec<pb::SearchItem>| items.into_iter().map(|item| item.id).collect::<Vec<_>>();
        (ids(lists.newest), ids(lists.on_offer), lists.most_wished.len())
    };
    assert_eq!(home().await, (vec![new.clone(), old.clone()], vec![old.clone()], 0));
    shop.ctx.clock.advance(Duration::from_secs(60));
    assert_eq!(home().await, (vec![new, old], vec![], 0));
}

#[tokio::test]
async fn a_seller_lists_the_own_ones_in_any_status() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let mut made = Vec::new();
    for n in 0..5 {
        shop.ctx.clock.advance(Duration::from_millis(1));
        made.insert(0, shop.publish(&product(ana), &format!("Lámpara {n}")).await.id);
    }
    shop.publish(&product(eva), "Ajena").await;
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    shop.ctx.clock.advance(Duration::from_millis(1));
    let draft = pb::CreatePublicationRequest { status: Some(Draft.into()), ..new(&lamp, "Borrador") };
    made.insert(0, shop.client().create_publication(by(ana, draft)).await.unwrap().into_inner().id);
    shop.put_status(ana, &made[3], Paused).await.unwrap();
    let pages = |status: Option<pb::PublicationStatus>| {
        let (shop, status) = (&shop, status.map(Into::into));
        async move {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let request = pb::ListMyPublicationsRequest { limit: Some(2), cursor, status };
                let page = shop.client().list_my_publications(by(ana, request)).await.unwrap().into_inner();
                seen.extend(page.items.into_iter().map(|publication| publication.id));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    return seen;
                }
            }
        }
    };
    assert_eq!(pages(None).await, made);
    assert_eq!(pages(Some(Draft)).await, made[..1]);
    assert_eq!(pages(Some(Paused)).await, made[3..4]);
    assert_eq!(pages(Some(Active)).await.len(), 4);
    let user = as_caller(Caller::user(ana), pb::ListMyPublicationsRequest::default());
    let refused = shop.client().list_my_publications(user).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_batch_keeps_the_order_and_leaves_out_what_is_unknown() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let first = shop.publish(&product(ana), "Lámpara").await.id;
    let second = shop.publish(&product(ana), "Velador").await.id;
    let ids = vec![second.clone(), "pub_nothing".into(), first.clone()];
    let request = Request::new(pb::BatchGetPublicationsRequest { ids });
    let items = shop.client().batch_get_publications(request).await.unwrap().into_inner().items;
    assert_eq!(items.into_iter().map(|item| item.id).collect::<Vec<_>>(), [second, first]);
    shop.until_found(2).await;
    let request = Request::new(pb::GetSellerFiguresRequest { seller_id: ana.to_string() });
    let figures = shop.client().get_seller_figures(request).await.unwrap().into_inner();
    assert_eq!((figures.active_publications, figures.unanswered_questions), (2, 0));
}
