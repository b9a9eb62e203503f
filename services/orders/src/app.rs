//! What happens on a request: one function per rpc, in a file per feature.

mod advance;
mod cart;
mod checkout;
mod coupon;
mod drive;
mod moves;
mod notify;
mod offer;
mod read;
mod refund;
mod review;
mod saga;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast};
use vitrina_chassis::{Caller, CancellationToken, Clock, Context, Fault};
use vitrina_storage::{Commit, Row, Store};

use crate::config::Config;
use crate::error::Error;
use crate::model::order::{Order, State};
use crate::model::{OrderId, RefundId, Refusal};
use crate::peers::Peers;
use crate::provider::Provider;
use crate::provider::mercadopago::MercadoPago;
use crate::token::Tokens;
use crate::turns::Turns;
use crate::{events, store};

pub(crate) use offer::Offered;
pub(crate) use watch::Moves;

/// Attempts of a commit that conflicts: only upkeep and the parties write an order's row.
const ATTEMPTS_MAX: u32 = 64;
/// Moves that a watcher may be behind before it reads the order anew.
const MOVED_MAX: usize = 1024;
/// Streams of moves at once.
const WATCHERS_MAX: usize = 1024;
/// How long a request waits for what its move causes elsewhere; the driver does what is left. Under the 2 s of its deadline.
const INLINE_WAIT: Duration = Duration::from_millis(1500);

/// The service's state: handles only, everything else is in the store.
pub(crate) struct App {
    store: Store,
    pub(crate) clock: Clock,
    config: Config,
    peers: Peers,
    provider: Option<Arc<dyn Provider>>,
    tokens: Tokens,
    turns: Turns,
    /// Says which order has moved.
    moved: broadcast::Sender<OrderId>,
    /// Calls the driver before its time.
    wake: Notify,
    /// Ends the streams when the service goes down.
    stop: CancellationToken,
    watchers: Arc<Semaphore>,
}

/// The role of a party in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Buyer,
    Seller,
}

impl App {
    pub(crate) fn new(ctx: &Context, config: Config) -> Result<App, Error> {
        let provider = match config.mercadopago.clone() {
            Some(config) => Some(Arc::new(MercadoPago::new(config)?) as Arc<dyn Provider>),
            None => None,
        };
        Ok(App {
            store: ctx.store.clone(),
            clock: ctx.clock.clone(),
            peers: Peers::new(config.clients.clone(), config.peer_calls_max),
            provider,
            tokens: Tokens::new(&config.master_key),
            turns: Turns::default(),
            moved: broadcast::channel(MOVED_MAX).0,
            wake: Notify::new(),
            stop: CancellationToken::new(),
            watchers: Arc::new(Semaphore::new(WATCHERS_MAX)),
            config,
        })
    }

    /// An order of which the caller is a party: a user, or a guest with the token of the cart that it was made from. To anybody
    /// else, and before it is placed, it does not exist.
    fn party_order(&self, caller: &Caller, id: &str) -> Result<(OrderId, Row<Order>, Role), Error> {
        let user = caller.user_id();
        let cart = caller.cart_token.as_deref().and_then(|token| self.tokens.cart(token));
        if user.is_none() && cart.is_none() {
            caller.require_user()?;
        }
        let id: OrderId = id.parse().map_err(|_| Error::Unknown("order"))?;
        let row = store::order(&self.store, id)?.filter(|row| row.value.is_placed());
        let row = row.ok_or(Error::Unknown("order"))?;
        let role = if user.is_some_and(|user| row.value.is_bought_by(user)) {
            Role::Buyer
        } else if user.is_some_and(|user| row.value.is_sold_by(user)) {
            Role::Seller
        } else if cart.is_some_and(|cart| row.value.is_bought_with(cart)) {
            Role::Buyer
        } else {
            return Err(Error::Unknown("order"));
        };
        Ok((id, row, role))
    }

    /// Adds an order's change to a commit: the row with its indexes, when the driver is to look at it, what others are told,
    /// and the coupon that comes back, or counts again for an order that was paid too late.
    fn keep(
        &self,
        commit: &mut Commit,
        (id, before): (OrderId, &Row<Order>),
        mut after: Order,
        now_ms: u64,
    ) -> Result<Order, Error> {
        after.schedule(now_ms, self.config.grace_ms);
        let ends = |order: &Order| matches!(order.state(), State::Cancelled | State::Expired);
        if ends(&after) && !ends(&before.value) {
            self.give_coupon_back(commit, &after)?;
        }
        if before.value.state() == State::Expired && after.state() == State::Paid {
            self.take_coupon_again(commit, &after)?;
        }
        store::index::put_order(commit, id, Some(before), &after)?;
        events::tell(commit, id, Some(&before.value), &after);
        Ok(after)
    }

    /// Counts the coupon of an order that came to nothing back.
    fn give_coupon_back(&self, commit: &mut Commit, order: &Order) -> Result<(), Error> {
        let Some(code) = &order.coupon else { return Ok(()) };
        if let (Some(coupon), uses) = store::coupon(&self.store, code, &order.coupon_buyer)? {
            store::count_coupon(commit, (code, &order.coupon_buyer), &coupon, uses.as_ref(), -1);
        }
        Ok(())
    }

    /// Counts the coupon of an order that came to nothing, and was paid after all, again.
    fn take_coupon_again(&self, commit: &mut Commit, order: &Order) -> Result<(), Error> {
        let Some(code) = &order.coupon else { return Ok(()) };
        if let (Some(coupon), uses) = store::coupon(&self.store, code, &order.coupon_buyer)? {
            if !coupon.value.has_room(uses.as_ref().map_or(0, |row| row.value.count)) {
                return Err(Refusal::CouponSpent.into());
            }
            store::count_coupon(commit, (code, &order.coupon_buyer), &coupon, uses.as_ref(), 1);
        }
        Ok(())
    }

    /// Changes an order on the service's own account; gives it as it is afterwards. `change` may run several times.
    async fn change(
        &self,
        id: OrderId,
        mut change: impl FnMut(&mut Order, u64, RefundId),
    ) -> Result<Order, Error> {
        for attempt in 0..ATTEMPTS_MAX {
            pause(attempt).await;
            let before = store::order(&self.store, id)?.ok_or(Error::Unknown("order"))?;
            let now_ms = self.clock.now_ms();
            let mut after = before.value.clone();
            change(&mut after, now_ms, RefundId::at(now_ms));
            if after == before.value {
                return Ok(after);
            }
            let mut commit = Commit::new();
            let after = self.keep(&mut commit, (id, &before), after, now_ms)?;
            match self.store.commit(commit).await {
                Ok(_) => {
                    self.announce(id);
                    return Ok(after);
                }
                Err(vitrina_storage::Error::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Outdated)
    }

    /// Lets an order go on within the time of a request. What is left is the driver's, so a failure is no matter.
    async fn advance_inline(&self, id: OrderId, limit: Duration) {
        match tokio::time::timeout(limit, self.advance(id)).await {
            Ok(Ok(())) | Err(_) => {}
            Ok(Err(error)) => tracing::warn!(
                order_id = %id,
                error = &error as &dyn std::error::Error,
                "an order does not go on, the driver tries again"
            ),
        }
    }

    /// Tells those who watch.
    fn announce(&self, id: OrderId) {
        // Nobody watching is fine.
        let _watchers = self.moved.send(id);
    }
}

/// Waits a little before another attempt, more with each.
async fn pause(attempt: u32) {
    if attempt > 0 {
        let range_ms = f64::from(1 << attempt.min(5));
        tokio::time::sleep(Duration::from_secs_f64(rand::random::<f64>() * range_ms / 1000.0)).await;
    }
}

fn require(role: Role, wanted: Role) -> Result<(), Fault> {
    match (role == wanted, wanted) {
        (true, _) => Ok(()),
        (false, Role::Buyer) => Err(Fault::forbidden("buyer_only", "only the buyer may do this")),
        (false, Role::Seller) => Err(Fault::forbidden("seller_only", "only the seller may do this")),
    }
}
