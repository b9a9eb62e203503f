//! Pages: what a storefront shows in one answer, joined from the services.
//!
//! Pages are rpcs of the contract (`vitrina.storefront.v1.Storefront`) that the edge implements itself; a page is one
//! file. A page names its fragments: the required ones fail it with their own fault, an optional one that is missing
//! leaves its field out and is named in `degraded`. What does not need each other is asked for at once, and lists by one
//! batch call, never a call an item. Optional fragments get a share of the deadline, so that a slow service cannot take
//! the page with it.

mod account;
mod cards;
mod cart;
mod dashboard;
mod fragment;
mod home;
mod order;
mod part;
mod publication;
mod search;
mod seller;
mod wishlist;

use std::sync::Arc;

use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, async_trait};
use vitrina_proto::Clients;
use vitrina_proto::publications::v1::SearchRequest;
use vitrina_proto::routes::Service;
use vitrina_proto::storefront::v1::storefront_client::StorefrontClient;
use vitrina_proto::storefront::v1::storefront_server::{Storefront, StorefrontServer};
use vitrina_proto::storefront::v1::{
    AccountPage, AccountPageRequest, CartPage, CartPageRequest, HomePage, HomePageRequest, OrderPage,
    OrderPageRequest, PublicationPage, PublicationPageRequest, SearchPage, SellerDashboard,
    SellerDashboardRequest, SellerPage, SellerPageRequest, WishlistPage, WishlistPageRequest,
};

use crate::answer::DEGRADED;
use crate::cache::{Cache, Deps};
use crate::upstream::{InProcess, Scope, Transport, is_not_configured};

/// The pages of one request: its clients and its frame.
#[derive(Clone)]
pub(crate) struct Pages {
    clients: Clients<Transport>,
    scope: Scope,
    /// For a page that is the same for everybody: where its parts are kept, and where is noted what it shows.
    shared: Option<(Arc<Cache>, Deps)>,
}

/// Names of the parts that a page lacks.
#[derive(Debug, Default)]
struct Missing(Vec<String>);

/// The services without which a page is nothing.
pub(crate) fn needs(rpc: &str) -> &'static [Service] {
    match rpc.rsplit('/').next().unwrap_or(rpc) {
        "GetHomePage" | "GetSearchPage" | "GetPublicationPage" => &[Service::Publications],
        "GetSellerPage" | "GetAccountPage" => &[Service::Users],
        "GetWishlistPage" => &[Service::Users, Service::Publications],
        "GetCartPage" | "GetOrderPage" => &[Service::Orders],
        // The dashboard is worth showing with any of its parts.
        _ => &[],
    }
}

/// The clients with the pages of this request in the place of the storefront.
///
/// The pages are called as a tower service like any other, so that the contract's glue treats them alike; the request's
/// frame goes along in the service itself.
/// `shared` is there for a page that is the same for everybody.
pub(crate) fn with_pages(
    clients: &Clients<Transport>,
    scope: &Scope,
    shared: Option<(Arc<Cache>, Deps)>,
) -> Clients<Transport> {
    let pages = Pages { clients: clients.clone(), scope: scope.clone(), shared };
    let service = InProcess::new(StorefrontServer::new(pages));
    let mut clients = clients.clone();
    clients.storefront = StorefrontClient::new(Transport::own(Service::Storefront.name(), service));
    clients
}

impl Missing {
    /// The part, or its name noted as missing. A part of a service that this shop runs without is not missing: without it the
    /// page is as whole as it ever is.
    fn optional<T>(&mut self, name: &str, part: Result<T, Status>) -> Option<T> {
        match part {
            Ok(part) => Some(part),
            Err(fault) if is_not_configured(&fault) => None,
            Err(fault) => {
                tracing::debug!(part = name, code = ?fault.code(), "a part of a page is missing");
                self.name(name);
                None
            }
        }
    }

    /// Notes what a part of the page lacks itself.
    fn extend(&mut self, parts: &Missing) {
        parts.0.iter().for_each(|name| self.name(name));
    }

    fn name(&mut self, name: &str) {
        if !self.0.iter().any(|known| known == name) {
            self.0.push(name.to_owned());
        }
    }
}

/// The page as an answer, marked when it is not whole.
fn answer<P>(page: P, degraded: impl Fn(&P) -> &[String]) -> Response<P> {
    let is_whole = degraded(&page).is_empty();
    let mut answer = Response::new(page);
    if !is_whole {
        answer.metadata_mut().insert(DEGRADED, MetadataValue::from_static("true"));
    }
    answer
}

#[async_trait]
impl Storefront for Pages {
    async fn get_home_page(&self, request: Request<HomePageRequest>) -> Result<Response<HomePage>, Status> {
        let page = home::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_search_page(&self, request: Request<SearchRequest>) -> Result<Response<SearchPage>, Status> {
        let page = search::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_publication_page(
        &self,
        request: Request<PublicationPageRequest>,
    ) -> Result<Response<PublicationPage>, Status> {
        let page = publication::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_seller_page(
        &self,
        request: Request<SellerPageRequest>,
    ) -> Result<Response<SellerPage>, Status> {
        let page = seller::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_wishlist_page(
        &self,
        request: Request<WishlistPageRequest>,
    ) -> Result<Response<WishlistPage>, Status> {
        let page = wishlist::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_cart_page(&self, request: Request<CartPageRequest>) -> Result<Response<CartPage>, Status> {
        let page = cart::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_order_page(
        &self,
        request: Request<OrderPageRequest>,
    ) -> Result<Response<OrderPage>, Status> {
        let page = order::page(self, request.into_inner()).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_account_page(
        &self,
        _: Request<AccountPageRequest>,
    ) -> Result<Response<AccountPage>, Status> {
        let page = account::page(self).await?;
        Ok(answer(page, |page| &page.degraded))
    }

    async fn get_seller_dashboard(
        &self,
        _: Request<SellerDashboardRequest>,
    ) -> Result<Response<SellerDashboard>, Status> {
        let page = dashboard::page(self).await;
        Ok(answer(page, |page| &page.degraded))
    }
}
