//! The other services: what is bought, from whom, and the stock of it.
//!
//! Every call has a deadline and takes a permit, so that a thousand buyers at once queue up here, where waiting is cheap. A
//! call that failed without a clear answer is *unknown*: it may have happened, and is made again the same way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use vitrina_chassis::{Caller, Code, Fault, Transport};
use vitrina_proto::Clients;
use vitrina_proto::products::v1 as products;
use vitrina_proto::publications::v1 as publications;
use vitrina_proto::users::v1 as users;

use crate::error::Error;
use crate::model::UserId;

/// Longest time for one call. A checkout has 10 s, in which it may need three in a row.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
/// Ids of one batch; the contract's bound.
const BATCH: usize = 100;

/// The ways to the other services.
#[derive(Clone)]
pub(crate) struct Peers {
    clients: Clients<Transport>,
    permits: Arc<Semaphore>,
}

impl Peers {
    pub(crate) fn new(clients: Clients<Transport>, calls_max: usize) -> Peers {
        Peers { clients, permits: Arc::new(Semaphore::new(calls_max.max(1))) }
    }

    /// Publications by id; unknown ones are left out.
    pub(crate) async fn publications(
        &self,
        ids: &[String],
    ) -> Result<HashMap<String, publications::Publication>, Error> {
        let mut found = HashMap::new();
        for ids in ids.chunks(BATCH) {
            let request = publications::BatchGetPublicationsRequest { ids: ids.to_vec() };
            let mut client = self.clients.publications.clone();
            let list = self
                .call(async { client.batch_get_publications(by_system(request)).await })
                .await
                .map_err(|fault| Error::Peer { service: "publications", fault })?;
            found.extend(list.items.into_iter().map(|item| (item.id.clone(), item)));
        }
        Ok(found)
    }

    /// Products by id with the price and stock of now; unknown ones are left out.
    pub(crate) async fn products(&self, ids: &[String]) -> Result<HashMap<String, products::Product>, Error> {
        let mut found = HashMap::new();
        for ids in ids.chunks(BATCH) {
            let request = products::BatchGetProductsRequest { ids: ids.to_vec() };
            let mut client = self.clients.products.clone();
            let list = self
                .call(async { client.batch_get_products(by_system(request)).await })
                .await
                .map_err(|fault| Error::Peer { service: "products", fault })?;
            found.extend(list.items.into_iter().map(|item| (item.id.clone(), item)));
        }
        Ok(found)
    }

    /// Sellers by id; unknown ones are left out.
    pub(crate) async fn sellers(&self, ids: &[String]) -> Result<HashMap<String, users::Seller>, Error> {
        let mut found = HashMap::new();
        for ids in ids.chunks(BATCH) {
            let request = users::BatchGetSellersRequest { ids: ids.to_vec() };
            let mut client = self.clients.users.clone();
            let list = self
                .call(async { client.batch_get_sellers(by_system(request)).await })
                .await
                .map_err(|fault| Error::Peer { service: "users", fault })?;
            found.extend(list.items.into_iter().map(|item| (item.id.clone(), item)));
        }
        Ok(found)
    }

    /// The bank accounts of a seller, in full.
    pub(crate) async fn bank_accounts(&self, seller_id: String) -> Result<Vec<users::BankAccount>, Error> {
        let mut client = self.clients.users.clone();
        let request = by_system(users::ListPayeeAccountsRequest { seller_id });
        let list = self
            .call(async { client.list_payee_accounts(request).await })
            .await
            .map_err(|fault| Error::Peer { service: "users", fault })?;
        Ok(list.items)
    }

    /// An address of a user; `None`: it is not one of theirs.
    pub(crate) async fn address(&self, user: UserId, id: &str) -> Result<Option<users::Address>, Error> {
        let mut request = Request::new(users::ListAddressesRequest {});
        Caller::user(user).to_metadata(request.metadata_mut());
        let mut client = self.clients.users.clone();
        let list = self
            .call(async { client.list_addresses(sent(request)).await })
            .await
            .map_err(|fault| Error::Peer { service: "users", fault })?;
        Ok(list.items.into_iter().find(|address| address.id == id))
    }

    /// Holds the units of an order; the same again for the same order.
    pub(crate) async fn reserve(
        &self,
        request: products::ReserveRequest,
    ) -> Result<products::Reservation, Fault> {
        let mut client = self.clients.products.clone();
        self.call(async { client.reserve(by_system(request)).await }).await
    }

    /// Makes the units of an order a sale.
    pub(crate) async fn commit(&self, order_id: String) -> Result<products::Reservation, Fault> {
        let mut client = self.clients.products.clone();
        let request = by_system(products::ReservationRequest { order_id });
        self.call(async { client.commit_reservation(request).await }).await
    }

    /// Gives the units of a refund back; once, however often it is called.
    pub(crate) async fn restock(&self, request: products::RestockReservationRequest) -> Result<(), Fault> {
        let mut client = self.clients.products.clone();
        self.call(async { client.restock_reservation(by_system(request)).await }).await.map(drop)
    }

    /// Gives the units of an order back; those of one that never had any too.
    pub(crate) async fn release(&self, order_id: String) -> Result<(), Fault> {
        let mut client = self.clients.products.clone();
        let request = by_system(products::ReservationRequest { order_id });
        match self.call(async { client.release_reservation(request).await }).await {
            Err(fault) if fault.code != Code::NotFound => Err(fault),
            _ => Ok(()),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Fault> {
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(Fault::unavailable("draining", "the service is going down"));
        };
        match tokio::time::timeout(CALL_TIMEOUT, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Fault::from_status(&status)),
            Err(_) => Err(Fault::deadline_exceeded()),
        }
    }
}

/// Whether a call that failed so may have happened all the same, or may succeed later.
pub(crate) fn is_unknown(fault: &Fault) -> bool {
    fault.is_retryable() || fault.code == Code::Internal || fault.reason == "contended"
}

fn by_system<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    Caller::system().to_metadata(request.metadata_mut());
    sent(request)
}

fn sent<T>(mut request: Request<T>) -> Request<T> {
    request.set_timeout(CALL_TIMEOUT);
    vitrina_otel::propagate::inject_metadata(request.metadata_mut());
    request
}
