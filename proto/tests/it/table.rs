//! The route table.

use std::collections::BTreeSet;

use vitrina_proto::Input;
use vitrina_proto::routes::{Auth, Body, Key, Method, ROUTES, Service};

use crate::stub::route;

#[test]
fn a_row_says_what_the_contract_says() {
    let row = route("vitrina.orders.v1.Orders/Checkout");
    assert_eq!((row.method, row.path), (Method::Post, "/v1/carts/{id}/checkout"));
    assert_eq!((row.service, row.success_status, row.auth), (Service::Orders, 201, Auth::Guest));
    assert_eq!((row.key, row.is_recoverable, row.deadline_ms), (Key::Required, true, 10_000));
    assert_eq!((row.body, row.path_params), (Body::Json, &["id"][..]));
}

#[test]
fn every_row_knows_its_place_and_no_two_share_a_path() {
    let mut seen = BTreeSet::new();
    for (index, row) in ROUTES.iter().enumerate() {
        assert_eq!(row.index, index);
        assert!(seen.insert((row.method, row.path)), "{} {}", row.method.as_str(), row.path);
        assert!(Service::ALL.contains(&row.service));
    }
}

#[test]
fn only_reads_are_cached_and_never_for_a_known_caller() {
    for row in ROUTES.iter().filter(|row| row.cache.is_some()) {
        assert_eq!((row.method, row.auth), (Method::Get, Auth::Public), "{}", row.rpc);
    }
}

#[test]
fn tags_are_filled_and_cannot_be_forged() {
    let tags = |id| {
        let path = &[("id", id)][..];
        route("vitrina.users.v1.Users/GetSeller").tags(&Input { path, ..Input::default() })
    };
    assert_eq!(tags("usr_0190-a"), ["seller:usr_0190-a"]);
    assert_eq!(tags("a,publication:b"), ["seller:a%2Cpublication%3Ab"]);
    assert_eq!(tags("%61"), tags("a"));
    assert!(route("vitrina.users.v1.Users/GetMe").tags(&Input::default()).is_empty());
}
