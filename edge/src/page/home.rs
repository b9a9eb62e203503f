//! The home page. Required: the lists. Optional: live prices, sellers, images.

use tonic::Status;
use vitrina_proto::publications::v1::{HomeLists, ListHomeRequest, SearchItem};
use vitrina_proto::storefront::v1::{Card, HomePage, HomePageRequest};

use super::cards::{products_of, sellers_of};
use super::part::Kind;
use super::{Missing, Pages};

const LISTS: Kind = Kind { rpc: "vitrina.publications.v1.Publications/ListHome", tag: "search" };

pub(super) async fn page(pages: &Pages, request: HomePageRequest) -> Result<HomePage, Status> {
    let scope = &pages.scope;
    let request = ListHomeRequest { limit: request.limit };
    let lists: HomeLists = pages
        .part(LISTS, "", &request, async || {
            let reply = scope
                .repeat(LISTS.rpc, || {
                    let mut client = pages.clients.publications.clone();
                    let request = scope.request(request);
                    async move { client.list_home(request).await }
                })
                .await?;
            Ok(reply.into_inner())
        })
        .await?;

    let mut missing = Missing::default();
    let all = [&lists.newest, &lists.on_offer, &lists.most_wished];
    // An item is in several lists at times; its product is asked for once.
    let products = all.iter().flat_map(|items| products_of(items)).collect();
    let sellers = all.iter().flat_map(|items| sellers_of(items)).collect();
    let joined = pages.join(products, sellers, &mut missing).await;
    let cards =
        |items: Vec<SearchItem>| -> Vec<Card> { items.into_iter().map(|item| joined.found(item)).collect() };
    Ok(HomePage {
        newest: cards(lists.newest),
        on_offer: cards(lists.on_offer),
        most_wished: cards(lists.most_wished),
        degraded: missing.0,
    })
}
