//! The cells of one row, by column, and what was wrong with them.

use std::str::FromStr;

use csv::ByteRecord;
use rust_decimal::{Decimal, RoundingStrategy};
use vitrina_proto::products::v1 as pb;

use super::Terms;
use crate::model::{ATTRIBUTE_VALUE_CHARS, Currency, MINOR_MAX, Money, ON_HAND_MAX};

/// Tags of a publication; the contract's bound.
const TAGS_MAX: usize = 10;
/// Characters of a tag.
const TAG_CHARS_MAX: usize = 40;
/// Digits that a decimal surely holds.
const DIGITS_MAX: usize = 28;
/// What parts the tags of a cell.
const TAG_SEPARATORS: [char; 3] = [',', ';', '|'];

/// The columns that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Sku,
    Title,
    Description,
    Brand,
    Category,
    Condition,
    Price,
    PriceUsd,
    Stock,
    Model,
    WeightLb,
    Dimensions,
    Tags,
}

/// Where each known column stands in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places([Option<usize>; Column::ALL.len()]);

/// A row while it is judged. Each column is blamed once, for the first thing that is wrong with it.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    record: &'a ByteRecord,
    places: &'a Places,
    wrong: Vec<(Column, String)>,
}

impl Column {
    pub(super) const ALL: [Column; 13] = [
        Column::Sku,
        Column::Title,
        Column::Description,
        Column::Brand,
        Column::Category,
        Column::Condition,
        Column::Price,
        Column::PriceUsd,
        Column::Stock,
        Column::Model,
        Column::WeightLb,
        Column::Dimensions,
        Column::Tags,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Column::Sku => "sku",
            Column::Title => "title",
            Column::Description => "description",
            Column::Brand => "brand",
            Column::Category => "category",
            Column::Condition => "condition",
            Column::Price => "price",
            Column::PriceUsd => "price_usd",
            Column::Stock => "stock",
            Column::Model => "model",
            Column::WeightLb => "weight_lb",
            Column::Dimensions => "dimensions",
            Column::Tags => "tags",
        }
    }

    pub(super) fn named(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name().eq_ignore_ascii_case(name))
    }
}

impl Places {
    /// Notes where a column stands; `false` when it stands elsewhere already.
    pub(super) fn put(&mut self, column: Column, at: usize) -> bool {
        self.0[column as usize].replace(at).is_none()
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.0[column as usize].is_some()
    }
}

impl<'a> Cells<'a> {
    pub(super) fn new(record: &'a ByteRecord, places: &'a Places) -> Cells<'a> {
        Cells { record, places, wrong: Vec::new() }
    }

    pub(super) fn is_fine(&self) -> bool {
        self.wrong.is_empty()
    }

    /// What was wrong, as it is reported.
    pub(super) fn rejected(mut self, line: u32) -> Vec<pb::RejectedRow> {
        let sku = self.text(Column::Sku).map(str::to_owned);
        let wrong = self.wrong.into_iter();
        wrong
            .map(|(column, reason)| pb::RejectedRow {
                line,
                column: column.name().to_owned(),
                reason,
                sku: sku.clone(),
            })
            .collect()
    }

    /// Notes what is wrong with a column.
    pub(super) fn reject<T>(&mut self, column: Column, reason: impl Into<String>) -> Option<T> {
        if self.wrong.iter().all(|(known, _)| *known != column) {
            self.wrong.push((column, reason.into()));
        }
        None
    }

    /// The text of a cell without the white space around it; `None` when there is none.
    pub(super) fn text(&mut self, column: Column) -> Option<&'a str> {
        let bytes = self.record.get(self.places.0[column as usize]?)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            Err(_) => self.reject(column, "is not UTF-8"),
        }
    }

    pub(super) fn required(&mut self, column: Column) -> Option<&'a str> {
        let text = self.text(column);
        if text.is_none() {
            return self.reject(column, "is missing");
        }
        text
    }

    /// The text when it has no more than so many characters and none that controls.
    pub(super) fn fits(&mut self, column: Column, text: &str, chars_max: usize) -> Option<String> {
        // Bytes are never fewer than characters, so most texts need no counting.
        if text.len() > chars_max && text.chars().count() > chars_max {
            return self.reject(column, format!("is longer than {chars_max} characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            return self.reject(column, "has control characters");
        }
        Some(text.to_owned())
    }

    pub(super) fn attribute(&mut self, column: Column, text: &str) -> Option<String> {
        self.fits(column, text, *ATTRIBUTE_VALUE_CHARS.end())
    }

    pub(super) fn stock(&mut self, default: u32) -> Option<u32> {
        let Some(text) = self.text(Column::Stock) else { return Some(default) };
        match text.parse::<u32>() {
            Ok(units) if units <= ON_HAND_MAX => Some(units),
            _ => self.reject(Column::Stock, format!("must be a whole number from 0 to {ON_HAND_MAX}")),
        }
    }

    /// The price of a row: the cell `price`, or `price_usd` times the rate when that is empty.
    pub(super) fn price(&mut self, terms: &Terms) -> Option<Money> {
        if let Some(text) = self.text(Column::Price) {
            return self.minor(Column::Price, text, terms.currency, Decimal::ONE);
        }
        match self.text(Column::PriceUsd) {
            Some(text) => self.minor(Column::PriceUsd, text, terms.currency, terms.rate),
            None if self.places.has(Column::Price) => self.reject(Column::Price, "is missing"),
            None => self.reject(Column::PriceUsd, "is missing"),
        }
    }

    pub(super) fn tags(&mut self) -> Vec<String> {
        let Some(text) = self.text(Column::Tags) else { return Vec::new() };
        let tags = text.split(TAG_SEPARATORS).map(str::trim).filter(|tag| !tag.is_empty());
        let tags: Vec<String> = tags.filter_map(|tag| self.fits(Column::Tags, tag, TAG_CHARS_MAX)).collect();
        if tags.len() > TAGS_MAX {
            return self.reject(Column::Tags, format!("has more than {TAGS_MAX} tags")).unwrap_or_default();
        }
        tags
    }

    /// An amount in minor units. A converted price is rounded to the nearest one, a given price must be exact.
    fn minor(&mut self, column: Column, text: &str, currency: Currency, rate: Decimal) -> Option<Money> {
        // The library also reads `1e3` and `1_000`, which in a catalogue are more likely mistakes.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+'));
        let Some(amount) = Decimal::from_str(text).ok().filter(|_| is_plain) else {
            // More digits than a decimal holds are no typing error, but no price either.
            let is_long = is_plain && text.len() > DIGITS_MAX;
            return self.reject(column, if is_long { "is too large" } else { "is not a decimal number" });
        };
        if amount <= Decimal::ZERO {
            return self.reject(column, "must be above zero");
        }
        let decimals = currency.decimals();
        let exact = amount
            .checked_mul(rate)
            .and_then(|amount| amount.checked_mul(Decimal::from(10u32.pow(decimals))));
        let rounded =
            exact.map(|exact| exact.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero));
        if column == Column::Price && exact != rounded {
            return self.reject(column, format!("has more than {decimals} decimals"));
        }
        match rounded.and_then(|rounded| i64::try_from(rounded).ok()) {
            Some(0) => self.reject(column, "is less than the smallest unit"),
            Some(minor) if minor <= MINOR_MAX => Some(Money { minor, currency }),
            _ => self.reject(column, "is too large"),
        }
    }
}
