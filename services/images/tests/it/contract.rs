//! Every route of the contract that this service answers, walked.

use tonic::Code;
use tonic::metadata::MetadataMap;
use vitrina_chassis::{Caller, Transport, UserId};
use vitrina_proto::routes::{Auth, Kind, ROUTES, Route, Service};
use vitrina_proto::{Clients, Input};

use crate::harness::Shop;

async fn called(shop: &Shop, route: &Route, caller: &Caller) -> Code {
    let clients = Clients::new(|_| Transport::InProcess(shop.running.in_process()));
    let path: Vec<_> = route.path_params.iter().map(|name| (*name, "x")).collect();
    let mut metadata = MetadataMap::new();
    caller.to_metadata(&mut metadata);
    let input = Input { path: &path, query: "", body: b"{}" };
    let answer = vitrina_proto::call(route, &clients, input, metadata).await;
    answer.map_or_else(|status| status.code(), |_| Code::Ok)
}

/// Downloads are not answered as JSON, so the walk leaves them out.
fn routes() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| route.service == Service::Images && route.kind != Kind::Download)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_refused_on_every_private_route() {
    let shop = Shop::open().await;
    let private = routes().filter(|route| matches!(route.auth, Auth::User | Auth::Seller));
    let mut count = 0;
    for route in private {
        assert_eq!(called(&shop, route, &Caller::anonymous()).await, Code::Unauthenticated, "{}", route.rpc);
        count += 1;
    }
    assert_eq!(count, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_is_never_a_defect_of_ours() {
    let shop = Shop::open().await;
    for route in routes() {
        let code = called(&shop, route, &Caller::seller(UserId::generate())).await;
        assert!(matches!(code, Code::InvalidArgument | Code::NotFound), "{}: {code:?}", route.rpc);
    }
}
