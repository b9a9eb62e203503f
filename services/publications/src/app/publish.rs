//! CreatePublication, UpdatePublication, PutStatus and DeletePublication.

use vitrina_chassis::ids::UserId;
use vitrina_chassis::rows::fixed;
use vitrina_chassis::{Answer, Call, Decision, unit};
use vitrina_proto::common::v1::Empty;
use vitrina_proto::publications::v1 as pb;
use vitrina_storage::{Commit, Row};

use super::{App, answer};
use crate::error::Error;
use crate::model::{ProductId, Publication, PublicationId, Status};
use crate::store::rows::ProductRow;
use crate::{events, store, wire};

const RPC_CREATE: &str = "vitrina.publications.v1.Publications/CreatePublication";
const RPC_UPDATE: &str = "vitrina.publications.v1.Publications/UpdatePublication";
const RPC_STATUS: &str = "vitrina.publications.v1.Publications/PutStatus";
const RPC_DELETE: &str = "vitrina.publications.v1.Publications/DeletePublication";

impl App {
    /// Publishes a product of the caller.
    pub(crate) async fn create_publication(
        &self,
        call: Call<pb::CreatePublicationRequest>,
    ) -> Result<Answer<pb::Publication>, Error> {
        let seller = call.caller.require_seller()?;
        let new = wire::new_publication(&call.request)?;
        self.waits.until(|| store::product(&self.store, new.product)).await?;
        let id = PublicationId::at(call.now_ms);
        unit(&self.store, &call, RPC_CREATE, || {
            let product = self.own_product(new.product, seller)?;
            self.check_free(new.product, new.status)?;
            let request = &call.request;
            let publication = Publication {
                id,
                product: new.product,
                seller,
                title: request.title.clone(),
                description: request.description.clone().unwrap_or(product.description),
                tags: request.tags.clone(),
                payment_methods: wire::methods(&request.payment_methods),
                status: new.status,
                created_at_ms: call.now_ms,
                updated_at_ms: call.now_ms,
            };
            let mut commit = Commit::new();
            store::create(&mut commit, &publication);
            commit.emit(events::changed(&wire::publication(&publication, 1)));
            Ok(Decision::new(commit, answer(&publication, 1)))
        })
        .await
    }

    /// Changes the fields that are given.
    pub(crate) async fn update_publication(
        &self,
        call: Call<pb::UpdatePublicationRequest>,
    ) -> Result<Answer<pb::Publication>, Error> {
        unit(&self.store, &call, RPC_UPDATE, || {
            let before = self.own(&call, &call.request.id)?;
            if before.value.status == Status::Closed {
                return Err(Error::StatusForbidden);
            }
            let mut after = before.value.clone();
            wire::update(&call.request, &mut after)?;
            Ok(replaced(&before, after, call.now_ms))
        })
        .await
    }

    /// Moves a publication to another status.
    pub(crate) async fn put_status(
        &self,
        call: Call<pb::PutStatusRequest>,
    ) -> Result<Answer<pb::Publication>, Error> {
        unit(&self.store, &call, RPC_STATUS, || {
            let before = self.own(&call, &call.request.id)?;
            let status = before.value.status.moved(wire::status(call.request.status)?)?;
            if status == Status::Active && before.value.status != Status::Active {
                self.own_product(before.value.product, before.value.seller)?;
                self.check_free(before.value.product, status)?;
            }
            Ok(replaced(&before, Publication { status, ..before.value.clone() }, call.now_ms))
        })
        .await
    }

    /// Closes a publication for good; closing a closed one changes nothing.
    pub(crate) async fn delete_publication(
        &self,
        call: Call<pb::DeletePublicationRequest>,
    ) -> Result<Answer<Empty>, Error> {
        unit(&self.store, &call, RPC_DELETE, || {
            let before = self.own(&call, &call.request.id)?;
            let after = Publication { status: Status::Closed, ..before.value.clone() };
            let Decision { commit, answer } = replaced(&before, after, call.now_ms);
            Ok(Decision::new(commit, answer.map(|_| Empty {})))
        })
        .await
    }

    fn own_product(&self, id: ProductId, seller: UserId) -> Result<ProductRow, Error> {
        let product = store::product(&self.store, id)?.ok_or(Error::ProductUnknown)?.value;
        let is_own = UserId::from_bytes(fixed(&product.seller, "seller")?) == seller;
        if is_own && !product.is_deleted { Ok(product) } else { Err(Error::ProductUnknown) }
    }

    fn check_free(&self, product: ProductId, status: Status) -> Result<(), Error> {
        let is_taken = status == Status::Active && store::active(&self.store, product)?.is_some();
        if is_taken { Err(Error::PublicationActive) } else { Ok(()) }
    }
}

fn replaced(before: &Row<Publication>, after: Publication, now_ms: u64) -> Decision<pb::Publication> {
    if after == before.value {
        return Decision::unchanged(answer(&after, before.version));
    }
    let after = Publication { updated_at_ms: now_ms, ..after };
    let version = before.version + 1;
    let mut commit = Commit::new();
    store::replace(&mut commit, before, &after);
    commit.emit(events::changed(&wire::publication(&after, version)));
    Decision::new(commit, answer(&after, version))
}
