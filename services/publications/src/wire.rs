//! Proto ↔ model: all validation of input ends here. Every wrong field is named at once, by its JSON name.

use vitrina_chassis::check::Fields;
use vitrina_chassis::ids::{Id16, UserId};
use vitrina_chassis::{Fault, page};
use vitrina_proto::Timestamp;
use vitrina_proto::common::v1::Money;
use vitrina_proto::publications::v1 as pb;

use crate::model::{ProductId, Publication, Question, Status};
use crate::search::{Found, Position, Reading, Sort, Wanted};
use crate::store::rows::ProductRow;

/// Both ways to pay.
pub(crate) const BOTH_METHODS: [i32; 2] =
    [pb::PaymentMethod::Automatic as i32, pb::PaymentMethod::Manual as i32];
const TITLE_CHARS: std::ops::RangeInclusive<usize> = 1..=200;
const DESCRIPTION_CHARS_MAX: usize = 2000;
const TAGS_MAX: usize = 10;
const TAG_CHARS: std::ops::RangeInclusive<usize> = 1..=40;
const TEXT_CHARS: std::ops::RangeInclusive<usize> = 1..=1000;
const WORDS_CHARS_MAX: usize = 200;
/// Added to the sort in a cursor whose page was read with typing errors.
const FUZZY_MARK: u8 = 0x10;

/// A new publication as asked for.
#[derive(Clone, Debug)]
pub(crate) struct New {
    pub(crate) product: ProductId,
    pub(crate) status: Status,
}

/// Checks the request for a new publication.
pub(crate) fn new_publication(request: &pb::CreatePublicationRequest) -> Result<New, Fault> {
    let mut fields = Fields::new();
    let product = fields.parse::<ProductId>("productId", &request.product_id);
    fields.text("title", &request.title, TITLE_CHARS);
    fields.text("description", request.description(), 0..=DESCRIPTION_CHARS_MAX);
    check_tags(&mut fields, &request.tags);
    fields.ensure(
        "paymentMethods",
        !request.payment_methods.is_empty(),
        "required",
        "must name at least one",
    );
    check_methods(&mut fields, &request.payment_methods);
    let status = match request.status {
        None => Some(Status::Active),
        Some(number) => Status::of(number).filter(|s| matches!(s, Status::Draft | Status::Active)),
    };
    fields.ensure("status", status.is_some(), "out_of_range", "must be DRAFT or ACTIVE");
    fields.finish()?;
    match (product, status) {
        (Some(product), Some(status)) => Ok(New { product, status }),
        _ => Err(Fault::internal()),
    }
}

/// Applies the given fields of a request.
pub(crate) fn update(
    request: &pb::UpdatePublicationRequest,
    publication: &mut Publication,
) -> Result<(), Fault> {
    let mut fields = Fields::new();
    for name in &request.clear {
        match name.as_str() {
            "description" => publication.description.clear(),
            "tags" => publication.tags.clear(),
            "payment_methods" => drop(fields.wrong("paymentMethods", "required", "cannot be cleared")),
            _ => drop(fields.wrong(name, "required", "cannot be cleared")),
        }
    }
    if let Some(title) = &request.title {
        fields.text("title", title, TITLE_CHARS);
        publication.title.clone_from(title);
    }
    if let Some(description) = &request.description {
        fields.text("description", description, 0..=DESCRIPTION_CHARS_MAX);
        publication.description.clone_from(description);
    }
    if !request.tags.is_empty() {
        check_tags(&mut fields, &request.tags);
        publication.tags.clone_from(&request.tags);
    }
    if !request.payment_methods.is_empty() {
        check_methods(&mut fields, &request.payment_methods);
        publication.payment_methods = methods(&request.payment_methods);
    }
    fields.finish()
}

/// The payment methods, each once.
pub(crate) fn methods(given: &[i32]) -> Vec<i32> {
    BOTH_METHODS.into_iter().filter(|method| given.contains(method)).collect()
}

/// The status that is asked for.
pub(crate) fn status(number: i32) -> Result<Status, Fault> {
    Status::of(number).ok_or_else(|| Fault::invalid_field("status", "out_of_range", "is not a status"))
}

/// Checks the text of a question or an answer.
pub(crate) fn check_text(text: &str) -> Result<(), Fault> {
    let mut fields = Fields::new();
    fields.text("text", text, TEXT_CHARS);
    fields.finish()
}

/// A bounded number of items.
pub(crate) fn limit(asked: Option<u32>, default: usize, max: usize) -> Result<usize, Fault> {
    let limit = asked.map_or(default, |asked| asked as usize);
    let mut fields = Fields::new();
    fields.range("limit", limit, 1..=max);
    fields.finish()?;
    Ok(limit)
}

/// What a search looks for, and the reading of its words when a page before fixed it.
pub(crate) fn search(request: &pb::SearchRequest, now_ms: u64) -> Result<(Wanted, Option<Reading>), Fault> {
    let mut fields = Fields::new();
    let words = request.q().trim().to_owned();
    fields.text("q", &words, 0..=WORDS_CHARS_MAX);
    fields.text("category", request.category(), 0..=200).text("brand", request.brand(), 0..=100);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let seller = given(&request.seller);
    if let Some(seller) = &seller {
        fields.parse::<UserId>("seller", seller);
    }
    let sort = match request.sort() {
        "" if words.is_empty() => Some(Sort::Newest),
        "" => Some(Sort::Relevance),
        // Without words all are equally relevant.
        "relevance" if words.is_empty() => Some(Sort::Newest),
        "relevance" => Some(Sort::Relevance),
        "price_asc" => Some(Sort::PriceAsc),
        "price_desc" => Some(Sort::PriceDesc),
        "newest" => Some(Sort::Newest),
        _ => None,
    };
    if let (Some(min), Some(max)) = (request.min_price, request.max_price) {
        fields.ensure("maxPrice", min <= max, "out_of_range", "must not be less than minPrice");
    }
    fields.ensure("sort", sort.is_some(), "unknown", "must be relevance, price_asc, price_desc or newest");
    let limit = request.limit.map_or(page::LIMIT_DEFAULT, |limit| limit as usize);
    fields.range("limit", limit, 1..=page::LIMIT_MAX);
    let sort = sort.unwrap_or_default();
    let cursor = page::after::<(u8, u64, Id16)>(request.cursor());
    let is_ours = |(mark, _, _): &(u8, u64, Id16)| mark & !FUZZY_MARK == sort as u8;
    let after = match cursor {
        Ok(cursor) if cursor.as_ref().is_none_or(is_ours) => cursor,
        _ => {
            fields.wrong("cursor", "malformed", "is not a cursor of this list");
            None
        }
    };
    fields.finish()?;
    let reading =
        after.map(|(mark, _, _)| if mark & FUZZY_MARK > 0 { Reading::Fuzzy } else { Reading::Exact });
    let wanted = Wanted {
        words,
        category: given(&request.category),
        brand: given(&request.brand),
        seller,
        condition: request.condition.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0),
        price_min: request.min_price,
        price_max: request.max_price,
        in_stock: request.in_stock,
        on_offer: request.on_offer,
        sort,
        limit,
        after: after.map(|(_, rank, id)| Position { rank, id: u128::from_be_bytes(id.0) }),
        now_ms,
    };
    Ok((wanted, reading))
}

/// The cursor behind a page; absent at the end.
pub(crate) fn cursor(found: &Found, sort: Sort, reading: Reading) -> Option<String> {
    let last = found.page.last().filter(|_| found.has_more)?;
    let mark = sort as u8 | if reading == Reading::Fuzzy { FUZZY_MARK } else { 0 };
    Some(page::cursor(&(mark, last.rank, Id16(last.id.to_be_bytes()))))
}

/// The facets of a search, in this currency.
pub(crate) fn facets(found: &Found, currency: &str) -> pb::Facets {
    let values = |names: &[(String, u32)]| {
        names.iter().map(|(value, count)| pb::FacetValue { value: value.clone(), count: *count }).collect()
    };
    let condition = |number: u64| if number == 2 { "USED" } else { "NEW" };
    pb::Facets {
        category: values(&found.categories),
        brand: values(&found.brands),
        condition: found
            .conditions
            .iter()
            .map(|(number, count)| pb::FacetValue { value: condition(*number).to_owned(), count: *count })
            .collect(),
        price: found
            .ranges
            .iter()
            .map(|range| pb::PriceRange {
                from: Some(money(range.from, currency)),
                to: range.to.map(|to| money(to, currency)),
                count: range.count,
            })
            .collect(),
    }
}

/// A publication with its version.
pub(crate) fn publication(from: &Publication, version: u64) -> pb::Publication {
    pb::Publication {
        id: from.id.to_string(),
        version: u32::try_from(version).unwrap_or(u32::MAX),
        product_id: from.product.to_string(),
        seller_id: from.seller.to_string(),
        title: from.title.clone(),
        description: from.description.clone(),
        tags: from.tags.clone(),
        payment_methods: from.payment_methods.clone(),
        status: from.status as i32,
        created_at: Some(Timestamp::from_unix_ms(from.created_at_ms)),
        updated_at: Some(Timestamp::from_unix_ms(from.updated_at_ms)),
    }
}

/// A publication with what its product costs now.
pub(crate) fn item(from: &Publication, version: u64, product: &ProductRow, now_ms: u64) -> pb::SearchItem {
    let publication = publication(from, version);
    pb::SearchItem {
        id: publication.id,
        version: publication.version,
        product_id: publication.product_id,
        seller_id: publication.seller_id,
        title: publication.title,
        description: publication.description,
        tags: publication.tags,
        payment_methods: publication.payment_methods,
        status: publication.status,
        created_at: publication.created_at,
        updated_at: publication.updated_at,
        price: Some(money(product.price_minor, &product.currency)),
        effective_price: Some(money(product.effective_minor(now_ms), &product.currency)),
        available: product.available,
    }
}

/// A question with its version.
pub(crate) fn question(from: &Question, version: u64) -> pb::Question {
    pb::Question {
        id: from.id.to_string(),
        publication_id: from.publication.to_string(),
        asked_by: Some(pb::Asker { id: from.asker.to_string(), username: from.username.clone() }),
        text: from.text.clone(),
        created_at: Some(Timestamp::from_unix_ms(from.created_at_ms)),
        answer: from.answer.as_ref().map(|(text, at)| pb::QuestionAnswer {
            text: text.clone(),
            created_at: Some(Timestamp::from_unix_ms(*at)),
        }),
        version: u32::try_from(version).unwrap_or(u32::MAX),
    }
}

fn money(minor: u64, currency: &str) -> Money {
    Money { minor: i64::try_from(minor).unwrap_or(i64::MAX), currency: currency.to_owned() }
}

fn check_tags(fields: &mut Fields, tags: &[String]) {
    fields.count("tags", tags.len(), 0..=TAGS_MAX);
    for (n, tag) in tags.iter().enumerate().take(TAGS_MAX) {
        fields.text(&format!("tags[{n}]"), tag, TAG_CHARS);
    }
}

fn check_methods(fields: &mut Fields, given: &[i32]) {
    let are_known = given.iter().all(|method| BOTH_METHODS.contains(method));
    fields.ensure("paymentMethods", are_known, "unknown", "must be AUTOMATIC or MANUAL");
}
