//! The events that tests tell, with what they need of an order, a question, a product.

use vitrina_chassis::vault::tokens_of;
use vitrina_proto::Timestamp;
use vitrina_proto::common::v1::Money;
use vitrina_proto::events::v1 as events;
use vitrina_proto::orders::v1 as orders;
use vitrina_proto::products::v1 as products;
use vitrina_proto::publications::v1 as publications;

use crate::desk::{Person, vault};

pub(crate) const PUBLICATION: &str = "pub_01a223fa99a5717b8409ecdf7376bde2";

pub(crate) fn money(minor: i64) -> Option<Money> {
    Some(Money { minor, currency: "ARS".to_owned() })
}

pub(crate) fn user(person: &Person) -> events::UserChanged {
    events::UserChanged {
        id: person.id.to_string(),
        version: 1,
        username: "ana".to_owned(),
        language: "es".to_owned(),
    }
}

pub(crate) fn token(person: &Person, token: &str, expires_at_ms: u64) -> events::TokenRequested {
    events::TokenRequested {
        user_id: person.id.to_string(),
        expires_at: Some(Timestamp::from_unix_ms(expires_at_ms)),
        sealed_token: vault().seal(&tokens_of(&person.id.to_string()), token),
        ..events::TokenRequested::default()
    }
}

/// An order of two things; of a guest when there is no buyer.
pub(crate) fn order(id: &str, buyer: Option<&Person>, seller: &Person) -> events::OrderChanged {
    let line = |title: &str| orders::OrderLine {
        title: title.to_owned(),
        quantity: 1,
        ..orders::OrderLine::default()
    };
    events::OrderChanged {
        order: Some(orders::Order {
            id: id.to_owned(),
            version: 3,
            buyer_id: buyer.map(|buyer| buyer.id.to_string()),
            seller_id: seller.id.to_string(),
            lines: vec![line("Radio <b>de viaje</b>"), line("Pilas")],
            total: money(598_000),
            ..orders::Order::default()
        }),
        guest_email: None,
    }
}

pub(crate) fn question(asker: &Person, seller: &Person, answer: Option<&str>) -> events::QuestionChanged {
    events::QuestionChanged {
        question: Some(publications::Question {
            id: "qst_1".to_owned(),
            publication_id: PUBLICATION.to_owned(),
            asked_by: Some(publications::Asker { id: asker.id.to_string(), username: "beto".to_owned() }),
            text: "¿Anda con pilas?".to_owned(),
            answer: answer
                .map(|text| publications::QuestionAnswer { text: text.to_owned(), ..Default::default() }),
            version: 1,
            ..publications::Question::default()
        }),
        seller_id: seller.id.to_string(),
    }
}

pub(crate) fn review(seller: &Person) -> events::ReviewCreated {
    events::ReviewCreated {
        review: Some(orders::Review {
            order_id: "ord_1".to_owned(),
            rating: 5,
            text: Some("Suena muy bien".to_owned()),
            ..orders::Review::default()
        }),
        seller_id: seller.id.to_string(),
        mean: 5.0,
        count: 1,
    }
}

pub(crate) fn operation(person: &Person) -> events::OperationFailed {
    events::OperationFailed { id: "opr_1".to_owned(), user_id: person.id.to_string() }
}

pub(crate) fn wish(person: &Person) -> events::WishlistChanged {
    events::WishlistChanged { user_id: person.id.to_string(), publication_id: PUBLICATION.to_owned() }
}

/// A product that now costs and has this, and did cost and have that.
pub(crate) fn product((price, available): (i64, u32), before: Option<(i64, u32)>) -> events::ProductChanged {
    events::ProductChanged {
        product: Some(products::Product {
            id: "prd_1".to_owned(),
            name: "Radio de viaje".to_owned(),
            publication_id: Some(PUBLICATION.to_owned()),
            effective_price: money(price),
            stock: Some(products::Stock { on_hand: available, reserved: 0, available }),
            ..products::Product::default()
        }),
        price_before: before.and_then(|(price, _)| money(price)),
        available_before: before.map(|(_, available)| available),
    }
}
