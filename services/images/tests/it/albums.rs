//! Pictures stand in an order, belong to somebody, and go with what they belong to.

use vitrina_chassis::{Caller, UserId, metadata};
use vitrina_proto::events::v1::UserChanged;
use vitrina_proto::images::v1 as pb;

use crate::corpus;
use crate::harness::{ProductId, Shop, by, listen, next_event, reason, said, until};

async fn three(shop: &Shop, seller: UserId, product: &str) -> Vec<String> {
    for side in [10, 20, 30] {
        shop.upload(seller, product, corpus::png(side, side)).await.expect("it is fine");
    }
    shop.ids(product).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seller_sets_the_order() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let mut ids = three(&shop, ana, &product).await;
    ids.rotate_left(1);
    let ordered = shop.order(ana, &product, &ids).await.expect("it names all");
    assert_eq!(said(&ordered, metadata::CHANGED), Some(format!("images:{product},product:{product}")));
    assert_eq!(shop.ids(&product).await, ids);
    for wrong in [&ids[..2], &[ids[0].clone(), ids[0].clone(), ids[1].clone()], &[], &["x".to_owned()]] {
        assert_eq!(reason(shop.order(ana, &product, wrong).await), "invalid_input", "{wrong:?}");
    }
    let mut stale = by(ana, pb::OrderProductImagesRequest { product_id: product.clone(), ids: ids.clone() });
    stale.metadata_mut().insert(metadata::IF_MATCH, 1.into());
    assert_eq!(reason(shop.client().order_product_images(stale).await), "version_mismatch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_picture_is_gone_and_its_objects_follow() {
    let shop = Shop::open().await;
    let mut events = listen(&shop.ctx, &["image.*"]).await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    let image = shop.upload(ana, &product, corpus::png(900, 500)).await.expect("it is fine");
    let other = shop.upload(ana, &product, corpus::png(20, 20)).await.expect("it is fine");
    shop.variant(&image.id, "card.webp").await.expect("it is there");
    shop.delete(ana, &image.id).await.expect("it is hers");
    assert_eq!(shop.ids(&product).await, std::slice::from_ref(&other.id));
    assert_eq!(reason(shop.variant(&image.id, "card.webp").await), "not_found", "nor from memory");
    assert_eq!(reason(shop.delete(ana, &image.id).await), "not_found");
    until("the objects are removed", || async {
        shop.objects().await.iter().all(|key| key.contains(&other.id))
    })
    .await;
    assert!(!shop.objects().await.is_empty());
    for (topic, version) in [("image.ready", 1), ("image.ready", 2), ("image.deleted", 3)] {
        let (heard, event) = next_event(&mut events).await;
        assert_eq!((heard.as_str(), event.version, event.owner_id), (topic, version, product.clone()));
        assert_eq!(event.avatar, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_may_look_but_not_touch() {
    let shop = Shop::open().await;
    let (ana, eve) = (UserId::generate(), UserId::generate());
    let product = shop.product(ana).await;
    let ids = three(&shop, ana, &product).await;
    assert_eq!(reason(shop.upload(eve, &product, corpus::png(8, 8)).await), "not_found");
    assert_eq!(reason(shop.order(eve, &product, &ids).await), "not_found");
    assert_eq!(reason(shop.delete(eve, &ids[0]).await), "not_the_owner");
    let avatar = shop.put_avatar(ana, corpus::png(8, 8)).await.expect("it is fine");
    assert_eq!(reason(shop.delete(eve, &avatar.id).await), "not_the_owner");
    let mut buyer =
        tonic::Request::new(pb::UploadProductImageRequest { product_id: product.clone(), content: vec![1] });
    Caller::user(ana).to_metadata(buyer.metadata_mut());
    assert_eq!(reason(shop.client().upload_product_image(buyer).await), "not_a_seller");
    assert_eq!(shop.ids(&product).await, ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_whose_event_is_on_its_way_is_waited_for() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let late = ProductId::generate().to_string();
    let (uploaded, ()) =
        tokio::join!(shop.upload(ana, &late, corpus::png(8, 8)), shop.hear("product.changed", &late, ana, 1));
    // On a machine that is busy the event may be later than the service waits; what counts is that it never is a defect.
    if let Err(status) = uploaded {
        assert_eq!(reason::<()>(Err(status)), "not_found");
    }
    let never = ProductId::generate().to_string();
    assert_eq!(reason(shop.upload(ana, &never, corpus::png(8, 8)).await), "not_found");
    assert_eq!(reason(shop.list(&never).await), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_go_with_their_product_and_avatars_with_their_user() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let product = shop.product(ana).await;
    three(&shop, ana, &product).await;
    shop.put_avatar(ana, corpus::png(8, 8)).await.expect("it is fine");
    assert_eq!(shop.batch(&[&product, &ana.to_string()]).await.len(), 2);
    shop.hear("product.deleted", &product, ana, 2).await;
    shop.publish(
        "user.deleted",
        &ana.to_string(),
        &UserChanged { id: ana.to_string(), ..Default::default() },
    )
    .await;
    until("they are gone", || async { shop.batch(&[&product, &ana.to_string()]).await.is_empty() }).await;
    until("the objects are removed", || async { shop.objects().await.is_empty() }).await;
    // An older event that comes late does not bring the product back.
    shop.publish(
        "product.published",
        &product,
        &vitrina_proto::events::v1::ProductPublished {
            product: Some(vitrina_proto::products::v1::Product {
                id: product.clone(),
                seller_id: ana.to_string(),
                ..Default::default()
            }),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(reason(shop.upload(ana, &product, corpus::png(8, 8)).await), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_names_each_owner_once_and_leaves_out_those_without_pictures() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let (with, without) = (shop.product(ana).await, shop.product(ana).await);
    let ids = three(&shop, ana, &with).await;
    let avatar = shop.put_avatar(ana, corpus::png(8, 8)).await.expect("it is fine");
    let ana = ana.to_string();
    let items = shop.batch(&[&ana, &without, &with, &with, "what?", ""]).await;
    let owners: Vec<&str> = items.iter().map(|item| item.owner_id.as_str()).collect();
    assert_eq!(owners, [ana.as_str(), &with]);
    assert_eq!(items[0].images, [avatar]);
    assert_eq!(
        items[1].images.iter().map(|image| &image.id).collect::<Vec<_>>(),
        ids.iter().collect::<Vec<_>>()
    );
    let request = pb::BatchListImagesRequest { owner_ids: vec![String::new(); 101] };
    assert_eq!(reason(shop.client().batch_list_images(tonic::Request::new(request)).await), "invalid_input");
}
