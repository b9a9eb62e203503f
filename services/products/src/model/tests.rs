//! The rules of the model, one by one.

use super::reservation::{Line, Products, Reservation, State};
use super::*;

fn ars(minor: i64) -> Money {
    Money { minor, currency: Currency::ARS }
}

fn product(on_hand: u32) -> Product {
    Product {
        id: ProductId::at(1),
        seller: UserId::at(1),
        sku: None,
        name: "Lamp".into(),
        description: String::new(),
        condition: Condition::New,
        category: "home".into(),
        brand: None,
        attributes: BTreeMap::new(),
        price: ars(1000),
        offer: None,
        stock: Stock::new(on_hand),
        variants: Vec::new(),
        is_deleted: false,
        created_at_ms: 1,
        updated_at_ms: 1,
    }
}

fn variant(price: i64, on_hand: u32) -> Variant {
    Variant {
        id: VariantId::generate(),
        sku: "s".into(),
        options: BTreeMap::new(),
        price: ars(price),
        stock: Stock::new(on_hand),
        offer: None,
    }
}

fn offer(minor: i64) -> Offer {
    Offer { price: ars(minor), starts_at_ms: 100, ends_at_ms: 200 }
}

fn shelf(product: &Product) -> Products {
    Products::from([(product.id, product.clone())])
}

#[test]
fn an_offer_counts_from_its_start_up_to_its_end() {
    let mut product = product(1);
    product.put_offer(None, offer(800)).unwrap();
    for (now, price) in [(99, 1000), (100, 800), (199, 800), (200, 1000)] {
        assert_eq!(product.effective_price(now), ars(price), "at {now}");
    }
}

#[test]
fn an_offer_must_be_below_the_list_price_in_its_currency() {
    let mut product = product(1);
    let usd = Money { minor: 5, currency: Currency::parse("USD").unwrap() };
    assert_eq!(product.put_offer(None, offer(1000)), Err(Refusal::OfferNotBelowPrice));
    assert_eq!(product.put_offer(None, Offer { price: usd, ..offer(5) }), Err(Refusal::OfferNotBelowPrice));
    assert_eq!(product.offer, None);
}

#[test]
fn a_list_price_below_the_offer_is_what_counts() {
    let mut product = product(1);
    product.put_offer(None, offer(800)).unwrap();
    product.set_price(ars(700)).unwrap();
    assert_eq!(product.effective_price(150), ars(700));
}

#[test]
fn a_variant_takes_its_own_offer_else_the_products_where_it_is_lower() {
    let mut product = product(0);
    product.variants = vec![variant(1200, 1), variant(700, 1)];
    let first = product.variants[0].id;
    product.put_offer(None, offer(800)).unwrap();
    let price = |product: &Product, at: usize| product.effective_price_of(&product.variants[at], 150).minor;
    assert_eq!((price(&product, 0), price(&product, 1)), (800, 700));
    product.put_offer(Some(first), offer(1100)).unwrap();
    assert_eq!(price(&product, 0), 1100);
}

#[test]
fn the_stock_of_a_product_with_variants_is_their_sum() {
    let mut product = product(0);
    product.variants = vec![variant(1, 2), variant(1, 3)];
    assert_eq!(product.total_stock().on_hand, 5);
    assert!(matches!(product.adjust(None, 1), Err(Refusal::VariantRequired { .. })));
    assert!(matches!(product.adjust(Some(VariantId::at(1)), 1), Err(Refusal::VariantUnknown { .. })));
}

#[test]
fn an_adjustment_leaves_what_is_reserved_and_stays_in_bounds() {
    let mut product = product(5);
    product.stock.hold(3);
    assert_eq!(product.adjust(None, -3), Err(Refusal::StockBelowReserved { on_hand: 2, reserved: 3 }));
    assert_eq!(product.adjust(None, i32::MAX), Err(Refusal::StockTooLarge));
    product.adjust(None, -2).unwrap();
    assert_eq!((product.stock.on_hand, product.stock.available()), (3, 0));
}

#[test]
fn a_reservation_of_two_lines_of_one_stock_counts_both() {
    let product = product(5);
    let line = Line { product: product.id, variant: None, quantity: 3 };
    let refused = Reservation::hold(OrderId::at(1), &[line, line], 9, &mut shelf(&product), 1);
    assert_eq!(refused, Err(Refusal::StockInsufficient { product: product.id, asked: 3, available: 2 }));
}

#[test]
fn a_reservation_gives_back_or_sells_once() {
    let product = product(5);
    let mut shelf = shelf(&product);
    let line = Line { product: product.id, variant: None, quantity: 3 };
    let mut held = Reservation::hold(OrderId::at(1), &[line], 9, &mut shelf, 1).unwrap();
    assert_eq!(shelf[&product.id].stock, Stock { on_hand: 5, reserved: 3 });
    assert!(!held.expire(&mut shelf, 8));

    let (mut expired, mut other_shelf) = (held.clone(), shelf.clone());
    assert!(expired.expire(&mut other_shelf, 9));
    assert!(!expired.release(&mut other_shelf));
    assert_eq!(expired.commit(&mut other_shelf), Err(Refusal::ReservationEnded { order: expired.order }));
    assert_eq!(other_shelf[&product.id].stock, Stock::new(5));

    assert_eq!(held.commit(&mut shelf), Ok(true));
    assert_eq!(held.commit(&mut shelf), Ok(false));
    assert_eq!(shelf[&product.id].stock, Stock::new(2));
    assert!(held.release(&mut shelf));
    assert!(!held.release(&mut shelf));
    assert_eq!((held.state, shelf[&product.id].stock), (State::Released, Stock::new(5)));
}

#[test]
fn units_of_a_sale_go_back_once_for_each_refund_and_the_rest_with_its_release() {
    let product = product(5);
    let mut shelf = shelf(&product);
    let line = Line { product: product.id, variant: None, quantity: 3 };
    let mut sale = Reservation::hold(OrderId::at(1), &[line], 9, &mut shelf, 1).unwrap();
    let (first, second) = (RefundId::at(1), RefundId::at(2));
    let one = [Line { quantity: 1, ..line }];
    assert_eq!(sale.restock(first, &one, &mut shelf), Err(Refusal::NotSold { order: sale.order }));
    sale.commit(&mut shelf).unwrap();
    assert_eq!(sale.restock(first, &one, &mut shelf), Ok(true));
    assert_eq!(sale.restock(first, &one, &mut shelf), Ok(false));
    assert_eq!(shelf[&product.id].stock, Stock::new(3));
    let too_many = sale.clone().restock(second, &[line], &mut shelf.clone());
    assert_eq!(too_many, Err(Refusal::RestockTooLarge { order: sale.order }));
    assert!(sale.release(&mut shelf));
    assert_eq!(sale.restock(second, &one, &mut shelf), Ok(false));
    assert_eq!(shelf[&product.id].stock, Stock::new(5));
}

#[test]
fn only_an_ended_reservation_is_taken_anew_and_only_with_a_later_end() {
    let product = product(5);
    let mut shelf = shelf(&product);
    let line = Line { product: product.id, variant: None, quantity: 3 };
    let mut held = Reservation::hold(OrderId::at(1), &[line], 9, &mut shelf, 1).unwrap();
    assert_eq!(held.answers(&[line], 50), Ok(true));
    let other = Line { quantity: 2, ..line };
    assert_eq!(held.answers(&[other], 9), Err(Refusal::ReservationDiffers { order: held.order }));
    held.release(&mut shelf);
    assert_eq!((held.answers(&[line], 9), held.answers(&[line], 10)), (Ok(true), Ok(false)));
}
