//! Of wishes and products: who watches what, and what is news to him.

use vitrina_chassis::{Message, decode};
use vitrina_otel::propagate;
use vitrina_proto::events::v1 as events;
use vitrina_storage::Commit;

use super::{malformed, user};
use crate::app::App;
use crate::error::Error;
use crate::model::PublicationId;
use crate::model::kind::{Kind, quote};
use crate::model::watch::{Alert, Watch};
use crate::store::upkeep;

/// A wish came or went. A user's wishes are told in order, and what is late all the same is seen by the event's id.
pub(super) fn wished(app: &App, message: &Message) -> Result<Commit, Error> {
    let payload: events::WishlistChanged = decode(message)?;
    let id = user(&payload.user_id, "userId")?;
    let publication: PublicationId =
        payload.publication_id.parse().map_err(|_| malformed("publicationId"))?;
    let before = upkeep::watch(&app.store, publication, id)?;
    let mut commit = Commit::new();
    if before.as_ref().is_some_and(|row| row.value.event >= message.id) {
        return Ok(commit);
    }
    let is_over = message.topic == "wishlist.removed";
    let known = before.as_ref().map(|row| row.value.clone()).unwrap_or_default();
    let after = Watch { event: message.id.clone(), over_at_ms: is_over.then(|| app.clock.now_ms()), ..known };
    upkeep::put_watch(&mut commit, (publication, id), before.as_ref(), &after);
    Ok(commit)
}

/// A product has changed; those who watch its publication are told afterwards. The event says what was before, so nothing has
/// to be kept of the products that nobody watches, which are most.
pub(super) fn product(app: &App, message: &Message) -> Result<Commit, Error> {
    let payload: events::ProductChanged = decode(message)?;
    let mut commit = Commit::new();
    let Some(kind) = news(&payload) else { return Ok(commit) };
    let product = payload.product.unwrap_or_default();
    let Some(publication) = product.publication_id.as_deref() else { return Ok(commit) };
    let publication: PublicationId = publication.parse().map_err(|_| malformed("product.publicationId"))?;
    if upkeep::watches(&app.store, publication, None, 1)?.is_empty() {
        return Ok(commit);
    }
    let price = product.effective_price.unwrap_or_default();
    let alert = Alert {
        kind: kind.name().to_owned(),
        title: quote(&product.name),
        price_minor: price.minor,
        currency: price.currency,
        last_user: String::new(),
        event: message.id.clone(),
        traceparent: propagate::current_traceparent().unwrap_or_default(),
    };
    // News that are still on their way give way to newer ones; who was told the older is told the newer as well.
    let key = (publication, kind.name().to_owned());
    let before = upkeep::alert(&app.store, &key)?;
    if before.as_ref().is_none_or(|row| row.value.event < alert.event) {
        upkeep::put_alert(&mut commit, &key, before.as_ref(), Some(&alert));
    }
    Ok(commit)
}

/// What is new to those who watch: a lower price, or stock where there was none.
fn news(payload: &events::ProductChanged) -> Option<Kind> {
    let product = payload.product.as_ref()?;
    let available = product.stock.as_ref().map_or(0, |stock| stock.available);
    if available > 0 && payload.available_before == Some(0) {
        return Some(Kind::BackInStock);
    }
    let (price, before) = (product.effective_price.as_ref()?, payload.price_before.as_ref()?);
    let fell = price.currency == before.currency && price.minor < before.minor;
    fell.then_some(Kind::PriceDrop)
}
