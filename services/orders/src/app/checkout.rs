//! Checkout and BuyNow: from a cart, or one thing, to one order per seller.
//!
//! The plan is made of what other services say; the commit that begins the saga expects the cart as it was planned. The record
//! of the answer holds the orders' ids, and the saga is gone on with before every answer, the first or a replay. So the same
//! key gives the same orders, or the same failure, however often and from wherever it comes.

use std::time::Duration;

use futures::future::join_all;
use sha2::{Digest, Sha256};
use vitrina_chassis::{Answer, Call, Caller, Decision, Fault, unit};
use vitrina_proto::orders::v1 as pb;
use vitrina_proto::users::v1::{Address, SellerStatus};
use vitrina_storage::Commit;

use super::{App, Offered};
use crate::error::Error;
use crate::model::checkout::{Checkout, Failure, Phase};
use crate::model::order::{By, Kind, Order, OrderLine, State};
use crate::model::{CartId, CheckoutId, OrderId, Refusal};
use crate::store::rows::id;
use crate::wire::{Item, Terms};
use crate::{store, wire};

const CHECKOUT_RPC: &str = "vitrina.orders.v1.Orders/Checkout";
const BUY_NOW_RPC: &str = "vitrina.orders.v1.Orders/BuyNow";
/// Times that a plan is made anew, as the cart changed while it was made.
const PLANS_MAX: usize = 4;
/// How long a checkout waits for the provider before it answers without an address to pay at; under its deadline of 10 s.
const PREPARE_WAIT: Duration = Duration::from_secs(5);

/// What a checkout is going to do.
struct Plan {
    id: CheckoutId,
    /// The cart and its version.
    cart: Option<(CartId, u64)>,
    orders: Vec<(OrderId, Order)>,
    /// The coupon and whom its use is counted for.
    coupon: Option<(String, String)>,
}

/// What is bought.
enum Source {
    Cart(String),
    Item(Item),
}

impl App {
    /// Makes one order per seller of a cart.
    pub(crate) async fn checkout(
        &self,
        call: Call<pb::CheckoutRequest>,
    ) -> Result<Answer<pb::CheckoutReply>, Error> {
        let terms = wire::checkout(&call)?;
        let source = Source::Cart(call.request.id.clone());
        let draft = self.begin(&call, CHECKOUT_RPC, (&source, &terms)).await?;
        self.complete(draft).await
    }

    /// Buys one thing at once.
    pub(crate) async fn buy_now(
        &self,
        call: Call<pb::BuyNowRequest>,
    ) -> Result<Answer<pb::CheckoutReply>, Error> {
        let (item, terms) = wire::buy_now(&call)?;
        let draft = self.begin(&call, BUY_NOW_RPC, (&Source::Item(item), &terms)).await?;
        self.complete(draft).await
    }

    /// Puts the saga on disk, or finds the one that the same key began.
    async fn begin<Req: prost::Message>(
        &self,
        call: &Call<Req>,
        rpc: &'static str,
        (source, terms): (&Source, &Terms),
    ) -> Result<Answer<pb::CheckoutReply>, Error> {
        let mut plan: Option<Plan> = None;
        for _ in 0..PLANS_MAX {
            let begun = match &plan {
                // What the key stands for must not depend on what is sold by now, so it is looked up before anything else.
                None => self.known(call, rpc).await,
                Some(plan) => {
                    unit(&self.store, call, rpc, || self.decide(plan, &call.caller, call.now_ms)).await
                }
            };
            let refused = match begun {
                Err(Error::Outdated) => match self.plan(&call.caller, source, terms, call.now_ms).await {
                    Ok(fresh) => {
                        plan = Some(fresh);
                        continue;
                    }
                    Err(error) => error,
                },
                Err(error) => error,
                begun => return begun,
            };
            // Another call with this key may have begun meanwhile, and be the very reason for the refusal.
            return match self.known(call, rpc).await {
                Err(Error::Outdated) => Err(refused),
                known => known,
            };
        }
        Err(Error::Outdated)
    }

    /// The answer that the key stands for; [`Error::Outdated`] when it stands for none yet.
    async fn known<Req: prost::Message>(
        &self,
        call: &Call<Req>,
        rpc: &'static str,
    ) -> Result<Answer<pb::CheckoutReply>, Error> {
        unit(&self.store, call, rpc, || Err(Error::Outdated)).await
    }

    fn decide(
        &self,
        plan: &Plan,
        caller: &Caller,
        now_ms: u64,
    ) -> Result<Decision<pb::CheckoutReply>, Error> {
        let mut commit = Commit::new();
        if let Some((cart, version)) = &plan.cart {
            let (_, row) = self.own_cart(caller, &cart.to_string())?;
            if row.version != *version {
                return Err(Error::Outdated);
            }
            let mut after = row.value.clone();
            after.checkout = Some(plan.id.to_string());
            store::put_cart(&mut commit, *cart, Some(&row), &after)?;
        }
        let discounts = self.discounts(&mut commit, plan, now_ms)?;
        for ((id, order), discount_minor) in plan.orders.iter().zip(discounts) {
            let order = Order { discount_minor, ..order.clone() };
            store::index::put_order(&mut commit, *id, None, &order)?;
        }
        let ids: Vec<String> = plan.orders.iter().map(|(id, _)| id.to_string()).collect();
        let cart = plan.cart.as_ref().map(|(cart, _)| cart.to_string());
        let checkout = Checkout::begin(ids.clone(), cart, now_ms, self.config.grace_ms);
        store::put_checkout(&mut commit, plan.id, None, &checkout);
        let orders = ids.into_iter().map(|id| pb::Order { id, ..pb::Order::default() });
        Ok(Decision::new(commit, Answer::new(pb::CheckoutReply { orders: orders.collect() })))
    }

    /// What the coupon takes off each order; counts its uses.
    fn discounts(&self, commit: &mut Commit, plan: &Plan, now_ms: u64) -> Result<Vec<i64>, Error> {
        let Some((code, buyer)) = &plan.coupon else { return Ok(vec![0; plan.orders.len()]) };
        let (coupon, uses) = store::coupon(&self.store, code, buyer)?;
        let coupon = coupon.ok_or(Refusal::Coupon("it is not known"))?;
        let subtotals: Vec<i64> = plan.orders.iter().map(|(_, order)| order.subtotal_minor).collect();
        let currency = plan.orders.first().map_or("", |(_, order)| &order.currency);
        let used = uses.as_ref().map_or(0, |row| row.value.count);
        let discounts = coupon.value.discounts(&subtotals, currency, used, now_ms)?;
        let orders = i32::try_from(plan.orders.len()).unwrap_or(i32::MAX);
        store::count_coupon(commit, (code, buyer), &coupon, uses.as_ref(), orders);
        Ok(discounts)
    }

    async fn plan(
        &self,
        caller: &Caller,
        source: &Source,
        terms: &Terms,
        now_ms: u64,
    ) -> Result<Plan, Error> {
        let (cart, items) = match source {
            Source::Item(item) => (None, vec![item.clone()]),
            Source::Cart(id) => {
                let (id, row) = self.own_cart(caller, id)?;
                row.value.check_free()?;
                let items = row.value.lines.iter().map(|line| Item {
                    publication: line.publication.clone(),
                    variant: line.variant.clone(),
                    quantity: line.quantity,
                });
                (Some((id, row.version)), items.collect())
            }
        };
        if items.is_empty() {
            return Err(Error::CartEmpty);
        }
        if terms.kind == Kind::Automatic && self.provider.is_none() {
            return Err(Error::PaymentUnavailable);
        }
        let things: Vec<_> =
            items.iter().map(|item| (item.publication.as_str(), item.variant.as_deref())).collect();
        let offers = self.offers(&things).await?;
        let bought = items
            .iter()
            .zip(offers)
            .map(|(item, offered)| sold(item, offered, terms))
            .collect::<Result<Vec<_>, Error>>()?;
        self.check_sellers(&bought).await?;
        let address = self.address(terms).await?;
        let id = CheckoutId::at(now_ms);
        let coupon = terms.coupon.clone().map(|code| (code, coupon_buyer(terms)));
        let mut orders = by_seller(&bought, terms, id, now_ms)?;
        for (_, order) in &mut orders {
            order.address.clone_from(&address);
            order.guest_cart = cart.filter(|_| terms.buyer.is_none()).map(|(cart, _)| cart.to_string());
        }
        Ok(Plan { id, cart, orders, coupon })
    }

    async fn check_sellers(&self, bought: &[(u32, Offered)]) -> Result<(), Error> {
        let mut ids: Vec<String> = bought.iter().map(|(_, offered)| offered.seller.clone()).collect();
        ids.sort_unstable();
        ids.dedup();
        let sellers = self.peers.sellers(&ids).await?;
        for id in ids {
            match sellers.get(&id).map(|seller| seller.status()) {
                Some(SellerStatus::Active) => {}
                Some(_) => return Err(Error::SellerPaused),
                None => return Err(Error::Gone),
            }
        }
        Ok(())
    }

    async fn address(&self, terms: &Terms) -> Result<Option<String>, Error> {
        let (Some(user), Some(id)) = (terms.buyer, &terms.address) else { return Ok(None) };
        match self.peers.address(user, id).await? {
            Some(address) => Ok(Some(one_line(&address))),
            None => Err(Fault::invalid_field("addressId", "unknown", "is not one of your addresses").into()),
        }
    }

    /// Goes on with the saga and answers with what came of it.
    async fn complete(&self, draft: Answer<pb::CheckoutReply>) -> Result<Answer<pb::CheckoutReply>, Error> {
        let ids = draft.reply.orders.iter().map(|order| id(&order.id, "order"));
        let ids = ids.collect::<Result<Vec<OrderId>, _>>()?;
        let first = *ids.first().ok_or(Error::Unknown("order"))?;
        let order = store::order(&self.store, first)?.ok_or(Error::Unknown("order"))?.value;
        let checkout = self.drive_checkout(id(&order.checkout, "checkout")?).await?;
        match checkout.phase() {
            Phase::Placed => {}
            Phase::Failing | Phase::Failed => return Err(Error::CheckoutFailed(checkout.failure())),
            Phase::Reserving | Phase::Unspecified => return Err(Error::CheckoutRuns),
        }
        if order.kind() == Kind::Automatic {
            join_all(ids.iter().map(|id| self.advance_inline(*id, PREPARE_WAIT))).await;
        }
        let mut answer =
            Answer { is_replayed: draft.is_replayed, ..Answer::new(pb::CheckoutReply::default()) };
        for (id, row) in store::orders(&self.store, &ids)? {
            for line in &row.value.lines {
                answer = answer
                    .changed(format!("publication:{}", line.publication))
                    .changed(format!("product:{}", line.product));
            }
            answer.reply.orders.push(wire::order(id, &row.value));
        }
        Ok(answer)
    }

    /// Why a checkout failed, for those who ask again.
    pub(super) fn failed_for(fault: &Fault) -> Failure {
        match fault.reason.as_ref() {
            "stock_insufficient" => Failure::StockInsufficient,
            _ => Failure::Refused,
        }
    }
}

/// Checks that a thing can be bought so.
fn sold(item: &Item, offered: Option<Offered>, terms: &Terms) -> Result<(u32, Offered), Error> {
    let offered = offered.ok_or(Error::Gone)?;
    if offered.is_variant_missing {
        return Err(Fault::invalid_field("variantId", "required", "must name a variant").into());
    }
    if terms.buyer.is_some_and(|buyer| buyer.to_string() == offered.seller) {
        return Err(Error::OwnPublication);
    }
    if !offered.kinds.contains(&terms.kind) {
        return Err(Error::PaymentUnavailable);
    }
    if offered.available < item.quantity {
        return Err(Error::StockInsufficient { available: offered.available });
    }
    Ok((item.quantity, offered))
}

/// One order per seller, in the order in which their things were put into the cart.
fn by_seller(
    bought: &[(u32, Offered)],
    terms: &Terms,
    checkout: CheckoutId,
    now_ms: u64,
) -> Result<Vec<(OrderId, Order)>, Error> {
    let mut orders: Vec<(OrderId, Order)> = Vec::new();
    for (quantity, offered) in bought {
        let line = OrderLine {
            publication: offered.publication.clone(),
            product: offered.product.clone(),
            variant: offered.variant.clone(),
            title: offered.title.clone(),
            quantity: *quantity,
            unit_minor: offered.unit_minor,
        };
        let total_minor = line.total_minor();
        let known = orders.iter_mut().find(|(_, order)| order.seller == offered.seller);
        let order = match known {
            Some((_, order)) => order,
            None => {
                orders.push((OrderId::at(now_ms), new_order(offered, terms, checkout, now_ms)));
                &mut orders.last_mut().ok_or(Error::CartEmpty)?.1
            }
        };
        if order.currency != offered.currency {
            return Err(Error::CurrencyMixed);
        }
        order.subtotal_minor = order.subtotal_minor.saturating_add(total_minor);
        order.lines.push(line);
    }
    Ok(orders)
}

fn new_order(offered: &Offered, terms: &Terms, checkout: CheckoutId, now_ms: u64) -> Order {
    let mut order = Order {
        checkout: checkout.to_string(),
        buyer: terms.buyer.map(|user| user.to_string()),
        guest_email: terms.guest_email.clone(),
        seller: offered.seller.clone(),
        currency: offered.currency.clone(),
        kind: terms.kind.into(),
        created_at_ms: now_ms,
        coupon: terms.coupon.clone(),
        coupon_buyer: terms.coupon.as_ref().map(|_| coupon_buyer(terms)).unwrap_or_default(),
        ..Order::default()
    };
    order.enter(State::Created, By::Buyer, now_ms);
    order
}

/// Whom a coupon's use is counted for: the user, or the digest of a guest's address.
fn coupon_buyer(terms: &Terms) -> String {
    if let Some(user) = terms.buyer {
        return user.to_string();
    }
    let email = terms.guest_email.as_deref().unwrap_or_default().to_lowercase();
    let digest = Sha256::digest(email.as_bytes());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("guest:{hex}")
}

fn one_line(address: &Address) -> String {
    let parts = [
        Some(address.recipient.as_str()),
        Some(address.street.as_str()),
        address.extra.as_deref(),
        Some(address.postal_code.as_str()),
        Some(address.city.as_str()),
        Some(address.region.as_str()),
        Some(address.country.as_str()),
    ];
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}
