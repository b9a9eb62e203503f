//! Search, Suggest, ListRelated and ListHome.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Semaphore;
use vitrina_chassis::check::Fields;
use vitrina_chassis::{Answer, Call};
use vitrina_proto::publications::v1 as pb;

use super::App;
use crate::error::Error;
use crate::model::{PublicationId, Status};
use crate::search::{Found, Search, Sort, Wanted, fold};
use crate::{store, wire};

/// Currency of price ranges when nothing was found.
const CURRENCY_DEFAULT: &str = "ARS";
/// Publications whose titles are looked at for suggestions.
const SUGGESTED_FROM: usize = 60;

impl App {
    /// Searches active publications.
    pub(crate) async fn search(
        &self,
        call: Call<pb::SearchRequest>,
    ) -> Result<Answer<pb::SearchReply>, Error> {
        let (wanted, reading) = wire::search(&call.request, call.now_ms)?;
        let sort = wanted.sort;
        let (found, reading) = self
            .searched(&self.searches, move |search| match reading {
                Some(reading) => Ok((search.find_as(&wanted, reading)?, reading)),
                None => search.find(&wanted),
            })
            .await?;
        let items = self.items(&found.ids(), call.now_ms)?;
        let currency =
            items.first().and_then(|item| item.price.as_ref()).map_or(CURRENCY_DEFAULT, |p| &p.currency);
        let facets = Some(wire::facets(&found, currency));
        let next_cursor = wire::cursor(&found, sort, reading);
        Ok(Answer::new(pb::SearchReply { facets, total: found.total, next_cursor, items }))
    }

    /// Completes what is being typed: brands first, then titles of the most wished.
    pub(crate) async fn suggest(
        &self,
        call: Call<pb::SuggestRequest>,
    ) -> Result<Answer<pb::Suggestions>, Error> {
        let mut fields = Fields::new();
        fields.text("q", &call.request.q, 1..=100);
        fields.range("limit", call.request.limit.unwrap_or(8), 1..=20);
        fields.finish()?;
        let limit = call.request.limit.unwrap_or(8) as usize;
        let typed = call.request.q.clone();
        let wanted = most(Sort::Wished, SUGGESTED_FROM, call.now_ms);
        let found = self.searched(&self.lists, move |search| search.begun(&typed, &wanted)).await?;
        let begin = fold(call.request.q.trim());
        let brands = found.brands.iter().map(|(brand, _)| brand.clone());
        let brands = brands.filter(|brand| fold(brand).starts_with(&begin));
        let titles = store::publications(&self.store, &found.ids())?.into_iter().map(|row| row.value.title);
        let mut known = HashSet::new();
        let items = brands.chain(titles).filter(|text| known.insert(fold(text))).take(limit).collect();
        Ok(Answer::new(pb::Suggestions { items }))
    }

    /// Publications like this one.
    pub(crate) async fn list_related(
        &self,
        call: Call<pb::ListRelatedRequest>,
    ) -> Result<Answer<pb::RelatedList>, Error> {
        let publication = self.visible(&call, &call.request.id)?.value;
        let limit = wire::limit(call.request.limit, 8, 20)?;
        let category = store::product(&self.store, publication.product)?.map(|row| row.value.category);
        let wanted = most(Sort::Relevance, limit, call.now_ms);
        let found = self
            .searched(&self.lists, move |search| {
                search.related(&publication.title, &category.unwrap_or_default(), publication.id, &wanted)
            })
            .await?;
        Ok(Answer::new(pb::RelatedList { items: self.items(&found.ids(), call.now_ms)? }))
    }

    /// The lists of the home page.
    pub(crate) async fn list_home(
        &self,
        call: Call<pb::ListHomeRequest>,
    ) -> Result<Answer<pb::HomeLists>, Error> {
        let limit = wire::limit(call.request.limit, 12, 20)?;
        let now_ms = call.now_ms;
        let [newest, on_offer, wished] = self
            .searched(&self.lists, move |search| {
                let on_offer = Wanted { on_offer: Some(true), ..most(Sort::Newest, limit, now_ms) };
                let find = |wanted: &Wanted| Ok::<Found, Error>(search.find(wanted)?.0);
                let wished = most(Sort::Wished, limit, now_ms);
                Ok([find(&most(Sort::Newest, limit, now_ms))?, find(&on_offer)?, find(&wished)?])
            })
            .await?;
        // The index orders by wishes: behind those that somebody wishes for come those that nobody does.
        let ids = wished.ids();
        let counts = store::wishes(&self.store, &ids)?;
        let is_wished = ids.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        let most_wished: Vec<_> = is_wished.map(|(id, _)| id).collect();
        Ok(Answer::new(pb::HomeLists {
            newest: self.items(&newest.ids(), now_ms)?,
            on_offer: self.items(&on_offer.ids(), now_ms)?,
            most_wished: self.items(&most_wished, now_ms)?,
        }))
    }

    /// Asks the index away from the async threads, in turn: a search over all takes some milliseconds.
    pub(super) async fn searched<T: Send + 'static>(
        &self,
        turns: &Arc<Semaphore>,
        ask: impl FnOnce(&Search) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        // Nobody closes it.
        let turn = Arc::clone(turns).acquire_owned().await.ok();
        let search = Arc::clone(&self.search);
        // The turn moves into the work: a caller who hangs up does not let another search start beside this one.
        let work = tokio::task::spawn_blocking(move || {
            let found = ask(&search);
            drop(turn);
            found
        });
        work.await?
    }

    /// What the store holds of these; what is not on sale any more is left out, though the index may not know yet.
    fn items(&self, ids: &[PublicationId], now_ms: u64) -> Result<Vec<pb::SearchItem>, Error> {
        let mut rows = store::publications(&self.store, ids)?;
        rows.retain(|row| row.value.status == Status::Active);
        let products: Vec<_> = rows.iter().map(|row| row.value.product).collect();
        let products = store::products(&self.store, &products)?;
        let known = rows.iter().zip(products).filter_map(|(row, product)| Some((row, product?)));
        Ok(known.map(|(row, product)| wire::item(&row.value, row.version, &product, now_ms)).collect())
    }
}

fn most(sort: Sort, limit: usize, now_ms: u64) -> Wanted {
    Wanted { sort, limit, now_ms, ..Wanted::default() }
}
