//! Those who watch a publication are told when its price falls or it is back in stock, each once.

use crate::desk::{Desk, Person, message, stranger};
use crate::events::{product, user, wish};

/// Lets the wishes of people be known: the welcome behind each says so.
async fn wishes(desk: &Desk, people: &[Person]) {
    for person in people {
        let key = person.id.to_string();
        desk.publish("wishlist.added", &key, &wish(person)).await;
        desk.publish("user.registered", &key, &user(person)).await;
    }
    for person in people {
        desk.until_told(person, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_lower_price_and_new_stock_are_news() {
    let desk = Desk::open().await;
    let ana = desk.person("ana").await;
    wishes(&desk, std::slice::from_ref(&ana)).await;
    for (now, before) in [
        ((1000, 5), None),
        ((1100, 5), Some((1000, 5))),
        ((1100, 4), Some((1100, 5))),
        ((1100, 0), Some((1100, 4))),
        ((1100, 0), Some((1100, 0))),
    ] {
        desk.publish("product.changed", "prd_1", &product(now, before)).await;
    }
    desk.publish("product.stock_changed", "prd_1", &product((1100, 2), Some((1100, 0)))).await;
    desk.until_told(&ana, 2).await;
    desk.publish("product.changed", "prd_1", &product((900, 2), Some((1100, 2)))).await;
    desk.until_told(&ana, 3).await;
    assert_eq!(desk.kinds(&ana).await, ["back_in_stock", "price_drop", "welcome"]);
    let told = desk.inbox(&ana).await.items.remove(0);
    assert_eq!(
        (told.title.as_str(), told.body.contains("ARS 9,00")),
        ("Bajó de precio: Radio de viaje", true)
    );
    desk.until_mailed(&ana.email, 3).await;
    desk.until_pushed("ana-phone", 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_watch_are_told_once_also_over_a_crash() {
    const WATCHERS: usize = 130;
    let mut desk = Desk::with(|config| (config.sendgrid, config.fcm) = (None, None)).await;
    let people: Vec<Person> = (0..WATCHERS).map(|number| stranger(&format!("p{number}"))).collect();
    wishes(&desk, &people).await;
    let news = message("product.changed", "prd_1", &product((900, 5), Some((1000, 5))));
    desk.tell(&news).await;
    desk.tell(&news).await;
    desk.until_told(&people[0], 1).await;
    desk = desk.crash().await;
    for person in &people {
        desk.until_told(person, 2).await;
        assert_eq!(desk.kinds(person).await, ["price_drop", "welcome"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_watch_any_more_is_not_told_whatever_comes_late() {
    let desk = Desk::open().await;
    let people = [stranger("ana"), stranger("beto")];
    wishes(&desk, &people[1..]).await;
    let key = people[0].id.to_string();
    let added = message("wishlist.added", &key, &wish(&people[0]));
    desk.tell(&message("wishlist.removed", &key, &wish(&people[0]))).await;
    desk.tell(&added).await;
    desk.publish("user.registered", &key, &user(&people[0])).await;
    desk.until_told(&people[0], 1).await;
    desk.publish("product.changed", "prd_1", &product((900, 5), Some((1000, 5)))).await;
    desk.until_told(&people[1], 2).await;
    assert_eq!(desk.kinds(&people[0]).await, ["welcome"], "the wish was older than its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_who_plays_with_prices_floods_nobody() {
    let desk = Desk::with(|config| (config.sendgrid, config.fcm) = (None, None)).await;
    let people = [stranger("ana")];
    wishes(&desk, &people).await;
    for (price, told) in [(900, 2), (900, 2), (800, 3), (850, 3)] {
        desk.publish("product.changed", "prd_1", &product((price, 5), Some((1000, 5)))).await;
        desk.until_told(&people[0], told).await;
        desk.publish("user.registered", "prd_1", &user(&people[0])).await;
    }
    desk.ctx.clock.advance(std::time::Duration::from_secs(2 * 3600));
    desk.publish("product.changed", "prd_1", &product((850, 5), Some((1000, 5)))).await;
    desk.until_told(&people[0], 4).await;
    assert_eq!(desk.kinds(&people[0]).await, ["price_drop", "price_drop", "price_drop", "welcome"]);
}
