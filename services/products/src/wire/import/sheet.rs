//! The header and the rows of a CSV file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use csv::{ByteRecord, ReaderBuilder};
use vitrina_chassis::check::Fields;
use vitrina_chassis::ids::UserId;
use vitrina_chassis::{Fault, FieldError};
use vitrina_proto::products::v1 as pb;

use super::cell::{Cells, Column, Places};
use super::{ImportRow, Sheet, Terms, UnknownColumns, row};
use crate::model::ProductId;
use crate::wire::check_size;

/// Some editors put it in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Bytes of text with which a product fits the store whatever its ids, numbers and the frames of its fields take.
const SURELY_FITTING_BYTES: usize = 4096;

/// Reads a file: the header, then every row.
pub(super) fn read(csv: &[u8], terms: &Terms) -> Result<Sheet, Fault> {
    let csv = csv.strip_prefix(BYTE_ORDER_MARK).unwrap_or(csv);
    // Rows of another length than the header's are reported like any other fault, not as the end of the file.
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(csv);
    let header = reader.byte_headers().map_err(unreadable)?.clone();
    let places = places(&header, terms.unknown_columns)?;
    let first_row_at = reader.position().line();
    let mut sheet = Sheet::default();
    let mut at_sku: HashMap<String, usize> = HashMap::new();
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        sheet.read += 1;
        let line = terms.first_line.saturating_add(lines_below(first_row_at, &record, csv));
        if record.len() != header.len() {
            sheet.rejected.push(wrong_length(line, record.len(), &header));
            continue;
        }
        let mut cells = Cells::new(&record, &places);
        let Some(row) = row(&mut cells, terms) else {
            sheet.rejected.extend(cells.rejected(line));
            continue;
        };
        let reject = |column: &str, reason: String| pb::RejectedRow {
            line,
            column: column.to_owned(),
            reason,
            sku: Some(row.sku.clone()),
        };
        match at_sku.entry(row.sku.clone()) {
            Entry::Occupied(known) if sheet.rows[*known.get()] == row => sheet.repeated += 1,
            Entry::Occupied(_) => sheet.rejected.push(reject(Column::Sku.name(), "sku repeated".to_owned())),
            Entry::Vacant(new) => {
                if let Err(FieldError { field, detail, .. }) = fits_store(&row) {
                    sheet.rejected.push(reject(&field, detail));
                    continue;
                }
                new.insert(sheet.rows.len());
                sheet.rows.push(row);
            }
        }
    }
    Ok(sheet)
}

fn places(header: &ByteRecord, unknown_columns: UnknownColumns) -> Result<Places, Fault> {
    let mut places = Places::default();
    let mut fields = Fields::new();
    for (at, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = name.trim();
        match Column::named(name) {
            Some(column) if !places.put(column, at) => {
                fields.wrong("csv", "column_repeated", format!("has the column {name} twice"));
            }
            Some(_) => {}
            None if unknown_columns == UnknownColumns::LeftOut => {}
            None => {
                fields.wrong("csv", "column_unknown", format!("has the unknown column {name:?}"));
            }
        }
    }
    for column in [Column::Sku, Column::Title] {
        fields.ensure(
            "csv",
            places.has(column),
            "column_missing",
            &format!("has no column {}", column.name()),
        );
    }
    let has_price = places.has(Column::Price) || places.has(Column::PriceUsd);
    fields.ensure("csv", has_price, "column_missing", "has neither a column price nor price_usd");
    fields.finish().map(|()| places)
}

/// Lines from the first row to this one. The reader counts a row from where it began to look for it, so the empty lines
/// before the row have to be added.
fn lines_below(first_row_at: u64, record: &ByteRecord, csv: &[u8]) -> u32 {
    let Some(at) = record.position() else { return 0 };
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let skipped = csv.get(from..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let empty = skipped.filter(|byte| **byte == b'\n').count() as u64;
    u32::try_from(at.line().saturating_sub(first_row_at) + empty).unwrap_or(u32::MAX)
}

/// Whether the row's product fits the store. Nearly all are so short that it need not be built to know.
fn fits_store(row: &ImportRow) -> Result<(), FieldError> {
    if row.text_bytes() <= SURELY_FITTING_BYTES {
        return Ok(());
    }
    // The ids do not matter for the size: they are all of one length.
    check_size(&row.product(ProductId::from_bytes([0; 16]), UserId::from_bytes([0; 16]), 0))
}

fn wrong_length(line: u32, cells: usize, header: &ByteRecord) -> pb::RejectedRow {
    // The first column that has no cell, or the last one when there are too many.
    let column = header.get(cells.min(header.len().saturating_sub(1))).unwrap_or_default();
    let reason = format!("the row has {cells} cells, the header {}", header.len());
    pb::RejectedRow { line, column: String::from_utf8_lossy(column).into_owned(), reason, sku: None }
}

/// Reading from memory does not fail, and any bytes are a CSV of some shape.
fn unreadable(error: csv::Error) -> Fault {
    Fault::invalid_field("csv", "malformed", format!("cannot be read: {error}"))
}
