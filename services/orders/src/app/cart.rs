//! CreateCart, GetCart, AddCartItem, UpdateCartItem, DeleteCartItem and MergeCart.
//!
//! What a cart shows beside its lines is read from the other services each time; the record of a request's answer holds the
//! cart's id only, and a replay shows the cart as it is by then. So no record holds a guest's token either.

use vitrina_chassis::{Answer, Call, Caller, Decision, Fault, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_storage::{Commit, Row};

use super::App;
use crate::error::Error;
use crate::model::cart::{Cart, Line};
use crate::model::{CartId, LineId};
use crate::{store, wire};

const CREATE_RPC: &str = "vitrina.orders.v1.Orders/CreateCart";
const ADD_RPC: &str = "vitrina.orders.v1.Orders/AddCartItem";
const UPDATE_RPC: &str = "vitrina.orders.v1.Orders/UpdateCartItem";
const DELETE_RPC: &str = "vitrina.orders.v1.Orders/DeleteCartItem";
const MERGE_RPC: &str = "vitrina.orders.v1.Orders/MergeCart";
/// How long a cart is kept after it was last touched: 30 days.
const KEPT_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// Carts of one user; opening one more forgets the oldest.
const CARTS_MAX: usize = 20;

impl App {
    /// Opens a cart; a guest gets its token.
    pub(crate) async fn create_cart(
        &self,
        call: Call<pb::CreateCartRequest>,
    ) -> Result<Answer<pb::Cart>, Error> {
        let (id, owner) = (CartId::at(call.now_ms), call.caller.user_id());
        let draft = unit(&self.store, &call, CREATE_RPC, || {
            let mut commit = Commit::new();
            if let Some(owner) = owner {
                let known = store::carts_of(&self.store, owner, CARTS_MAX)?;
                if let Some(oldest) = known.first().filter(|_| known.len() >= CARTS_MAX)
                    && let Some(row) = store::cart(&self.store, *oldest)?
                {
                    store::delete_cart(&mut commit, *oldest, &row)?;
                }
            }
            let cart = Cart {
                owner: owner.map(|user| user.to_string()),
                until_ms: call.now_ms + KEPT_MS,
                ..Cart::default()
            };
            store::put_cart(&mut commit, id, None, &cart)?;
            Ok::<_, Error>(Decision::new(commit, draft(id)))
        })
        .await?;
        let id: CartId = draft.reply.id.parse().map_err(|_| Error::Unknown("cart"))?;
        let token = owner.is_none().then(|| self.tokens.of(id));
        // Everybody who can repeat the request may open the cart, so it is shown without another check.
        let row = store::cart(&self.store, id)?.ok_or(Error::Unknown("cart"))?;
        let shown = self.shown(id, &row).await?;
        Ok(Answer { is_replayed: draft.is_replayed, ..shown.map(|cart| pb::Cart { token, ..cart }) })
    }

    /// A cart with live prices and stock.
    pub(crate) async fn get_cart(&self, call: &Call<pb::GetCartRequest>) -> Result<Answer<pb::Cart>, Error> {
        let (id, row) = self.own_cart(&call.caller, &call.request.id)?;
        self.shown(id, &row).await
    }

    /// Adds a line, or units to the line of the same thing.
    pub(crate) async fn add_cart_item(
        &self,
        call: Call<pb::AddCartItemRequest>,
    ) -> Result<Answer<pb::Cart>, Error> {
        let item = wire::new_item(&call.request)?;
        self.own_cart(&call.caller, &call.request.id)?;
        let offered = self.offers(&[(&item.publication, item.variant.as_deref())]).await?.pop().flatten();
        let offered = offered.ok_or(Error::Gone)?;
        if offered.is_variant_missing {
            return Err(Fault::invalid_field("variantId", "required", "must name a variant").into());
        }
        if call.caller.user_id().is_some_and(|user| user.to_string() == offered.seller) {
            return Err(Error::OwnPublication);
        }
        let line = Line {
            id: LineId::at(call.now_ms).bytes().to_vec(),
            publication: item.publication,
            variant: item.variant,
            quantity: item.quantity,
            seen_minor: offered.unit_minor,
            currency: offered.currency,
            title: offered.title,
        };
        self.change_cart(&call, (ADD_RPC, &call.request.id), |cart| {
            if cart.lines.first().is_some_and(|known| known.currency != line.currency) {
                return Err(Error::CurrencyMixed);
            }
            Ok(cart.add(line.clone())?)
        })
        .await
    }

    /// Changes the units of a line.
    pub(crate) async fn update_cart_item(
        &self,
        call: Call<pb::UpdateCartItemRequest>,
    ) -> Result<Answer<pb::Cart>, Error> {
        let quantity = wire::quantity(call.request.quantity)?;
        let line = line_id(&call.request.line_id)?;
        self.change_cart(&call, (UPDATE_RPC, &call.request.id), |cart| {
            cart.check_free()?;
            cart.line_mut(line).ok_or(Error::Unknown("line"))?.quantity = quantity;
            Ok(())
        })
        .await
    }

    /// Takes a line out.
    pub(crate) async fn delete_cart_item(
        &self,
        call: Call<pb::DeleteCartItemRequest>,
    ) -> Result<Answer<pb::Cart>, Error> {
        let line = line_id(&call.request.line_id)?;
        self.change_cart(&call, (DELETE_RPC, &call.request.id), |cart| {
            cart.check_free()?;
            if cart.remove(line) { Ok(()) } else { Err(Error::Unknown("line")) }
        })
        .await
    }

    /// Moves the lines of a guest's cart into the caller's; the guest's is gone afterwards.
    pub(crate) async fn merge_cart(
        &self,
        call: Call<pb::MergeCartRequest>,
    ) -> Result<Answer<pb::Cart>, Error> {
        call.caller.require_user()?;
        if call.request.cart_token.is_empty() {
            return Err(Fault::invalid_field("cartToken", "required", "must be given").into());
        }
        let guest_id = self.tokens.cart(&call.request.cart_token);
        // The token opens the guest's cart; no record is to hold anything of it.
        let redacted = call.with(pb::MergeCartRequest {
            id: call.request.id.clone(),
            cart_token: guest_id.map(|id| id.to_string()).unwrap_or_default(),
        });
        let draft = unit(&self.store, &redacted, MERGE_RPC, || {
            let (id, row) = self.own_cart(&call.caller, &call.request.id)?;
            let guest_id = guest_id.filter(|guest| *guest != id).ok_or(Error::Unknown("cart"))?;
            let guest = store::cart(&self.store, guest_id)?.filter(|guest| guest.value.owner.is_none());
            let guest = guest.ok_or(Error::Unknown("cart"))?;
            let mut cart = row.value.clone();
            let other = guest.value.lines.first().map(|line| &line.currency);
            if cart.lines.first().is_some_and(|line| other.is_some_and(|other| *other != line.currency)) {
                return Err(Error::CurrencyMixed);
            }
            cart.merge(guest.value.clone())?;
            cart.until_ms = call.now_ms + KEPT_MS;
            let mut commit = Commit::new();
            store::put_cart(&mut commit, id, Some(&row), &cart)?;
            store::delete_cart(&mut commit, guest_id, &guest)?;
            Ok::<_, Error>(Decision::new(commit, draft(id)))
        })
        .await?;
        self.drafted(&call.caller, draft).await
    }

    /// Forgets carts that nobody touched for long.
    pub(super) async fn forget_carts(&self, limit: usize) -> Result<(), Error> {
        for id in store::carts_over(&self.store, self.clock.now_ms(), limit)? {
            let Some(row) = store::cart(&self.store, id)? else { continue };
            let mut commit = Commit::new();
            store::delete_cart(&mut commit, id, &row)?;
            match self.store.commit(commit).await {
                Ok(_) | Err(vitrina_storage::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A cart that the caller may see: a user's own, or the one that the token opens.
    pub(super) fn own_cart(&self, caller: &Caller, id: &str) -> Result<(CartId, Row<Cart>), Error> {
        let id: CartId = id.parse().map_err(|_| Error::Unknown("cart"))?;
        let row = store::cart(&self.store, id)?.ok_or(Error::Unknown("cart"))?;
        let is_own = match &row.value.owner {
            Some(owner) => caller.user_id().is_some_and(|user| user.to_string() == *owner),
            None => caller.cart_token.as_deref().and_then(|token| self.tokens.cart(token)) == Some(id),
        };
        if is_own { Ok((id, row)) } else { Err(Error::Unknown("cart")) }
    }

    async fn change_cart<Req: prost::Message>(
        &self,
        call: &Call<Req>,
        (rpc, id): (&'static str, &str),
        mut change: impl FnMut(&mut Cart) -> Result<(), Error>,
    ) -> Result<Answer<pb::Cart>, Error> {
        let draft = unit(&self.store, call, rpc, || {
            let (id, row) = self.own_cart(&call.caller, id)?;
            call.check_version(row.version)?;
            let mut cart = row.value.clone();
            change(&mut cart)?;
            cart.until_ms = call.now_ms + KEPT_MS;
            let mut commit = Commit::new();
            store::put_cart(&mut commit, id, Some(&row), &cart)?;
            Ok::<_, Error>(Decision::new(commit, draft(id)))
        })
        .await?;
        self.drafted(&call.caller, draft).await
    }

    async fn drafted(&self, caller: &Caller, draft: Answer<pb::Cart>) -> Result<Answer<pb::Cart>, Error> {
        let (id, row) = self.own_cart(caller, &draft.reply.id)?;
        Ok(Answer { is_replayed: draft.is_replayed, ..self.shown(id, &row).await? })
    }

    async fn shown(&self, id: CartId, row: &Row<Cart>) -> Result<Answer<pb::Cart>, Error> {
        let things: Vec<_> =
            row.value.lines.iter().map(|line| (line.publication.as_str(), line.variant.as_deref())).collect();
        let offered = self.offers(&things).await?;
        Ok(Answer::new(wire::cart(id, row.version, &row.value, &offered)).version(row.version))
    }
}

fn draft(id: CartId) -> Answer<pb::Cart> {
    Answer::new(pb::Cart { id: id.to_string(), ..pb::Cart::default() })
}

fn line_id(text: &str) -> Result<LineId, Error> {
    text.parse().map_err(|_| Error::Unknown("line"))
}
