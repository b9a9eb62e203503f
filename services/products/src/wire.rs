//! Proto ↔ model: all validation of input ends here. Every wrong field is named at once, by its JSON name.

pub(crate) mod import;
mod output;

use std::collections::{BTreeMap, HashSet};

use vitrina_chassis::check::Fields;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Fault, FieldError};
use vitrina_proto::common::v1 as common;
use vitrina_proto::products::v1 as pb;

use crate::model::reservation::Line;
use crate::model::{
    ATTRIBUTE_NAME_CHARS, ATTRIBUTE_VALUE_CHARS, ATTRIBUTES_MAX, BRAND_CHARS, CATEGORY_CHARS,
    CATEGORY_DEPTH_MAX, Condition, Currency, DESCRIPTION_CHARS_MAX, MINOR_MAX, Money, NAME_CHARS,
    ON_HAND_MAX, OPTION_NAME_CHARS, OPTION_VALUE_CHARS, OPTIONS, Offer, OrderId, Product, ProductId,
    RefundId, SKU_CHARS, Stock, VARIANTS_MAX, Variant, VariantId,
};
use crate::store;

pub(crate) use output::{availability, money as price, product, reservation};

/// Bytes that a product may take when its seller writes it. The store puts up to 6 KiB into one row; the rest is left for
/// what comes later by itself: eleven offers of 33 bytes and counters that grow.
const PRODUCT_BYTES_MAX: usize = 6 * 1024 - 512;
/// Most products that one call may name.
const IDS_MAX: usize = 100;
/// Lines of a reservation.
const LINES: std::ops::RangeInclusive<usize> = 1..=100;
/// Units of a line.
const QUANTITY: std::ops::RangeInclusive<u32> = 1..=1000;
/// Units by which a stock moves at once.
const DELTA_MAX: i32 = 1_000_000;
/// Characters of the reason of an adjustment.
const REASON_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
/// Units at which a product counts as running out when the caller does not say.
const LOW_STOCK_DEFAULT: u32 = 5;
/// The end of the year 9999, the last that RFC 3339 can write.
const TIME_MAX_MS: u64 = 253_402_300_799_999;

/// What a stock is moved by.
#[derive(Clone, Debug)]
pub(crate) struct Adjustment {
    pub(crate) variant: Option<VariantId>,
    pub(crate) delta: i32,
    pub(crate) reason: String,
}

/// What an order wants to hold.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) order: OrderId,
    pub(crate) lines: Vec<Line>,
    pub(crate) until_ms: u64,
}

/// The product that a request describes.
pub(crate) fn new_product(
    request: &pb::CreateProductRequest,
    id: ProductId,
    seller: UserId,
    now_ms: u64,
) -> Result<Product, Fault> {
    let mut fields = Fields::new();
    fields.text("name", &request.name, NAME_CHARS);
    fields.text("description", request.description(), 0..=DESCRIPTION_CHARS_MAX);
    let condition = condition(&mut fields, request.condition());
    check_category(&mut fields, &request.category);
    if let Some(brand) = &request.brand {
        fields.text("brand", brand, BRAND_CHARS);
    }
    check_attributes(&mut fields, &request.attributes);
    let price = money(&mut fields, "price", request.price.as_ref());
    if let Some(sku) = &request.sku {
        fields.text("sku", sku, SKU_CHARS);
    }
    fields.count("variants", request.variants.len(), 0..=VARIANTS_MAX);
    if let Some(stock) = &request.stock {
        let is_single = request.variants.is_empty();
        fields.ensure("stock", is_single, "unexpected", "is the sum of the variants and must be left out");
        fields.range("stock.onHand", stock.on_hand, 0..=ON_HAND_MAX);
    }
    let variants = variants(&mut fields, request, price, now_ms);
    let (Some(condition), Some(price), true) = (condition, price, fields.is_fine()) else {
        return Err(refused(fields));
    };
    let product = Product {
        id,
        seller,
        sku: request.sku.clone(),
        name: request.name.clone(),
        description: request.description().to_owned(),
        condition,
        category: request.category.clone(),
        brand: request.brand.clone(),
        attributes: request.attributes.clone(),
        price,
        offer: None,
        stock: Stock::new(request.stock.map_or(0, |stock| stock.on_hand)),
        variants,
        is_deleted: false,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
    };
    check_size(&product).map_err(|wrong| Fault::invalid(vec![wrong]))?;
    Ok(product)
}

/// Applies the given fields of a request to a product.
pub(crate) fn update(request: &pb::UpdateProductRequest, product: &mut Product) -> Result<(), Fault> {
    let mut fields = Fields::new();
    for name in &request.clear {
        match name.as_str() {
            "brand" => product.brand = None,
            "description" => product.description.clear(),
            "attributes" => product.attributes.clear(),
            _ => {
                fields.wrong(name, "required", "cannot be cleared");
            }
        }
    }
    if let Some(name) = &request.name {
        fields.text("name", name, NAME_CHARS);
        product.name.clone_from(name);
    }
    if let Some(description) = &request.description {
        fields.text("description", description, 0..=DESCRIPTION_CHARS_MAX);
        product.description.clone_from(description);
    }
    if request.condition.is_some()
        && let Some(condition) = condition(&mut fields, request.condition())
    {
        product.condition = condition;
    }
    if let Some(category) = &request.category {
        check_category(&mut fields, category);
        product.category.clone_from(category);
    }
    if let Some(brand) = &request.brand {
        fields.text("brand", brand, BRAND_CHARS);
        product.brand = Some(brand.clone());
    }
    if !request.attributes.is_empty() {
        check_attributes(&mut fields, &request.attributes);
        product.attributes.clone_from(&request.attributes);
    }
    if let Some(price) = request.price.as_ref().and_then(|price| money(&mut fields, "price", Some(price))) {
        let is_one_currency = product.set_price(price).is_ok();
        let detail = "must be the currency of the product's variants and offer";
        fields.ensure("price.currency", is_one_currency, "currency_mixed", detail);
    }
    if fields.is_fine()
        && let Err(FieldError { field, code, detail }) = check_size(product)
    {
        return Err(Fault::invalid(vec![FieldError { field, code, detail }]));
    }
    fields.finish()
}

/// The offer, and the variant that it is for.
pub(crate) fn offer(request: &pb::PutOfferRequest, now_ms: u64) -> Result<(Option<VariantId>, Offer), Fault> {
    let mut fields = Fields::new();
    let price = money(&mut fields, "price", request.price.as_ref());
    let starts_at_ms = request.starts_at.map_or(now_ms, |at| at.unix_ms());
    let ends_at_ms = fields.required("endsAt", request.ends_at).map(|at| at.unix_ms());
    if let Some(ends_at_ms) = ends_at_ms {
        fields.ensure("endsAt", ends_at_ms > starts_at_ms, "out_of_range", "must be after the start");
        fields.ensure("endsAt", ends_at_ms > now_ms, "out_of_range", "must be in the future");
        fields.ensure("endsAt", ends_at_ms <= TIME_MAX_MS, "out_of_range", "must be before the year 10000");
    }
    let variant = variant_id(&mut fields, "variantId", request.variant_id.as_deref());
    let (Some(price), Some(ends_at_ms), true) = (price, ends_at_ms, fields.is_fine()) else {
        return Err(refused(fields));
    };
    Ok((variant, Offer { price, starts_at_ms, ends_at_ms }))
}

/// The variant whose offer ends.
pub(crate) fn offer_end(request: &pb::DeleteOfferRequest) -> Result<Option<VariantId>, Fault> {
    let mut fields = Fields::new();
    let variant = variant_id(&mut fields, "variantId", request.variant_id.as_deref());
    fields.finish().map(|()| variant)
}

pub(crate) fn adjustment(request: &pb::AdjustStockRequest) -> Result<Adjustment, Fault> {
    let mut fields = Fields::new();
    fields.ensure("delta", request.delta != 0, "required", "must be given and not 0");
    fields.range("delta", request.delta, -DELTA_MAX..=DELTA_MAX);
    fields.text("reason", &request.reason, REASON_CHARS);
    let variant = variant_id(&mut fields, "variantId", request.variant_id.as_deref());
    fields.finish()?;
    Ok(Adjustment { variant, delta: request.delta, reason: request.reason.clone() })
}

pub(crate) fn wanted(request: &pb::ReserveRequest) -> Result<Wanted, Fault> {
    let mut fields = Fields::new();
    let order = fields.parse("orderId", &request.order_id);
    let until = fields.required("until", request.until);
    let lines = units(&mut fields, &request.lines);
    let (Some(order), Some(until), true) = (order, until, fields.is_fine()) else {
        return Err(refused(fields));
    };
    Ok(Wanted { order, lines, until_ms: until.unix_ms() })
}

/// The refund, and the units that go back with it.
pub(crate) fn restock(request: &pb::RestockReservationRequest) -> Result<(RefundId, Vec<Line>), Fault> {
    let mut fields = Fields::new();
    let refund = fields.parse("refundId", &request.refund_id);
    let lines = units(&mut fields, &request.lines);
    match (refund, fields.is_fine()) {
        (Some(refund), true) => Ok((refund, lines)),
        _ => Err(refused(fields)),
    }
}

fn units(fields: &mut Fields, given: &[pb::ReserveLine]) -> Vec<Line> {
    fields.count("lines", given.len(), LINES);
    let mut lines = Vec::new();
    for (at, line) in given.iter().take(*LINES.end()).enumerate() {
        fields.nested(&format!("lines[{at}]"), |fields| {
            let product = fields.parse("productId", &line.product_id);
            let variant = variant_id(fields, "variantId", line.variant_id.as_deref());
            fields.range("quantity", line.quantity, QUANTITY);
            lines.extend(product.map(|product| Line { product, variant, quantity: line.quantity }));
        });
    }
    lines
}

/// Ids that are none are left out, as unknown ones are.
pub(crate) fn product_ids(ids: &[String]) -> Result<Vec<ProductId>, Fault> {
    let mut fields = Fields::new();
    fields.count("ids", ids.len(), 0..=IDS_MAX);
    fields.finish()?;
    let mut seen = HashSet::new();
    Ok(ids.iter().filter_map(|id| id.parse().ok()).filter(|id| seen.insert(*id)).collect())
}

pub(crate) fn low_stock(request: &pb::ListLowStockRequest) -> Result<(UserId, u32), Fault> {
    let mut fields = Fields::new();
    let seller = fields.parse("sellerId", &request.seller_id);
    let available_max = request.available_max.unwrap_or(LOW_STOCK_DEFAULT);
    fields.range("availableMax", available_max, 0..=store::LOW_STOCK_MAX);
    match (seller, fields.is_fine()) {
        (Some(seller), true) => Ok((seller, available_max)),
        _ => Err(refused(fields)),
    }
}

/// Whether the product fits its row in the store; else the field that takes the most.
pub(crate) fn check_size(product: &Product) -> Result<(), FieldError> {
    let bytes = store::product_bytes(product);
    if bytes <= PRODUCT_BYTES_MAX {
        return Ok(());
    }
    let sum = |texts: &BTreeMap<String, String>| -> usize {
        texts.iter().map(|(name, text)| name.len() + text.len()).sum()
    };
    let variants = product.variants.iter().map(|variant| variant.sku.len() + sum(&variant.options)).sum();
    let parts = [
        (product.description.len(), "description"),
        (sum(&product.attributes), "attributes"),
        (variants, "variants"),
    ];
    let (_, field) = parts.into_iter().max().expect("there are three parts");
    let detail = format!("must be shorter: the product takes {bytes} bytes of {PRODUCT_BYTES_MAX}");
    Err(FieldError::new(field, "too_large", detail))
}

fn variants(
    fields: &mut Fields,
    request: &pb::CreateProductRequest,
    list_price: Option<Money>,
    now_ms: u64,
) -> Vec<Variant> {
    let mut seen: HashSet<&str> = request.sku.as_deref().into_iter().collect();
    let mut variants = Vec::new();
    for (at, variant) in request.variants.iter().take(VARIANTS_MAX).enumerate() {
        fields.nested(&format!("variants[{at}]"), |fields| {
            fields.text("sku", &variant.sku, SKU_CHARS);
            fields.ensure("sku", seen.insert(&variant.sku), "repeated", "must differ from the other skus");
            fields.count("options", variant.options.len(), OPTIONS);
            check_texts(fields, "options", &variant.options, OPTION_NAME_CHARS, OPTION_VALUE_CHARS);
            let on_hand = fields.required("stock", variant.stock).map_or(0, |stock| stock.on_hand);
            fields.range("stock.onHand", on_hand, 0..=ON_HAND_MAX);
            let own = variant.price.as_ref().and_then(|price| money(fields, "price", Some(price)));
            if let (Some(own), Some(list)) = (own, list_price) {
                let is_one = own.currency == list.currency;
                fields.ensure("price.currency", is_one, "currency_mixed", "must be the product's currency");
            }
            variants.extend(own.or(list_price).map(|price| Variant {
                id: VariantId::at(now_ms),
                sku: variant.sku.clone(),
                options: variant.options.clone(),
                price,
                stock: Stock::new(on_hand),
                offer: None,
            }));
        });
    }
    variants
}

fn money(fields: &mut Fields, field: &str, given: Option<&common::Money>) -> Option<Money> {
    let given = fields.required(field, given)?;
    let currency = Currency::parse(&given.currency);
    fields.range(&format!("{field}.minor"), given.minor, 1..=MINOR_MAX);
    fields.ensure(
        &format!("{field}.currency"),
        currency.is_some(),
        "malformed",
        "must be three capital letters",
    );
    let currency = currency?;
    (1..=MINOR_MAX).contains(&given.minor).then_some(Money { minor: given.minor, currency })
}

fn condition(fields: &mut Fields, given: pb::Condition) -> Option<Condition> {
    match given {
        pb::Condition::New => Some(Condition::New),
        pb::Condition::Used => Some(Condition::Used),
        pb::Condition::Unspecified => {
            fields.wrong("condition", "required", "must be NEW or USED");
            None
        }
    }
}

fn check_category(fields: &mut Fields, category: &str) {
    fields.text("category", category, CATEGORY_CHARS);
    fields.ensure(
        "category",
        category.is_empty() || is_path(category),
        "malformed",
        "must be 1 to 5 names parted by /",
    );
}

/// Whether the text is 1 to 5 names parted by `/`, none of them empty.
pub(crate) fn is_path(category: &str) -> bool {
    category.split('/').count() <= CATEGORY_DEPTH_MAX
        && category.split('/').all(|name| !name.trim().is_empty())
}

fn check_attributes(fields: &mut Fields, attributes: &BTreeMap<String, String>) {
    fields.count("attributes", attributes.len(), 0..=ATTRIBUTES_MAX);
    check_texts(fields, "attributes", attributes, ATTRIBUTE_NAME_CHARS, ATTRIBUTE_VALUE_CHARS);
}

fn check_texts(
    fields: &mut Fields,
    field: &str,
    texts: &BTreeMap<String, String>,
    name_chars: std::ops::RangeInclusive<usize>,
    value_chars: std::ops::RangeInclusive<usize>,
) {
    for (name, value) in texts {
        // A name that is wrong itself would make an odd path.
        fields.text(field, name, name_chars.clone());
        if name.chars().count() <= *name_chars.end() {
            fields.text(&format!("{field}.{name}"), value, value_chars.clone());
        }
    }
}

fn variant_id(fields: &mut Fields, field: &str, given: Option<&str>) -> Option<VariantId> {
    given.and_then(|id| fields.parse(field, id))
}

/// The fault of a check that has found something.
fn refused(fields: Fields) -> Fault {
    fields.finish().err().unwrap_or_else(Fault::internal)
}
