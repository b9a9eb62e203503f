//! What a generated shop sells: worked out from the seed and the place alone, so that a larger shop holds the smaller one.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use super::number_of;

const THINGS: [(&str, &str); 10] = [
    ("Auriculares", "electronics/audio"),
    ("Radio portátil", "electronics/audio"),
    ("Cámara réflex", "electronics/cameras"),
    ("Teclado mecánico", "computing/peripherals"),
    ("Monitor", "computing/monitors"),
    ("Mate de calabaza", "home/kitchen"),
    ("Termo de acero", "home/kitchen"),
    ("Bicicleta urbana", "sports/cycling"),
    ("Guitarra criolla", "music/strings"),
    ("Lámpara de pie", "home/lighting"),
];
/// Brands, and after them the sellers' names.
pub(super) const BRANDS: [&str; 6] = ["Andes", "Pampa", "Austral", "Litoral", "Cuyo", "Delta"];
const STYLES: [&str; 6] = ["clásico", "compacto", "profesional", "negro", "azul", "edición limitada"];
const QUESTIONS: [(&str, &str); 4] = [
    ("¿Hace envíos al interior?", "Sí, a todo el país."),
    ("¿Tiene garantía?", "Seis meses."),
    ("¿Hay otro color?", "Por ahora solo este."),
    ("¿Es nuevo?", "Sí, en caja cerrada."),
];

/// Of each seller's products every eighth is sold out: that has to be seen too, and no order is placed on it.
const SOLD_OUT_EVERY: u32 = 8;

/// A product with its publication and what people do with it.
pub(super) struct Good {
    pub(super) sku: String,
    /// The contract's `CreateProductRequest`.
    pub(super) product: Value,
    /// Price of the offer in minor units; absent: none.
    pub(super) offer_minor: Option<u64>,
    /// How many pictures it has.
    pub(super) pictures: u32,
    /// What somebody asks.
    pub(super) question: Option<Question>,
    /// How many of the buyers wish for it.
    pub(super) wishes: usize,
}

/// A question about a publication.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) text: &'static str,
    /// Absent: the seller owes it.
    pub(super) answer: Option<&'static str>,
}

/// The product `number` of the seller `seller`, both from 0.
pub(super) fn good(seed: u64, seller: u32, number: u32) -> Good {
    let sku = format!("demo-{seed}-{}-{}", seller + 1, number + 1);
    let mut random = StdRng::seed_from_u64(number_of(&sku));
    let (thing, category) = THINGS[(number + 3 * seller) as usize % THINGS.len()];
    let brand = BRANDS[random.gen_range(0..BRANDS.len())];
    let style = STYLES[random.gen_range(0..STYLES.len())];
    let minor: u64 = random.gen_range(5_000..900_000) / 100 * 100;
    let on_hand = random.gen_range(6..40);
    let product = json!({
        "sku": sku,
        "name": format!("{thing} {brand} {style}"),
        "description": format!("{thing} de la marca {brand}, {style}. Con factura."),
        "condition": if random.gen_bool(0.8) { "NEW" } else { "USED" },
        "category": category,
        "brand": brand,
        "price": {"minor": minor, "currency": "ARS"},
        "stock": {"onHand": if is_sold_out(number) { 0 } else { on_hand }},
    });
    let question = QUESTIONS.choose(&mut random).filter(|_| number.is_multiple_of(2));
    Good {
        sku,
        product,
        offer_minor: (number % 4 == 1).then_some(minor * 8 / 10),
        pictures: 1 + u32::from(number.is_multiple_of(4)),
        question: question
            .map(|(text, answer)| Question { text, answer: (number % 6 != 4).then_some(answer) }),
        wishes: (number + seller) as usize % 4,
    }
}

/// Whether nothing of it can be bought.
pub(super) fn is_sold_out(number: u32) -> bool {
    number % SOLD_OUT_EVERY == SOLD_OUT_EVERY - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_holds_the_same_good_in_every_shop_of_a_seed() {
        assert_eq!(good(1, 2, 3).product, good(1, 2, 3).product);
        assert_ne!(good(1, 2, 3).product, good(2, 2, 3).product);
        assert_eq!(good(1, 0, 7).product["stock"]["onHand"], 0);
    }
}
