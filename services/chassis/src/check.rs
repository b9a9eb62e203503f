//! Checks of input: every wrong field is named at once, so that a form needs one round trip.
//!
//! Field names are those of the JSON body, as a path: `address.postalCode`, `items[2].quantity`.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::fault::{Fault, FieldError};

/// Most fields that are named in one answer; a body of ten thousand wrong items must not make a huge error of it.
const FIELDS_MAX: usize = 50;

/// Collects what is wrong with a request.
///
/// ```
/// # use vitrina_chassis::check::Fields;
/// let mut fields = Fields::new();
/// fields.text("name", "", 1..=200);
/// fields.range("quantity", 0, 1..=10);
/// assert_eq!(fields.finish().unwrap_err().fields.len(), 2);
/// ```
#[derive(Debug, Default)]
pub struct Fields {
    within: String,
    wrong: Vec<FieldError>,
}

impl Fields {
    /// Nothing wrong so far.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// Text of so many characters (Unicode scalar values), not only white space when one is asked for, and without control
    /// characters but line breaks and tabs.
    pub fn text(&mut self, field: &str, text: &str, chars: RangeInclusive<usize>) -> &mut Self {
        let count = text.chars().count();
        let (min, max) = (*chars.start(), *chars.end());
        if min > 0 && text.trim().is_empty() {
            self.wrong(field, "required", "must not be empty")
        } else if count < min {
            self.wrong(field, "too_short", format!("must have at least {min} characters"))
        } else if count > max {
            self.wrong(field, "too_long", format!("must have at most {max} characters"))
        } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.wrong(field, "malformed", "must not hold control characters")
        } else {
            self
        }
    }

    /// A number, or anything else that is ordered, between two ends that both count.
    pub fn range<T: PartialOrd + Display>(
        &mut self,
        field: &str,
        value: T,
        range: RangeInclusive<T>,
    ) -> &mut Self {
        if range.contains(&value) {
            return self;
        }
        self.wrong(field, "out_of_range", format!("must be between {} and {}", range.start(), range.end()))
    }

    /// A list of so many items.
    pub fn count(&mut self, field: &str, count: usize, range: RangeInclusive<usize>) -> &mut Self {
        if range.contains(&count) {
            return self;
        }
        self.wrong(field, "out_of_range", format!("must have {} to {} items", range.start(), range.end()))
    }

    /// A claim about a field that none of the other checks covers.
    pub fn ensure(&mut self, field: &str, holds: bool, code: &'static str, detail: &str) -> &mut Self {
        if holds { self } else { self.wrong(field, code, detail) }
    }

    /// A value that must be there; gives it on.
    pub fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(field, "required", "must be given");
        }
        value
    }

    /// Text that reads as a `T`, such as an id; gives what was read.
    pub fn parse<T: FromStr>(&mut self, field: &str, text: &str) -> Option<T>
    where
        T::Err: Display,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(_) if text.is_empty() => {
                self.wrong(field, "required", "must be given");
                None
            }
            Err(error) => {
                self.wrong(field, "malformed", error.to_string());
                None
            }
        }
    }

    /// Checks a part of the request; the names of its fields are led by `field` and a dot.
    pub fn nested<R>(&mut self, field: &str, check: impl FnOnce(&mut Fields) -> R) -> R {
        let outer = self.within.len();
        self.within = format!("{}{field}.", self.within);
        let result = check(self);
        self.within.truncate(outer);
        result
    }

    /// Notes a wrong field: `code` is stable and for programs, `detail` completes "the field …".
    pub fn wrong(&mut self, field: &str, code: &'static str, detail: impl Into<String>) -> &mut Self {
        if self.wrong.len() < FIELDS_MAX {
            self.wrong.push(FieldError::new(format!("{}{field}", self.within), code, detail));
        }
        self
    }

    /// Whether nothing was wrong so far.
    pub fn is_fine(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Ends the check.
    ///
    /// # Errors
    /// One fault with every wrong field (at most 50).
    pub fn finish(self) -> Result<(), Fault> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Fault::invalid(self.wrong)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_field_is_named_with_its_path() {
        let mut fields = Fields::new();
        fields.text("name", " ", 1..=9).text("note", "abcdef", 0..=5).range("age", 200, 0..=150);
        fields.nested("address", |fields| fields.nested("geo[1]", |fields| fields.parse::<u8>("lat", "x")));
        fields.parse::<u8>("floor", "");
        fields.text("fine", "line\nbreak", 1..=20).count("items", 3, 1..=3);
        let fault = fields.finish().unwrap_err();
        let named: Vec<_> =
            fault.fields.iter().map(|wrong| (wrong.field.as_str(), wrong.code.as_ref())).collect();
        assert_eq!(
            named,
            [
                ("name", "required"),
                ("note", "too_long"),
                ("age", "out_of_range"),
                ("address.geo[1].lat", "malformed"),
                ("floor", "required"),
            ]
        );
    }
}
