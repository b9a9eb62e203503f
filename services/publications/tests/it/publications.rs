//! Publishing, changing and closing: who may, and what comes of it.

use tonic::{Code, Response};
use vitrina_chassis::{Caller, UserId, metadata};
use vitrina_proto::events::v1::PublicationChanged;
use vitrina_proto::publications::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus::{Active, Closed, Draft, Paused};

use crate::harness::{
    Shop, as_caller, by, keyed, listen, matching, new, next_event, product, reason, said, until,
};

#[tokio::test]
async fn a_publication_is_made_seen_and_told_of() {
    let shop = Shop::open().await;
    let mut events = listen(&shop.ctx, &["publication.*"]).await;
    let ana = UserId::generate();
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let response = shop.client().create_publication(by(ana, new(&lamp, "Lámpara"))).await.unwrap();
    assert_eq!(said(&response, metadata::VERSION).as_deref(), Some("1"));
    let made = response.into_inner();
    let told = (made.description.as_str(), made.status(), made.version, made.seller_id.clone());
    assert_eq!(told, ("De metal.", Active, 1, ana.to_string()));
    assert_eq!(shop.get(Caller::anonymous(), &made.id).await.unwrap(), made);
    let (topic, event) = next_event::<PublicationChanged>(&mut events).await;
    assert_eq!((topic.as_str(), event.publication), ("publication.changed", Some(made)));
}

#[tokio::test]
async fn a_product_has_one_active_publication() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    let first = shop.publish(&lamp, "Lámpara").await;
    let create = |status: Option<pb::PublicationStatus>| {
        by(ana, pb::CreatePublicationRequest { status: status.map(Into::into), ..new(&lamp, "Otra") })
    };
    assert_eq!(reason(shop.client().create_publication(create(None)).await), "publication_active");
    let second = shop.client().create_publication(create(Some(Draft))).await.unwrap().into_inner();
    assert_eq!(reason(shop.put_status(ana, &second.id, Active).await), "publication_active");
    shop.put_status(ana, &first.id, Paused).await.unwrap();
    shop.put_status(ana, &second.id, Active).await.unwrap();
    assert_eq!(reason(shop.put_status(ana, &first.id, Active).await), "publication_active");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_publish_a_product_at_once_one_succeeds() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let calls = (0..20).map(|_| {
        let (mut client, request) = (shop.client(), by(ana, new(&lamp, "Lámpara")));
        tokio::spawn(async move { client.create_publication(request).await.is_ok() })
    });
    let mut made = 0;
    for call in calls.collect::<Vec<_>>() {
        made += u32::from(call.await.unwrap());
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn only_the_owner_of_a_product_publishes_it() {
    let shop = Shop::waiting(50).await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let create = |request| async { shop.client().create_publication(request).await };
    until("the product is known", || async { create(by(ana, new(&lamp, "Lámpara"))).await.is_ok() }).await;
    assert_eq!(reason(create(by(eva, new(&lamp, "Lámpara"))).await), "product_unknown");
    assert_eq!(reason(create(by(eva, new(&product(eva), "Lámpara"))).await), "product_unknown");
    let user = as_caller(Caller::user(ana), new(&lamp, "Lámpara"));
    assert_eq!(create(user).await.unwrap_err().code(), Code::PermissionDenied);
    let nobody = as_caller(Caller::anonymous(), new(&lamp, "Lámpara"));
    assert_eq!(create(nobody).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn another_seller_cannot_change_a_publication() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let update =
        pb::UpdatePublicationRequest { id: id.clone(), title: Some("Mía".into()), ..Default::default() };
    let close = pb::DeletePublicationRequest { id: id.clone() };
    let codes = [
        shop.put_status(eva, &id, Paused).await.unwrap_err().code(),
        shop.client().update_publication(by(eva, update)).await.unwrap_err().code(),
        shop.client().delete_publication(by(eva, close)).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::NotFound; 3]);
    assert_eq!(shop.get(Caller::anonymous(), &id).await.unwrap().version, 1);
}

#[tokio::test]
async fn a_draft_is_seen_by_its_seller_only() {
    let shop = Shop::open().await;
    let (ana, eva) = (UserId::generate(), UserId::generate());
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let request = pb::CreatePublicationRequest { status: Some(Draft.into()), ..new(&lamp, "Lámpara") };
    let id = shop.client().create_publication(by(ana, request)).await.unwrap().into_inner().id;
    for stranger in [Caller::anonymous(), Caller::user(eva), Caller::seller(eva)] {
        assert_eq!(shop.get(stranger, &id).await.unwrap_err().code(), Code::NotFound);
    }
    assert_eq!(shop.get(Caller::seller(ana), &id).await.unwrap().status(), Draft);
    assert_eq!(shop.get(Caller::admin(eva), &id).await.unwrap().status(), Draft);
    shop.put_status(ana, &id, Active).await.unwrap();
    assert!(shop.get(Caller::anonymous(), &id).await.is_ok());
}

#[tokio::test]
async fn a_status_moves_only_along_its_ways() {
    let shop = Shop::open().await;
    let mut events = listen(&shop.ctx, &["publication.*"]).await;
    let ana = UserId::generate();
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    assert_eq!(shop.put_status(ana, &id, Active).await.unwrap().version, 1, "nothing changed");
    assert_eq!(shop.put_status(ana, &id, Paused).await.unwrap().version, 2);
    assert_eq!(reason(shop.put_status(ana, &id, Draft).await), "status_forbidden");
    assert_eq!(shop.put_status(ana, &id, Active).await.unwrap().version, 3);
    assert_eq!(shop.put_status(ana, &id, Closed).await.unwrap().version, 4);
    for status in [Draft, Active, Paused] {
        assert_eq!(reason(shop.put_status(ana, &id, status).await), "status_forbidden");
    }
    let update =
        pb::UpdatePublicationRequest { id: id.clone(), title: Some("Mía".into()), ..Default::default() };
    assert_eq!(reason(shop.client().update_publication(by(ana, update)).await), "status_forbidden");
    let close = || by(ana, pb::DeletePublicationRequest { id: id.clone() });
    shop.client().delete_publication(close()).await.expect("closing a closed one changes nothing");
    let mut topics = Vec::new();
    while topics.len() < 4 {
        topics.push(next_event::<PublicationChanged>(&mut events).await.0);
    }
    assert_eq!(topics.iter().filter(|topic| *topic == "publication.changed").count(), 3);
    assert_eq!(topics.iter().filter(|topic| *topic == "publication.closed").count(), 1);
}

#[tokio::test]
async fn what_is_closed_may_be_published_anew() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    let first = shop.publish(&lamp, "Lámpara").await.id;
    let close = by(ana, pb::DeletePublicationRequest { id: first.clone() });
    shop.client().delete_publication(close).await.unwrap();
    assert_eq!(shop.get(Caller::anonymous(), &first).await.unwrap_err().code(), Code::NotFound);
    assert_ne!(shop.publish(&lamp, "Lámpara").await.id, first);
}

#[tokio::test]
async fn given_fields_change_and_cleared_ones_become_empty() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let request = pb::CreatePublicationRequest { tags: vec!["luz".into()], ..new(&lamp, "Lámpara") };
    let made = shop.client().create_publication(by(ana, request)).await.unwrap().into_inner();
    let update = pb::UpdatePublicationRequest {
        id: made.id.clone(),
        title: Some("Velador".into()),
        payment_methods: vec![pb::PaymentMethod::Automatic.into(), pb::PaymentMethod::Manual.into()],
        clear: vec!["tags".into(), "description".into()],
        ..Default::default()
    };
    let after = shop.client().update_publication(by(ana, update.clone())).await.unwrap().into_inner();
    assert_eq!((after.title.as_str(), after.description.as_str(), after.tags.len()), ("Velador", "", 0));
    assert_eq!((after.payment_methods.len(), after.version), (2, 2));
    let again = shop.client().update_publication(by(ana, update)).await.unwrap().into_inner();
    assert_eq!(again, after, "the same again changes nothing");
}

#[tokio::test]
async fn an_update_for_another_version_is_refused() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let id = shop.publish(&product(ana), "Lámpara").await.id;
    let update = |title: &str| {
        let title = Some(title.to_owned());
        by(ana, pb::UpdatePublicationRequest { id: id.clone(), title, ..Default::default() })
    };
    shop.client().update_publication(matching(update("Velador"), 1)).await.unwrap();
    let late = shop.client().update_publication(matching(update("Farol"), 1)).await;
    assert_eq!(late.unwrap_err().code(), Code::FailedPrecondition);
    let close = by(ana, pb::DeletePublicationRequest { id: id.clone() });
    let late = shop.client().delete_publication(matching(close, 1)).await;
    assert_eq!(late.unwrap_err().code(), Code::FailedPrecondition);
    assert_eq!(shop.get(Caller::anonymous(), &id).await.unwrap().title, "Velador");
}

#[tokio::test]
async fn the_same_key_gives_the_same_answer() {
    let shop = Shop::open().await;
    let ana = UserId::generate();
    let lamp = product(ana);
    shop.hear_product(&lamp).await;
    let create = |title: &str| keyed(by(ana, new(&lamp, title)), "k");
    let made = shop.client().create_publication(create("Lámpara")).await.unwrap().into_inner();
    let again: Response<_> = shop.client().create_publication(create("Lámpara")).await.unwrap();
    assert_eq!(said(&again, metadata::REPLAYED).as_deref(), Some("true"));
    assert_eq!(again.into_inner(), made);
    let other = shop.client().create_publication(create("Otra")).await;
    assert_eq!(reason(other), "idempotency_key_reused");
}
