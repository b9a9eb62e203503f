//! Whether a publication can be bought now.

use tonic::{Code, Request};
use vitrina_chassis::UserId;
use vitrina_proto::products::v1 as pb;
use vitrina_proto::publications::v1::PublicationStatus;

use crate::harness::{PublicationId, Shop, ars, until};

fn about(id: PublicationId) -> Request<pb::GetAvailabilityRequest> {
    Request::new(pb::GetAvailabilityRequest { publication_id: id.to_string() })
}

#[tokio::test]
async fn a_publication_that_is_not_known_yet_is_waited_for() {
    let shop = Shop::open();
    let product = shop.create(UserId::generate(), 5).await;
    let publication = PublicationId::generate();
    let mut client = shop.client();
    let asked = tokio::spawn(async move { client.get_availability(about(publication)).await });
    shop.hear(publication, &product, 1, PublicationStatus::Active).await;
    let answer = asked.await.unwrap().unwrap().into_inner();
    assert_eq!((answer.available, answer.effective_price), (5, ars(100_000)));
}

#[tokio::test]
async fn a_paused_publication_has_nothing_and_a_closed_one_does_not_exist() {
    let shop = Shop::open();
    let product = shop.create(UserId::generate(), 5).await;
    let publication = PublicationId::generate();
    shop.hear(publication, &product, 2, PublicationStatus::Paused).await;
    assert_eq!(shop.client().get_availability(about(publication)).await.unwrap().into_inner().available, 0);
    // What is older than what is known says nothing any more.
    shop.hear(publication, &product, 1, PublicationStatus::Active).await;
    shop.hear(publication, &product, 3, PublicationStatus::Closed).await;
    until("the end is heard of", || async {
        let answer = shop.client().get_availability(about(publication)).await;
        assert!(answer.as_ref().map_or(0, |answer| answer.get_ref().available) == 0);
        answer.is_err_and(|status| status.code() == Code::NotFound)
    })
    .await;
}

#[tokio::test]
async fn an_id_that_is_none_is_not_waited_for() {
    let shop = Shop::open();
    let request = Request::new(pb::GetAvailabilityRequest { publication_id: "pub_x".into() });
    assert_eq!(shop.client().get_availability(request).await.unwrap_err().code(), Code::NotFound);
}
