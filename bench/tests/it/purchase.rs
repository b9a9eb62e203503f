//! What a purchase is, from outside: a cart, an order, money, a parcel, a review, and the pictures of what is bought.

use reqwest::Method;
use serde_json::{Value, json};
use vitrina_bench::story::{self, Person, purchase_body, stock, surely, units};
use vitrina_bench::{Answer, Client};

/// A PNG of 8 × 8 pixels.
const PNG: [u8; 94] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0, 75,
    109, 41, 220, 0, 0, 0, 37, 73, 68, 65, 84, 120, 218, 99, 56, 161, 193, 112, 66, 67, 228, 132, 134, 198,
    9, 13, 155, 19, 26, 1, 39, 52, 82, 78, 104, 84, 156, 208, 232, 97, 24, 90, 18, 0, 26, 74, 77, 129, 150,
    153, 53, 147, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

/// A purchase by transfer goes from the cart to the review, which makes the seller's score.
pub(crate) async fn by_transfer(client: &Client) {
    let seller = story::seller(client, "ana").await;
    let buyer = story::person(client, "beto").await;
    let stranger = story::person(client, "carla").await;
    let (product, publication) = story::publication(&seller, "Radio de viaje").await;
    let order = check_out(&buyer, &publication).await;
    let path = format!("/v1/orders/{order}");
    assert_eq!(stock(&seller, &product).await, (5, 2), "what is ordered is reserved");
    stranger.client.get(&path).await.expect(404);
    client.get(&path).await.expect(401);
    moved(&stranger, &order, "confirm-payment", "key").await.expect(404);
    assert_eq!(
        moved(&buyer, &order, "confirm-payment", "key").await.expect(403).text_at("/code"),
        "seller_only"
    );
    let early = moved(&seller, &order, "ship", "early").await.expect(409);
    assert_eq!(early.text_at("/code"), "state_forbids");
    for _ in 0..2 {
        // The second is the same request sent again.
        let paid = moved(&seller, &order, "confirm-payment", "paid").await.expect(200);
        assert_eq!(paid.text_at("/state"), "PAID");
    }
    assert_eq!(stock(&seller, &product).await, (3, 0), "the stock is lowered once");
    moved(&seller, &order, "ship", "ship").await.expect(200);
    let finished = moved(&buyer, &order, "finish", "finish").await.expect(200);
    let timeline = finished.json["timeline"].as_array().cloned().unwrap_or_default();
    let states: Vec<&str> = timeline.iter().filter_map(|step| step["state"].as_str()).collect();
    assert_eq!(states, ["CREATED", "RESERVED", "AWAITING_PAYMENT", "PAID", "SHIPPED", "FINISHED"]);
    let review = json!({"rating": 4, "text": "Llegó bien"});
    stranger.client.post(&format!("{path}/review"), &review).await.expect(404);
    buyer.client.post(&format!("{path}/review"), &review).await.expect(201);
    buyer.client.post(&format!("{path}/review"), &review).await.expect(409);
    let reviews = client
        .get_until(&format!("/v1/sellers/{}/reviews", seller.id), |answer| answer.json["count"] == 1)
        .await;
    assert_eq!(reviews.json["mean"].as_f64(), Some(4.0), "{reviews:#?}");
    let scored = |answer: &Answer| answer.json.pointer("/score/count") == Some(&json!(1));
    let profile = client.get_until(&format!("/v1/sellers/{}", seller.id), scored).await;
    assert_eq!(profile.json.pointer("/score/mean"), Some(&json!(4.0)), "{profile:#?}");
    let page = client.get(&format!("/v1/pages/publications/{publication}")).await.expect(200);
    assert_eq!(page.json.pointer("/seller/score/count"), Some(&json!(1)), "{page:#?}");
    assert_eq!(reviews.text_at("/items/0/text"), "Llegó bien");
    assert_eq!(stock(&seller, &product).await, (3, 0));
    let sold = seller.client.get("/v1/orders?role=seller").await.expect(200);
    assert_eq!(sold.text_at("/items/0/id"), order);
}

/// Fills a cart with two units, checks out twice with one key, and gives the one order.
async fn check_out(buyer: &Person, publication: &str) -> String {
    let address = json!({"recipient": "Beto Sosa", "street": "Mitre 1", "city": "Rosario", "region": "Santa Fe",
        "postalCode": "2000", "country": "AR"});
    let address = buyer.client.post("/v1/me/addresses", &address).await.expect(201).text_at("/id");
    let cart =
        format!("/v1/carts/{}", buyer.client.post("/v1/carts", &json!({})).await.expect(201).text_at("/id"));
    let item = json!({"publicationId": publication, "quantity": 1});
    let filled = surely(&buyer.client, &format!("{cart}/items"), "item", &item).await.expect(201);
    let line = format!("{cart}/items/{}", filled.text_at("/lines/0/id"));
    let cart_now = buyer.client.patch(&line, &json!({"quantity": 2})).await.expect(200);
    assert_eq!(cart_now.json.pointer("/total/minor"), Some(&json!(2 * 598_000)), "{cart_now:#?}");
    let body = json!({"addressId": address, "paymentMethod": "MANUAL"});
    let checkout = format!("{cart}/checkout");
    buyer.client.post(&checkout, &body).await.expect(400);
    let first = surely(&buyer.client, &checkout, "checkout", &body).await.expect(201);
    let again = surely(&buyer.client, &checkout, "checkout", &body).await.expect(201);
    assert_eq!(first.text_at("/orders/0/id"), again.text_at("/orders/0/id"));
    assert_eq!(first.text_at("/orders/0/state"), "AWAITING_PAYMENT");
    assert!(first.text_at("/orders/0/address").contains("Rosario"), "{first:#?}");
    first.text_at("/orders/0/id")
}

/// Purchases through the provider are paid and refunded.
pub(crate) async fn through_the_provider(client: &Client) {
    let seller = story::seller(client, "ana").await;
    let buyer = story::person(client, "beto").await;
    let (product, publication) = story::publication(&seller, "Radio de mesa").await;
    let kept = pay(&buyer, &publication, "kept").await;
    let returned = pay(&buyer, &publication, "returned").await;
    let unsent = pay(&buyer, &publication, "unsent").await;
    assert_eq!(stock(&seller, &product).await, (2, 0), "three were sold");
    let refused = moved(&seller, &kept, "confirm-payment", "mine").await.expect(409);
    assert_eq!(refused.text_at("/code"), "payment_automatic");
    for order in [&kept, &returned] {
        moved(&seller, order, "ship", order).await.expect(200);
    }
    // What never left the seller goes back to the stock by itself.
    for (order, restock, left) in
        [(&kept, false, (2, 0)), (&returned, true, (3, 0)), (&unsent, false, (4, 0))]
    {
        let path = format!("/v1/orders/{order}");
        let body = json!({"restock": restock});
        let refunds = format!("{path}/refunds");
        surely(&buyer.client, &refunds, "mine", &body).await.expect(403);
        for _ in 0..2 {
            // The second is the same request sent again.
            surely(&seller.client, &refunds, order, &body).await.expect(201);
        }
        buyer.client.get_until(&path, |answer| answer.json["state"] == "REFUNDED").await;
        let given = seller.client.get(&refunds).await.expect(200);
        assert_eq!(given.json["items"].as_array().map(Vec::len), Some(1), "{given:#?}");
        assert_eq!(given.json.pointer("/items/0/amount/minor"), Some(&json!(598_000)), "{given:#?}");
        // Units go back by the order's saga, which may be a moment behind the money.
        seller.client.get_until(&format!("/v1/products/{product}"), |answer| units(answer) == left).await;
    }
}

/// Buys one unit, pays at the provider as a person would in a browser, and waits until the shop knows.
async fn pay(buyer: &Person, publication: &str, key: &str) -> String {
    let placed = surely(&buyer.client, "/v1/orders", key, &purchase_body(publication, 1, "AUTOMATIC"))
        .await
        .expect(201);
    let order = placed.text_at("/orders/0/id");
    let path = format!("/v1/orders/{order}");
    // The address to pay at comes later when the provider is slow.
    let is_payable =
        |answer: &Answer| answer.json.pointer("/payment/redirectUrl").is_some_and(Value::is_string);
    let address = buyer.client.get_until(&path, is_payable).await.text_at("/payment/redirectUrl");
    let (provider, _) = address.split_once("/checkout/").expect("it names the checkout");
    let (_, preference) = address.split_once("pref_id=").expect("it names the preference");
    let choice = json!({"pref_id": preference, "result": "approved"});
    Client::new(provider).post("/checkout/v1/pay", &choice).await.expect(201);
    buyer.client.get_until(&path, |answer| answer.json["state"] == "PAID").await;
    order
}

/// A picture is taken, shown and kept for good; an avatar comes with its owner.
pub(crate) async fn pictures(client: &Client) {
    let seller = story::seller(client, "ana").await;
    let other = story::seller(client, "beto").await;
    let (product, publication) = story::publication(&seller, "Cámara").await;
    let path = format!("/v1/products/{product}/images");
    let raw = raw(&seller.client, &path, &PNG).await.expect(201).text_at("/image/id");
    let form = form(&seller.client, &path, &PNG).await.expect(201).text_at("/image/id");
    assert_ne!(raw, form);
    self::raw(&other.client, &path, &PNG).await.expect(404);
    self::raw(client, &path, &PNG).await.expect(401);
    let listed = client
        .get_until(&path, |answer| answer.json["items"].as_array().is_some_and(|items| items.len() == 2))
        .await;
    assert_eq!((listed.text_at("/items/0/id"), listed.text_at("/items/1/id")), (raw.clone(), form));
    for (pointer, from, to, kind) in [
        ("/items/0/variants/thumb", ".webp", ".webp", "image/webp"),
        ("/items/0/variants/card", ".webp", ".jpg", "image/jpeg"),
        ("/items/1/variants/page", ".webp", "", "image/jpeg"),
    ] {
        variant(client, &listed.text_at(pointer).replace(from, to), kind).await;
    }
    let page = format!("/v1/pages/publications/{publication}");
    let shown = |answer: &Answer| answer.json.pointer("/images/1/id").is_some();
    assert_eq!(client.get_until(&page, shown).await.text_at("/images/0/id"), raw);
    let text = b"This is no picture, whatever its name says.";
    for refused in
        [self::raw(&seller.client, &path, text).await, self::form(&seller.client, &path, text).await]
    {
        assert!(matches!(refused.status, 400 | 415), "{refused:#?}");
        assert_eq!(refused.text_at("/code"), "image_unsupported");
    }
    other.client.delete(&format!("/v1/images/{raw}")).await.expect(403);
    seller.client.delete(&format!("/v1/images/{raw}")).await.expect(204);
    client
        .get_until(&path, |answer| answer.json["items"].as_array().is_some_and(|items| items.len() == 1))
        .await;
    let avatar = seller.client.request(Method::PUT, "/v1/me/avatar").header("content-type", "image/png");
    let avatar = seller.client.send(avatar.body(PNG.to_vec())).await.expect(200).text_at("/image/id");
    let has_avatar = |answer: &Answer| answer.json["avatar"] == json!(avatar);
    seller.client.get_until("/v1/me", has_avatar).await;
    client.get_until(&format!("/v1/sellers/{}", seller.id), has_avatar).await;
}

/// A variant comes in its form, and may be kept for good since its address never shows anything else.
async fn variant(client: &Client, path: &str, kind: &str) {
    let got = client.get(path).await.expect(200);
    assert_eq!(got.header("content-type"), kind, "{path}");
    let caching = got.header("cache-control");
    assert!(caching.contains("immutable") && caching.contains("public"), "{path}: {caching}");
    let tag = got.header("etag").to_owned();
    let again = client.request(Method::GET, path).header("if-none-match", tag);
    client.send(again).await.expect(304);
}

/// Uploads `content` as the body.
async fn raw(client: &Client, path: &str, content: &[u8]) -> Answer {
    let request = client.request(Method::POST, path).header("content-type", "image/png");
    client.send(request.body(content.to_vec())).await
}

/// Uploads `content` as a browser's form does.
async fn form(client: &Client, path: &str, content: &[u8]) -> Answer {
    let head = "--limit\r\ncontent-disposition: form-data; name=\"file\"; filename=\"photo.png\"\r\n\
        content-type: image/png\r\n\r\n";
    let body = [head.as_bytes(), content, b"\r\n--limit--\r\n"].concat();
    let request =
        client.request(Method::POST, path).header("content-type", "multipart/form-data; boundary=limit");
    client.send(request.body(body)).await
}

/// Moves an order on.
async fn moved(person: &Person, order: &str, step: &str, key: &str) -> Answer {
    surely(&person.client, &format!("/v1/orders/{order}/{step}"), key, &json!({})).await
}
