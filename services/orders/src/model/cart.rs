//! Carts: what somebody may want to buy.

use super::{LineId, Refusal};

/// Lines of a cart: two batches of a hundred ids read everything that a page of it needs.
const LINES_MAX: usize = 50;
/// Units of a line; the contract's bound.
pub(crate) const QUANTITY_MAX: u32 = 100;

/// A cart. Whose it is: a user's, or whoever has the token that is derived from its id.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Cart {
    /// The user, as text; absent: a guest's.
    #[prost(string, optional, tag = "1")]
    pub(crate) owner: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) lines: Vec<Line>,
    /// The checkout that is under way.
    #[prost(string, optional, tag = "3")]
    pub(crate) checkout: Option<String>,
    /// After this the cart may be removed.
    #[prost(uint64, tag = "4")]
    pub(crate) until_ms: u64,
}

/// Units of one publication or of one of its variants.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Line {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    #[prost(string, tag = "2")]
    pub(crate) publication: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) variant: Option<String>,
    #[prost(uint32, tag = "4")]
    pub(crate) quantity: u32,
    /// What a unit cost when the line was last touched.
    #[prost(int64, tag = "5")]
    pub(crate) seen_minor: i64,
    #[prost(string, tag = "6")]
    pub(crate) currency: String,
    /// The title when the line was last touched, shown once the publication is gone.
    #[prost(string, tag = "7")]
    pub(crate) title: String,
}

impl Cart {
    /// Adds a line, or its units to the line of the same thing; both then have the price of now.
    pub(crate) fn add(&mut self, line: Line) -> Result<(), Refusal> {
        self.check_free()?;
        let is_full = self.lines.len() >= LINES_MAX;
        let known = self
            .lines
            .iter_mut()
            .find(|known| known.publication == line.publication && known.variant == line.variant);
        match known {
            Some(known) if known.quantity + line.quantity > QUANTITY_MAX => Err(Refusal::QuantityTooLarge),
            Some(known) => {
                known.quantity += line.quantity;
                known.seen_minor = line.seen_minor;
                known.currency = line.currency;
                known.title = line.title;
                Ok(())
            }
            None if is_full => Err(Refusal::CartFull),
            None => {
                self.lines.push(line);
                Ok(())
            }
        }
    }

    /// The line of an id.
    pub(crate) fn line_mut(&mut self, id: LineId) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.id == id.bytes())
    }

    /// Takes a line out; `false` when there is none.
    pub(crate) fn remove(&mut self, id: LineId) -> bool {
        let before = self.lines.len();
        self.lines.retain(|line| line.id != id.bytes());
        self.lines.len() < before
    }

    /// Takes over another cart's lines, as far as there is room: what does not fit was a wish that a cart cannot hold.
    pub(crate) fn merge(&mut self, other: Cart) -> Result<(), Refusal> {
        self.check_free()?;
        other.check_free()?;
        for mut line in other.lines {
            let known = self
                .lines
                .iter()
                .find(|known| known.publication == line.publication && known.variant == line.variant);
            let room = QUANTITY_MAX - known.map_or(0, |known| known.quantity);
            line.quantity = line.quantity.min(room);
            if line.quantity > 0 && (known.is_some() || self.lines.len() < LINES_MAX) {
                self.add(line)?;
            }
        }
        Ok(())
    }

    /// Refuses while a checkout is under way: what it buys must stay what the buyer saw.
    pub(crate) fn check_free(&self) -> Result<(), Refusal> {
        if self.checkout.is_some() { Err(Refusal::CheckoutRuns) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(publication: &str, quantity: u32) -> Line {
        Line {
            id: LineId::generate().bytes().to_vec(),
            publication: publication.into(),
            quantity,
            ..Line::default()
        }
    }

    #[test]
    fn the_same_thing_has_one_line_of_at_most_a_hundred() {
        let mut cart = Cart::default();
        cart.add(line("a", 60)).unwrap();
        cart.add(line("a", 40)).unwrap();
        assert_eq!(cart.add(line("a", 1)), Err(Refusal::QuantityTooLarge));
        cart.add(line("b", 1)).unwrap();
        assert_eq!(cart.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [100, 1]);
    }

    #[test]
    fn a_merged_cart_holds_what_there_is_room_for() {
        let (mut cart, mut other) = (Cart::default(), Cart::default());
        cart.add(line("a", 90)).unwrap();
        other.add(line("a", 20)).unwrap();
        other.add(line("b", 2)).unwrap();
        cart.merge(other).unwrap();
        assert_eq!(cart.lines.iter().map(|line| line.quantity).collect::<Vec<_>>(), [100, 2]);
    }
}
