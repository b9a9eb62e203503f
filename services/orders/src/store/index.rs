//! An order and the index rows that follow it: they change in one commit, by what was before and what is after.

use vitrina_storage::{Commit, PAGE_ROWS_MAX, Row, Scan, Store, prefix};

use crate::error::Error;
use crate::keys::{BUYER, DUE_ORDERS, ORDERS, PAID, PARTY, PARTY_STATE, SELLER};
use crate::model::order::{Order, State};
use crate::model::{OrderId, UserId};
use crate::store::rows::{AmountRow, MarkRow, id};

/// Orders of a seller that are counted for figures. Beyond it they are a lower bound, which a dashboard can live with.
const COUNTED_MAX: usize = 10_000;

/// Puts an order in place of what was read, and keeps its indexes in step.
pub(crate) fn put_order(
    commit: &mut Commit,
    order: OrderId,
    before: Option<&Row<Order>>,
    after: &Order,
) -> Result<(), Error> {
    match before {
        None => commit.expect_absent(&ORDERS, &order),
        Some(row) => commit.expect(&ORDERS, &order, row.version),
    };
    commit.put(&ORDERS, &order, after);
    let before = before.map(|row| &row.value);
    let due = |of: &Order| of.due_at_ms.map(|due_ms| (due_ms, order));
    replace(before.and_then(due), due(after), |key, is_there| match is_there {
        Is::Gone => drop(commit.delete(&DUE_ORDERS, key)),
        Is::There => drop(commit.put(&DUE_ORDERS, key, &MarkRow {})),
    });
    for (role, user) in parties(after)? {
        let listed = |of: &Order| of.is_placed().then_some((role, user, order));
        let in_state = |of: &Order| of.is_placed().then_some((role, user, of.state() as u8, order));
        replace(before.and_then(listed), listed(after), |key, is_there| match is_there {
            Is::Gone => drop(commit.delete(&PARTY, key)),
            Is::There => drop(commit.put(&PARTY, key, &MarkRow {})),
        });
        replace(before.and_then(in_state), in_state(after), |key, is_there| match is_there {
            Is::Gone => drop(commit.delete(&PARTY_STATE, key)),
            Is::There => drop(commit.put(&PARTY_STATE, key, &MarkRow {})),
        });
    }
    if let Some(paid_at_ms) = after.paid_at_ms() {
        let kept = AmountRow { minor: after.left_minor(), currency: after.currency.clone() };
        let is_known = before.is_some_and(|old| old.paid_at_ms().is_some() && old.left_minor() == kept.minor);
        if !is_known {
            commit.put(&PAID, &(id(&after.seller, "seller")?, paid_at_ms, order), &kept);
        }
    }
    Ok(())
}

/// How many orders of a seller are in a state.
pub(crate) fn count_in_state(store: &Store, seller: UserId, state: State) -> Result<u32, Error> {
    let within = prefix(&(SELLER, seller, state as u8));
    let (mut count, mut after) = (0usize, None);
    while count < COUNTED_MAX {
        let scan = Scan { after: after.as_ref(), ..Scan::first(within.clone(), PAGE_ROWS_MAX) };
        let page = PARTY_STATE.scan(store, scan)?;
        count += page.len();
        match page.into_iter().next_back() {
            Some((last, _)) if count % PAGE_ROWS_MAX == 0 => after = Some(last),
            _ => break,
        }
    }
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// What a seller keeps of orders paid since `since_ms`, in the currency of the latest one.
pub(crate) fn revenue(store: &Store, seller: UserId, since_ms: u64) -> Result<AmountRow, Error> {
    let mut kept: Vec<AmountRow> = Vec::new();
    let mut after = (seller, since_ms, OrderId::from_bytes([0; 16]));
    while kept.len() < COUNTED_MAX {
        let scan = Scan { after: Some(&after), ..Scan::first(prefix(&seller), PAGE_ROWS_MAX) };
        let page = PAID.scan(store, scan)?;
        let is_last = page.len() < PAGE_ROWS_MAX;
        for (key, row) in page {
            after = key;
            kept.push(row.value);
        }
        if is_last {
            break;
        }
    }
    let currency = kept.last().map(|row| row.currency.clone()).unwrap_or_else(|| "ARS".to_owned());
    let minor = kept.iter().filter(|row| row.currency == currency).map(|row| row.minor).sum();
    Ok(AmountRow { minor, currency })
}

/// What becomes of an index row.
enum Is {
    Gone,
    There,
}

fn replace<K: PartialEq>(before: Option<K>, after: Option<K>, mut change: impl FnMut(&K, Is)) {
    if before == after {
        return;
    }
    if let Some(key) = &before {
        change(key, Is::Gone);
    }
    if let Some(key) = &after {
        change(key, Is::There);
    }
}

fn parties(order: &Order) -> Result<Vec<(u8, UserId)>, Error> {
    let mut parties = vec![(SELLER, id(&order.seller, "seller")?)];
    if let Some(buyer) = &order.buyer {
        parties.push((BUYER, id(buyer, "buyer")?));
    }
    Ok(parties)
}
