//! Every route of the contract that this service answers, walked.

use tonic::Code;
use tonic::metadata::MetadataMap;
use vitrina_chassis::{Caller, Transport, UserId};
use vitrina_proto::routes::{Auth, ROUTES, Route, Service};
use vitrina_proto::{Clients, Input};

use crate::shop::Shop;

async fn called(shop: &Shop, route: &Route, caller: &Caller) -> Code {
    let clients = Clients::new(|_| Transport::InProcess(shop.running.in_process()));
    let path: Vec<_> = route.path_params.iter().map(|name| (*name, "x")).collect();
    let mut metadata = MetadataMap::new();
    caller.to_metadata(&mut metadata);
    let input = Input { path: &path, query: "", body: b"{}" };
    vitrina_proto::call(route, &clients, input, metadata)
        .await
        .map_or_else(|status| status.code(), |_| Code::Ok)
}

fn private_routes() -> Vec<&'static Route> {
    let mine = ROUTES.iter().filter(|route| route.service == Service::Users);
    mine.filter(|route| matches!(route.auth, Auth::User | Auth::Seller)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_refused_on_every_private_route() {
    let shop = Shop::open().await;
    assert!(private_routes().len() >= 20);
    for route in private_routes() {
        assert_eq!(called(&shop, route, &Caller::anonymous()).await, Code::Unauthenticated, "{}", route.rpc);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_an_account_gets_nothing_on_any_private_route() {
    let shop = Shop::open().await;
    for route in private_routes() {
        let code = called(&shop, route, &Caller::seller(UserId::generate())).await;
        // A removal of what is not there has nothing to find out about its caller.
        let is_removal = route.rpc.ends_with("/DeleteWish");
        let refusals = [Code::Unauthenticated, Code::NotFound, Code::InvalidArgument];
        assert!(refusals.contains(&code) || is_removal, "{}: {code:?}", route.rpc);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_body_is_never_a_defect_of_ours() {
    let shop = Shop::open().await;
    let ana = shop.register("ana").await;
    let caller = Caller::user(ana.id.parse().unwrap());
    for route in
        ROUTES.iter().filter(|route| route.service == Service::Users && !route.rpc.ends_with("/DeleteMe"))
    {
        let code = called(&shop, route, &caller).await;
        assert!(
            !matches!(code, Code::Internal | Code::Unknown | Code::Unimplemented),
            "{}: {code:?}",
            route.rpc
        );
    }
}
