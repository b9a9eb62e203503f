//! CSV → products to be. A row that cannot go in is kept with its line, its column and the reason; none is lost.
//!
//! The header names the columns in any order. Rows are judged by themselves, with one exception: a sku that comes twice in
//! one request is the same row again, or is refused when it says something else.

mod cell;
mod sheet;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use vitrina_chassis::Fault;
use vitrina_chassis::check::Fields;
use vitrina_chassis::ids::UserId;
use vitrina_proto::products::v1 as pb;

use crate::model::{
    BRAND_CHARS, CATEGORY_CHARS, Condition, Currency, DESCRIPTION_CHARS_MAX, Money, NAME_CHARS, ON_HAND_MAX,
    Product, ProductId, SKU_CHARS, Stock,
};
use crate::wire::is_path;
use cell::{Cells, Column};

/// Units of a row that names none, when the request does not either.
const STOCK_DEFAULT: u32 = 10;
/// What `price_usd` is multiplied by when the request does not say.
const RATE_DEFAULT: u32 = 1000;
/// The line of the first row behind a header of one line.
const FIRST_LINE_DEFAULT: u32 = 2;
/// Where a row without a category goes.
const CATEGORY_DEFAULT: &str = "other";
/// Columns that become attributes of the same name.
const ATTRIBUTES: [Column; 3] = [Column::Model, Column::WeightLb, Column::Dimensions];

/// What goes for all rows of a request.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    stock: u32,
    rate: Decimal,
    currency: Currency,
    unknown_columns: UnknownColumns,
    first_line: u32,
}

/// What becomes of columns that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnknownColumns {
    Refused,
    LeftOut,
}

/// A row that may go in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImportRow {
    pub(crate) sku: String,
    name: String,
    description: String,
    brand: Option<String>,
    category: String,
    condition: Condition,
    price: Money,
    on_hand: u32,
    attributes: BTreeMap<String, String>,
    pub(crate) tags: Vec<String>,
}

/// The rows of a request, judged.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    /// How many rows there were.
    pub(crate) read: u32,
    /// Those that may go in, each sku once.
    pub(crate) rows: Vec<ImportRow>,
    /// How many said again what another row says.
    pub(crate) repeated: u32,
    /// What was wrong, in the order of the lines; a row may be named several times, once for each column.
    pub(crate) rejected: Vec<pb::RejectedRow>,
}

/// Reads the terms of an import.
pub(crate) fn terms(request: &pb::ImportProductsRequest) -> Result<Terms, Fault> {
    let mut fields = Fields::new();
    let stock = request.stock.unwrap_or(STOCK_DEFAULT);
    fields.range("stock", stock, 0..=ON_HAND_MAX);
    let rate = request.rate.map_or(Some(Decimal::from(RATE_DEFAULT)), |rate| Decimal::try_from(rate).ok());
    let rate = rate.filter(|rate| *rate > Decimal::ZERO);
    fields.ensure("rate", rate.is_some(), "out_of_range", "must be a number above zero");
    let currency = request.currency.as_deref().map_or(Some(Currency::ARS), Currency::parse);
    fields.ensure("currency", currency.is_some(), "malformed", "must be three capital letters");
    fields.finish()?;
    let (Some(rate), Some(currency)) = (rate, currency) else { return Err(Fault::internal()) };
    let unknown_columns =
        if request.ignore_unknown { UnknownColumns::LeftOut } else { UnknownColumns::Refused };
    let first_line = request.first_line.unwrap_or(FIRST_LINE_DEFAULT);
    Ok(Terms { stock, rate, currency, unknown_columns, first_line })
}

/// Reads the rows of a request.
///
/// # Errors
/// A fault on the field `csv` when the header is wrong: then no row can be judged.
pub(crate) fn read(csv: &[u8], terms: &Terms) -> Result<Sheet, Fault> {
    sheet::read(csv, terms)
}

impl ImportRow {
    /// Bytes of all texts that the product keeps.
    fn text_bytes(&self) -> usize {
        let attributes: usize = self.attributes.iter().map(|(name, text)| name.len() + text.len()).sum();
        let brand = self.brand.as_ref().map_or(0, String::len);
        self.sku.len() + self.name.len() + self.description.len() + self.category.len() + brand + attributes
    }

    /// The product that the row becomes.
    pub(crate) fn product(&self, id: ProductId, seller: UserId, now_ms: u64) -> Product {
        Product {
            id,
            seller,
            sku: Some(self.sku.clone()),
            name: self.name.clone(),
            description: self.description.clone(),
            condition: self.condition,
            category: self.category.clone(),
            brand: self.brand.clone(),
            attributes: self.attributes.clone(),
            price: self.price,
            offer: None,
            stock: Stock::new(self.on_hand),
            variants: Vec::new(),
            is_deleted: false,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        }
    }
}

/// Judges one row; `None` when something was wrong, which the cells have noted.
fn row(cells: &mut Cells<'_>, terms: &Terms) -> Option<ImportRow> {
    let sku = cells.required(Column::Sku).and_then(|sku| cells.fits(Column::Sku, sku, *SKU_CHARS.end()));
    let (name, description) = words(cells).unzip();
    let brand =
        cells.text(Column::Brand).and_then(|brand| cells.fits(Column::Brand, brand, *BRAND_CHARS.end()));
    let category = category(cells);
    let condition = condition(cells);
    let price = cells.price(terms);
    let on_hand = cells.stock(terms.stock);
    let mut attributes = BTreeMap::new();
    for column in ATTRIBUTES {
        if let Some(text) = cells.text(column).and_then(|text| cells.attribute(column, text)) {
            attributes.insert(column.name().to_owned(), text);
        }
    }
    let tags = cells.tags();
    if !cells.is_fine() {
        return None;
    }
    Some(ImportRow {
        sku: sku?,
        name: name?,
        description: description?,
        brand,
        category: category?,
        condition: condition?,
        price: price?,
        on_hand: on_hand?,
        attributes,
        tags,
    })
}

/// Name and description. A title that is longer than a name may be is cut for the name, at the end of a word, and stands in
/// full at the head of the description: real catalogues put every compatible model into the title, and neither refusing
/// such a row nor losing its end would help anybody.
fn words(cells: &mut Cells<'_>) -> Option<(String, String)> {
    let description = cells.text(Column::Description);
    let title = cells.required(Column::Title)?;
    let title = cells.fits(Column::Title, title, DESCRIPTION_CHARS_MAX)?;
    let name = cut(&title, *NAME_CHARS.end()).to_owned();
    let description = match description {
        None => title,
        Some(description) if name.len() == title.len() => description.to_owned(),
        Some(description) => format!("{title}\n\n{description}"),
    };
    let description = cells.fits(Column::Description, &description, DESCRIPTION_CHARS_MAX)?;
    Some((name, description))
}

/// The first words of a text that fit; the first characters when there is no end of a word among the last half of them.
fn cut(text: &str, chars_max: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(chars_max) else { return text };
    let head = &text[..end];
    if text[end..].starts_with(' ') {
        return head.trim_end();
    }
    match head.rfind(' ') {
        Some(space) if space >= end / 2 => head[..space].trim_end(),
        _ => head,
    }
}

fn category(cells: &mut Cells<'_>) -> Option<String> {
    let Some(path) = cells.text(Column::Category) else { return Some(CATEGORY_DEFAULT.to_owned()) };
    if !is_path(path) {
        return cells.reject(Column::Category, "must be 1 to 5 names parted by /");
    }
    cells.fits(Column::Category, path, *CATEGORY_CHARS.end())
}

fn condition(cells: &mut Cells<'_>) -> Option<Condition> {
    match cells.text(Column::Condition) {
        None => Some(Condition::New),
        Some(text) if text.eq_ignore_ascii_case("new") => Some(Condition::New),
        Some(text) if text.eq_ignore_ascii_case("used") => Some(Condition::Used),
        Some(_) => cells.reject(Column::Condition, "must be new or used"),
    }
}
