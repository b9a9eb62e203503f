//! What a client may send, and how it is told what was wrong.

use std::collections::BTreeMap;

use tonic::Code;
use tonic::metadata::MetadataMap;
use tonic_types::StatusExt;
use vitrina_proto::common::v1::Empty;
use vitrina_proto::images::v1::UploadProductImageRequest;
use vitrina_proto::orders::v1::{OrderRequest, PaymentNotification};
use vitrina_proto::products::v1::{Condition, CreateProductRequest, ImportProductsRequest};
use vitrina_proto::publications::v1::{SearchRequest, UpdatePublicationRequest};
use vitrina_proto::users::v1::UpdateAddressRequest;
use vitrina_proto::{Clients, Input};

use crate::stub::{Stub, call, route};

const SEARCH: &str = "vitrina.publications.v1.Publications/Search";
const CREATE: &str = "vitrina.products.v1.Products/CreateProduct";
const UPDATE: &str = "vitrina.users.v1.Users/UpdateAddress";

async fn sent<M: prost::Message + Default>(rpc: &str, input: Input<'_>) -> M {
    let stub = Stub::answering(&Empty {});
    call(&stub, rpc, input).await.expect("a request without fault");
    let (path, headers, message) = stub.request();
    assert_eq!(path, format!("/{rpc}"));
    assert_eq!(headers["x-vitrina-user"], "usr_1");
    message
}

/// The fields told as wrong, each with its code.
async fn check_refused(rpc: &str, input: Input<'_>, expected: &[(&str, &str)]) {
    let status = call(&Stub::default(), rpc, input).await.expect_err("a fault");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().expect("wrong fields are named").field_violations;
    let told: Vec<_> = violations
        .iter()
        .map(|violation| {
            (violation.field.as_str(), violation.description.split(':').next().unwrap_or_default())
        })
        .collect();
    assert_eq!(told, expected, "{violations:?}");
    assert_eq!(details.error_info().expect("a reason").reason, "invalid_input");
}

async fn check_body_refused(rpc: &str, body: &str, expected: &[(&str, &str)]) {
    let path = &[("id", "x")][..if rpc == CREATE { 0 } else { 1 }];
    check_refused(rpc, Input { path, query: "", body: body.as_bytes() }, expected).await;
}

#[tokio::test]
async fn a_body_becomes_the_request() {
    let body =
        br#"{"name":"Lamp","condition":"USED","category":"home","price":{"minor":598000,"currency":"ARS"},
        "attributes":{"colour":"red"},"stock":{"onHand":3},"brand":null}"#;
    let request: CreateProductRequest = sent(CREATE, Input { body, ..Input::default() }).await;
    assert_eq!(request.condition(), Condition::Used);
    assert_eq!(request.price.unwrap().minor, 598_000);
    assert_eq!(request.attributes["colour"], "red");
    assert_eq!(request.stock.unwrap().on_hand, 3);
    assert_eq!(request.brand, None);
}

#[tokio::test]
async fn no_body_is_the_empty_object() {
    let input = Input { path: &[("id", "ord_1")], ..Input::default() };
    let request: OrderRequest = sent("vitrina.orders.v1.Orders/CancelOrder", input).await;
    assert_eq!(request.id, "ord_1");
}

#[tokio::test]
async fn every_unknown_field_is_named_at_once() {
    let body = r#"{"nmae":"x","name":"y","clear":["brand"],"id":"z"}"#;
    check_body_refused(CREATE, body, &[("nmae", "unknown"), ("clear", "unknown"), ("id", "unknown")]).await;
}

#[tokio::test]
async fn a_client_can_neither_fill_clear_nor_change_the_path() {
    let body = r#"{"clear":["phone"],"id":"other"}"#;
    check_body_refused(UPDATE, body, &[("clear", "unknown"), ("id", "unknown")]).await;
}

#[tokio::test]
async fn a_wrong_value_is_named_by_its_path() {
    check_body_refused(CREATE, r#"{"name":7}"#, &[("name", "invalid")]).await;
    check_body_refused(CREATE, r#"{"price":{"minor":1.5}}"#, &[("price.minor", "invalid")]).await;
    check_body_refused(CREATE, r#"{"condition":"BROKEN"}"#, &[("condition", "invalid")]).await;
    check_body_refused(CREATE, r#"{"condition":"CONDITION_NEW"}"#, &[("condition", "invalid")]).await;
    let body = r#"{"variants":[{"sku":"a"},{"sku":"b","stock":{"onHand":-1}}]}"#;
    check_body_refused(CREATE, body, &[("variants[1].stock.onHand", "invalid")]).await;
    check_body_refused(CREATE, r#"{"stock":{"onhand":1}}"#, &[("stock.onhand", "unknown")]).await;
}

#[tokio::test]
async fn a_body_that_is_no_single_object_is_refused() {
    for body in ["{", "[]", "7", "null", r#""text""#, r#"{"name":"x"} {}"#, r#"{"name":"x"}]"#, "\u{feff}{}"]
    {
        check_body_refused(CREATE, body, &[("body", "invalid")]).await;
    }
    let deep = format!("{{\"name\":{}", "[".repeat(100_000));
    check_body_refused(CREATE, &deep, &[("body", "invalid")]).await;
}

#[tokio::test]
async fn a_repeated_field_is_refused() {
    check_body_refused(CREATE, r#"{"name":"x","name":"y"}"#, &[("name", "repeated")]).await;
    check_body_refused(CREATE, r#"{"stock":{"onHand":1,"onHand":2}}"#, &[("stock.onHand", "repeated")]).await;
    check_body_refused(CREATE, r#"{"attributes":{"a":"x","a":"y"}}"#, &[("attributes.a", "repeated")]).await;
}

#[tokio::test]
async fn null_in_a_patch_clears_and_absence_keeps() {
    let path = &[("id", "adr_1")];
    let input = Input { path, query: "", body: br#"{"phone":null,"postalCode":null,"city":"Salta"}"# };
    let request: UpdateAddressRequest = sent(UPDATE, input).await;
    assert_eq!(request.clear, ["phone", "postal_code"]);
    assert_eq!(request.city.as_deref(), Some("Salta"));
    assert_eq!((request.phone, request.street), (None, None));

    let input = Input { path, query: "", body: br#"{"tags":null}"# };
    let request: UpdatePublicationRequest =
        sent("vitrina.publications.v1.Publications/UpdatePublication", input).await;
    assert_eq!(request.clear, ["tags"]);
}

#[tokio::test]
async fn a_query_is_parsed_by_type_and_unknown_parameters_are_ignored() {
    let query = "q=l%C3%A1mpara+roja&minPrice=100&inStock=true&condition=new&limit=5&brand=&utm_source=mail";
    let request: SearchRequest = sent(SEARCH, Input { query, ..Input::default() }).await;
    assert_eq!(request.q.as_deref(), Some("lámpara roja"));
    assert_eq!((request.min_price, request.in_stock, request.limit), (Some(100), Some(true), Some(5)));
    assert_eq!(request.condition, Some(Condition::New.into()));
    assert_eq!(request.brand, None);
}

#[tokio::test]
async fn every_bad_query_parameter_is_named_in_camel_case() {
    let query = "minPrice=cheap&inStock=maybe&condition=broken&limit=-1&q=a&q=b";
    let expected = [
        ("minPrice", "invalid"),
        ("inStock", "invalid"),
        ("condition", "invalid"),
        ("limit", "invalid"),
        ("q", "repeated"),
    ];
    check_refused(SEARCH, Input { query, ..Input::default() }, &expected).await;
}

#[tokio::test]
async fn path_parameters_are_decoded() {
    let input = Input { path: &[("id", "a%2Fb+c")], ..Input::default() };
    let request: OrderRequest = sent("vitrina.orders.v1.Orders/GetOrder", input).await;
    assert_eq!(request.id, "a/b+c");
    let input = Input { path: &[("id", "%ff")], ..Input::default() };
    check_refused("vitrina.orders.v1.Orders/GetOrder", input, &[("id", "invalid")]).await;
}

#[tokio::test]
async fn bytes_reach_the_request_as_they_came() {
    let input = Input { query: "stock=3&ignoreUnknown=true", body: b"sku,title\n", path: &[] };
    let request: ImportProductsRequest = sent("vitrina.products.v1.Products/ImportProducts", input).await;
    assert_eq!(
        (request.csv.as_slice(), request.stock, request.ignore_unknown),
        (&b"sku,title\n"[..], Some(3), true)
    );
    let input = Input { body: b"{not json", ..Input::default() };
    let request: PaymentNotification = sent("vitrina.orders.v1.Orders/ReceivePayment", input).await;
    assert_eq!(request.body, b"{not json");
}

#[tokio::test]
async fn a_picture_reaches_the_product_of_its_path() {
    let input = Input { path: &[("product_id", "prd_1")], body: b"\xff\xd8", ..Input::default() };
    let request: UploadProductImageRequest = sent("vitrina.images.v1.Images/UploadProductImage", input).await;
    assert_eq!((request.product_id.as_str(), request.content.as_slice()), ("prd_1", &b"\xff\xd8"[..]));
}

#[tokio::test]
async fn what_was_signed_comes_with_its_signature() {
    let stub = Stub::answering(&Empty {});
    let route = route("vitrina.orders.v1.Orders/ReceivePayment");
    let input = Input { query: "data.id=7&type=payment", body: b"{}", ..Input::default() };
    let headers = BTreeMap::from([("x-signature".to_owned(), "ts=1,v1=a".to_owned())]);
    let clients = Clients::new(|_| stub.clone());
    vitrina_proto::receive(route, &clients, input, headers.clone(), MetadataMap::new()).await.unwrap();
    let (_, _, request): (_, _, PaymentNotification) = stub.request();
    assert_eq!((request.data_id(), request.r#type()), ("7", "payment"));
    assert_eq!((request.body.as_slice(), request.headers), (&b"{}"[..], headers));
}

#[tokio::test]
async fn a_route_of_bytes_or_events_is_not_called_this_way() {
    for rpc in ["vitrina.images.v1.Images/GetVariant", "vitrina.orders.v1.Orders/WatchOrder"] {
        let status = call(&Stub::default(), rpc, Input::default()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
    }
}
