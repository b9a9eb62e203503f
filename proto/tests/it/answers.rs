//! What a client gets to see.

use prost::Message;
use serde_json::{Value, json};
use tokio_stream::StreamExt;
use tonic::metadata::MetadataMap;
use vitrina_proto::common::v1::{Empty, Money};
use vitrina_proto::images::v1::VariantBytes;
use vitrina_proto::orders::v1::{Cart, Order, OrderMove, OrderState};
use vitrina_proto::products::v1::Product;
use vitrina_proto::publications::v1::{PaymentMethod, Publication, PublicationStatus};
use vitrina_proto::storefront::v1::HomePage;
use vitrina_proto::users::v1::User;
use vitrina_proto::{Clients, Input, Timestamp, watch};

use crate::stub::{Stub, call, route};

fn check_json(message: &impl serde::Serialize, members: &[(&str, Value)]) {
    let shown = serde_json::to_value(message).expect("messages have a JSON form");
    for (name, value) in members {
        assert_eq!(shown.get(name).unwrap_or(&Value::Null), value, "{name} of {shown}");
    }
}

#[test]
fn names_are_camel_case_and_times_end_in_z() {
    let created_at = Some(Timestamp::from_unix_ms(1_795_896_000_000));
    let user = User { first_name: "Ana".into(), created_at, ..User::default() };
    check_json(&user, &[("firstName", json!("Ana")), ("createdAt", json!("2026-11-28T20:00:00Z"))]);
}

#[test]
fn plain_values_and_lists_are_shown_even_when_they_are_empty() {
    check_json(
        &User::default(),
        &[("emailVerified", json!(false)), ("version", json!(0)), ("avatar", Value::Null)],
    );
    check_json(&Order::default(), &[("lines", json!([])), ("buyerId", Value::Null)]);
    check_json(&HomePage::default(), &[("newest", json!([])), ("degraded", Value::Null)]);
}

#[test]
fn money_is_a_number() {
    let price = Some(Money { minor: 9_007_199_254_740_991, currency: "ARS".into() });
    let product = Product { price, ..Product::default() };
    check_json(&product, &[("price", json!({"minor": 9_007_199_254_740_991_u64, "currency": "ARS"}))]);
}

#[test]
fn enum_values_are_short_and_what_is_unknown_is_left_out() {
    let state = OrderState::AwaitingPayment.into();
    check_json(&Order { state, ..Order::default() }, &[("state", json!("AWAITING_PAYMENT"))]);
    check_json(&Order { state: 99, ..Order::default() }, &[("state", Value::Null)]);
    let payment_methods = vec![PaymentMethod::Manual.into(), 99];
    let publication =
        Publication { payment_methods, status: PublicationStatus::Draft.into(), ..Publication::default() };
    check_json(&publication, &[("paymentMethods", json!(["MANUAL"])), ("status", json!("DRAFT"))]);
}

#[test]
fn a_time_is_the_well_known_message_on_the_wire() {
    let ours = Timestamp::from_unix_ms(1_795_896_000_250);
    let theirs = prost_types::Timestamp { seconds: 1_795_896_000, nanos: 250_000_000 };
    assert_eq!(ours.encode_to_vec(), theirs.encode_to_vec());
}

#[tokio::test]
async fn an_answer_carries_its_version_and_the_metadata_of_the_service() {
    let stub = Stub::answering(&Cart { version: 7, ..Cart::default() });
    let reply = call(
        &stub,
        "vitrina.orders.v1.Orders/GetCart",
        Input { path: &[("id", "car_1")], ..Input::default() },
    );
    let reply = reply.await.unwrap();
    assert_eq!(reply.version, Some(7));
    assert_eq!(reply.metadata.get("x-vitrina-version").unwrap(), "7");
    assert_eq!(serde_json::from_slice::<Value>(&reply.body).unwrap()["version"], 7);
}

#[tokio::test]
async fn an_answer_without_content_has_no_body() {
    let stub = Stub::answering(&Empty {});
    let reply = call(&stub, "vitrina.users.v1.Users/DeleteMe", Input::default()).await.unwrap();
    assert!(reply.body.is_empty());
    assert_eq!(reply.version, None);
}

#[tokio::test]
async fn a_download_is_bytes_with_their_type_and_digest() {
    let stub = Stub::answering(&VariantBytes {
        content: b"webp".to_vec(),
        content_type: "image/webp".into(),
        sha256: "ab".into(),
    });
    let input = Input { path: &[("id", "img_1"), ("variant", "card.webp")], ..Input::default() };
    let route = route("vitrina.images.v1.Images/GetVariant");
    let clients = Clients::new(|_| stub.clone());
    let answer = vitrina_proto::download(route, &clients, input, MetadataMap::new()).await.unwrap();
    assert_eq!(answer.content.as_ref(), b"webp");
    assert_eq!((answer.content_type.as_str(), answer.sha256.as_str()), ("image/webp", "ab"));
}

#[tokio::test]
async fn events_are_json_objects() {
    let stub =
        Stub::answering(&OrderMove { state: OrderState::Paid.into(), by: "provider".into(), at: None });
    let route = route("vitrina.orders.v1.Orders/WatchOrder");
    let input = Input { path: &[("id", "ord_1")], ..Input::default() };
    let events = watch(route, &Clients::new(|_| stub.clone()), input, MetadataMap::new()).await.unwrap();
    let events: Vec<_> = events.stream.collect().await;
    let shown: Vec<Value> =
        events.into_iter().map(|event| serde_json::from_slice(&event.unwrap()).unwrap()).collect();
    assert_eq!(shown, [json!({"state": "PAID", "by": "provider"})]);
}
