//! Reservations: units held for an order until it is paid, cancelled or out of time.
//!
//! ```text
//!  reserve ─▶ held ─▶ committed ─▶ released (a refund gives the units back)
//!              ├────▶ released
//!              └────▶ expired ──▶ held again, when asked with a later end
//! ```
//! Units of a sale may go back one refund at a time too; a release gives back what is left of them.
//!
//! The sum of the units of held reservations is the `reserved` of the stocks, since both move in one commit.

use std::collections::HashMap;

use super::{Money, OrderId, Product, ProductId, RefundId, Refusal, Stock, VariantId};

/// Units of one product or variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) product: ProductId,
    pub(crate) variant: Option<VariantId>,
    pub(crate) quantity: u32,
}

/// A line with what a unit cost when it was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeldLine {
    pub(crate) line: Line,
    pub(crate) unit_price: Money,
    /// Units that went back to the stock after the sale.
    pub(crate) restocked: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Held,
    Committed,
    Released,
    Expired,
}

/// What an order holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reservation {
    pub(crate) order: OrderId,
    pub(crate) state: State,
    /// The lease is over from here on.
    pub(crate) until_ms: u64,
    pub(crate) lines: Vec<HeldLine>,
    /// The refunds that gave units back; the order bounds how many there are.
    pub(crate) refunds: Vec<RefundId>,
}

/// The products that the lines name, each once.
pub(crate) type Products = HashMap<ProductId, Product>;

impl Reservation {
    /// Takes the units of all lines out of the products, or of none.
    ///
    /// `products` holds every product that is named and still sold; after an error they are not to be stored.
    pub(crate) fn hold(
        order: OrderId,
        lines: &[Line],
        until_ms: u64,
        products: &mut Products,
        now_ms: u64,
    ) -> Result<Reservation, Refusal> {
        let held = lines.iter().map(|line| {
            let gone =
                Refusal::StockInsufficient { product: line.product, asked: line.quantity, available: 0 };
            let product =
                products.get_mut(&line.product).filter(|product| !product.is_deleted).ok_or(gone)?;
            let unit_price = product.unit_price(line.variant, now_ms)?;
            let stock = product.stock_mut(line.variant)?;
            let available = stock.available();
            if available < line.quantity {
                return Err(Refusal::StockInsufficient {
                    product: line.product,
                    asked: line.quantity,
                    available,
                });
            }
            stock.hold(line.quantity);
            Ok(HeldLine { line: *line, unit_price, restocked: 0 })
        });
        let lines = held.collect::<Result<_, _>>()?;
        Ok(Reservation { order, state: State::Held, until_ms, lines, refunds: Vec::new() })
    }

    /// Whether a call to reserve asks for what already is: the same lines, and no new lease after the end of this one.
    pub(crate) fn answers(&self, lines: &[Line], until_ms: u64) -> Result<bool, Refusal> {
        if !self.lines.iter().map(|held| &held.line).eq(lines) {
            return Err(Refusal::ReservationDiffers { order: self.order });
        }
        Ok(match self.state {
            State::Held | State::Committed => true,
            State::Released | State::Expired => until_ms <= self.until_ms,
        })
    }

    /// The sale is final; `false` when it already was. A lease that is over but not swept yet still counts: the units are there.
    pub(crate) fn commit(&mut self, products: &mut Products) -> Result<bool, Refusal> {
        match self.state {
            State::Committed => Ok(false),
            State::Released | State::Expired => Err(Refusal::ReservationEnded { order: self.order }),
            State::Held => {
                self.end(State::Committed, products, Stock::sell);
                Ok(true)
            }
        }
    }

    /// Gives the units back, once; `false` when they already were. After a sale this is the restocking of a refund.
    pub(crate) fn release(&mut self, products: &mut Products) -> bool {
        match self.state {
            State::Released | State::Expired => return false,
            State::Held => self.end(State::Released, products, Stock::free),
            State::Committed => self.end(State::Released, products, Stock::restock),
        }
        true
    }

    /// Gives some units of a sale back, once for each refund; `false` when it did before, or the release of the whole sale has
    /// taken them along.
    ///
    /// After an error neither it nor the products are to be stored.
    pub(crate) fn restock(
        &mut self,
        refund: RefundId,
        units: &[Line],
        products: &mut Products,
    ) -> Result<bool, Refusal> {
        match self.state {
            State::Released => return Ok(false),
            State::Held | State::Expired => return Err(Refusal::NotSold { order: self.order }),
            State::Committed if self.refunds.contains(&refund) => return Ok(false),
            State::Committed => {}
        }
        for unit in units {
            let has_room = |held: &&mut HeldLine| {
                (held.line.product, held.line.variant) == (unit.product, unit.variant)
                    && unit.quantity <= held.line.quantity - held.restocked
            };
            let held = self.lines.iter_mut().find(has_room);
            held.ok_or(Refusal::RestockTooLarge { order: self.order })?.restocked += unit.quantity;
            change(products, unit, Stock::restock);
        }
        self.refunds.push(refund);
        Ok(true)
    }

    /// Gives the units back when the lease is over; `false` when there is nothing to do.
    pub(crate) fn expire(&mut self, products: &mut Products, now_ms: u64) -> bool {
        let is_due = self.state == State::Held && self.until_ms <= now_ms;
        if is_due {
            self.end(State::Expired, products, Stock::free);
        }
        is_due
    }

    /// Products and variants are never removed from the store, so each line finds its stock.
    fn end(&mut self, state: State, products: &mut Products, step: fn(&mut Stock, u32)) {
        self.state = state;
        for HeldLine { line, restocked, .. } in &self.lines {
            change(products, &Line { quantity: line.quantity - restocked, ..*line }, step);
        }
    }
}

/// Moves the units of a line.
fn change(products: &mut Products, line: &Line, step: fn(&mut Stock, u32)) {
    let stock = products.get_mut(&line.product).and_then(|product| product.stock_mut(line.variant).ok());
    if let Some(stock) = stock {
        step(stock, line.quantity);
    }
}
