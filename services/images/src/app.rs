//! What happens on a request: one function per rpc, load → decide → commit → reply.

mod add;
mod delete;
mod order;
mod presigned;
mod read;
mod removal;
mod variant;
mod worker;

use prost::Message;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Answer, Call, Clock, Context, Refused, Waits, unit};
use vitrina_storage::{Row, Store};

use crate::config::Config;
use crate::error::Error;
use crate::model::{Owner, ProductId};
use crate::provider::s3::Bucket;
use crate::store;
use crate::store::Product;

/// Calls that wait for a product at once.
const PRODUCT_WAITS_MAX: usize = 64;

/// The parts that every rpc works with.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Clock,
    store: Store,
    config: Config,
    bucket: Bucket,
    worker: worker::Worker,
    variants: variant::Variants,
    product_waits: Waits,
}

/// How a look for a stored answer ends without one.
enum Looked {
    Unanswered,
    Failed(Error),
}

impl App {
    pub(crate) fn new(ctx: &Context, config: Config) -> App {
        App {
            clock: ctx.clock.clone(),
            store: ctx.store.clone(),
            bucket: Bucket::new(&config.s3),
            worker: worker::Worker::start(),
            variants: variant::Variants::new(config.variant_cache_bytes_max),
            product_waits: Waits::new(PRODUCT_WAITS_MAX, config.product_wait_ms),
            config,
        }
    }

    /// The stored answer to a call whose key was used before. For rpcs that work hard before they commit, so that a repeated
    /// call does not.
    async fn answered<Req: Message, M: Message + Default>(
        &self,
        call: &Call<Req>,
        rpc: &'static str,
    ) -> Result<Option<Answer<M>>, Error> {
        // The unit looks the key up before it lets decide; a decision that declines leaves nothing behind.
        match unit(&self.store, call, rpc, || Err(Looked::Unanswered)).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Looked::Unanswered) => Ok(None),
            Err(Looked::Failed(error)) => Err(error),
        }
    }

    /// A product that is not deleted. It is made by another service, and its event may be on its way when the first picture
    /// comes: an unknown one is waited for a little.
    async fn known_product(&self, id: ProductId) -> Result<Row<Product>, Error> {
        self.product_waits.until(|| self.live_product(id)).await?.ok_or(Error::ProductUnknown)
    }

    /// A product of the seller: another's is none.
    fn own_product(&self, id: ProductId, seller: UserId) -> Result<Row<Product>, Error> {
        let row = self.live_product(id)?.ok_or(Error::ProductUnknown)?;
        if row.value.seller == seller { Ok(row) } else { Err(Error::ProductUnknown) }
    }

    fn live_product(&self, id: ProductId) -> Result<Option<Row<Product>>, Error> {
        match store::product(&self.store, id)? {
            Some(row) if row.value.is_deleted => Err(Error::ProductUnknown),
            row => Ok(row),
        }
    }
}

impl From<vitrina_storage::Error> for Looked {
    fn from(error: vitrina_storage::Error) -> Looked {
        Looked::Failed(error.into())
    }
}

impl From<Refused> for Looked {
    fn from(refused: Refused) -> Looked {
        Looked::Failed(refused.into())
    }
}

/// Names everything that caches may hold of an owner's pictures.
fn tagged<T>(answer: Answer<T>, owner: Owner) -> Answer<T> {
    let answer = answer.changed(format!("images:{owner}"));
    match owner {
        Owner::Product(id) => answer.changed(format!("product:{id}")),
        Owner::User(_) => answer,
    }
}
