//! What happens on a request: one function per rpc, load → decide → commit → reply.

mod find;
mod publish;
mod question;
mod read;

use std::num::NonZero;
use std::sync::Arc;

use tokio::sync::Semaphore;
use vitrina_chassis::{Answer, Call, Clock, Context, Waits};
use vitrina_proto::publications::v1 as pb;
use vitrina_storage::{Row, Store};

use crate::config::Config;
use crate::error::Error;
use crate::model::{Publication, PublicationId};
use crate::search::Search;
use crate::{store, wire};

/// Calls that wait for an event at once.
const WAITS_MAX: usize = 256;

/// The parts that every rpc works with; clones share them.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    search: Arc<Search>,
    /// Searches at a time.
    searches: Arc<Semaphore>,
    /// Lists of pages at a time, which do not stand behind the searches of all visitors.
    lists: Arc<Semaphore>,
    waits: Waits,
}

impl App {
    pub(crate) fn new(ctx: &Context, search: Arc<Search>, config: &Config) -> App {
        App {
            store: ctx.store.clone(),
            clock: ctx.clock.clone(),
            search,
            searches: one_a_processor(),
            lists: one_a_processor(),
            waits: Waits::new(WAITS_MAX, config.event_wait_ms),
        }
    }

    /// A publication that the caller may see.
    fn visible<T>(&self, call: &Call<T>, id: &str) -> Result<Row<Publication>, Error> {
        let row = store::publication(&self.store, publication_id(id)?)?.ok_or(Error::PublicationUnknown)?;
        let may_see =
            row.value.status.is_public() || call.caller.is_user(row.value.seller) || call.caller.is_admin();
        if may_see { Ok(row) } else { Err(Error::PublicationUnknown) }
    }

    /// A publication of the caller, to be changed; another's does not exist for this.
    fn own<T>(&self, call: &Call<T>, id: &str) -> Result<Row<Publication>, Error> {
        let seller = call.caller.require_seller()?;
        let row = self.visible(call, id)?;
        if row.value.seller != seller {
            return Err(Error::PublicationUnknown);
        }
        call.check_version(row.version)?;
        Ok(row)
    }
}

/// Turns of what only computes: more threads at a time would take turns with each other, and with those that everything else
/// waits for.
fn one_a_processor() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(1, NonZero::get)))
}

fn publication_id(text: &str) -> Result<PublicationId, Error> {
    text.parse().map_err(|_| Error::PublicationUnknown)
}

fn answer(publication: &Publication, version: u64) -> Answer<pb::Publication> {
    Answer::new(wire::publication(publication, version))
        .version(version)
        .changed(format!("publication:{}", publication.id))
        .changed("search")
}

#[cfg(test)]
mod tests;
