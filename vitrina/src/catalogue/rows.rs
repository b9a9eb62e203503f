//! Cuts a CSV file into chunks of whole rows, each with the header, byte for byte as they stand in the file.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Rows that one request carries: enough to pay for the request, few enough to be repeated after a failure.
const CHUNK_ROWS: usize = 400;

/// Bytes that one request carries at most; the shop takes 8 MiB.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// Rows of a file with the header before them.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The header and the rows.
    pub(crate) csv: Vec<u8>,
    /// Line of the first row in the file; the header is line 1.
    pub(crate) first_line: u64,
    /// How many rows.
    pub(crate) rows: usize,
}

/// A whole file, cut.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) header: csv::ByteRecord,
    pub(crate) chunks: Vec<Chunk>,
    /// Rows that are no CSV, such as one with too few fields: (line, reason).
    pub(crate) broken: Vec<(u64, String)>,
    /// Where each row stands: its first line and its bytes, in the order of the file.
    places: Vec<(u64, Range<usize>)>,
    text: Vec<u8>,
}

impl Rows {
    /// Reads a file.
    ///
    /// # Errors
    /// When it can't be read or has no header; the message names it.
    pub(crate) fn read(path: &Path) -> Result<Rows> {
        let text = std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))?;
        Rows::cut(text).with_context(|| path.display().to_string())
    }

    fn cut(text: Vec<u8>) -> Result<Rows> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
        let header = reader.byte_headers().context("it has no header")?.clone();
        if header.is_empty() {
            bail!("it has no header");
        }
        let start = usize::try_from(reader.position().byte())?;
        let head = with_line_end(&text[..start]);
        let mut rows =
            Rows { header, chunks: Vec::new(), broken: Vec::new(), places: Vec::new(), text: Vec::new() };
        let mut record = csv::ByteRecord::new();
        let mut before = start;
        let mut line = 1 + line_ends(&text[..start]);
        let mut next_line = line;
        while reader.read_byte_record(&mut record).context("it is no CSV")? {
            let after = usize::try_from(reader.position().byte())?.min(text.len());
            // The reader leaves the second half of a CR LF, and empty lines, to the next row.
            let blank = text[before..after].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let row = before + blank..after;
            line += line_ends(&text[before..row.start]);
            if line != next_line {
                // Within a chunk, lines are counted from its first row on: a gap starts another one.
                rows.end_chunk();
            }
            rows.places.push((line, row.clone()));
            if record.len() == rows.header.len() {
                rows.push(&head, &text[row.clone()], line);
            } else {
                let reason = format!("{} fields where the header has {}", record.len(), rows.header.len());
                rows.broken.push((line, reason));
                rows.end_chunk();
            }
            let has_end = text[row.clone()].ends_with(b"\n");
            line += line_ends(&text[row]);
            next_line = line + u64::from(!has_end);
            before = after;
        }
        rows.chunks.retain(|chunk| chunk.rows > 0);
        rows.text = text;
        Ok(rows)
    }

    /// The row that starts at `line`, as it stands in the file.
    pub(crate) fn row_at(&self, line: u64) -> Option<csv::ByteRecord> {
        let place = self.places.binary_search_by_key(&line, |(line, _)| *line).ok()?;
        let row = &self.text[self.places.get(place)?.1.clone()];
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(row);
        reader.byte_records().next()?.ok()
    }

    /// How many rows go to the shop.
    pub(crate) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows).sum()
    }

    fn push(&mut self, head: &[u8], row: &[u8], line: u64) {
        let has_room = self
            .chunks
            .last()
            .is_some_and(|chunk| chunk.rows < CHUNK_ROWS && chunk.csv.len() + row.len() <= CHUNK_BYTES);
        let is_open = self.chunks.last().is_some_and(|chunk| chunk.rows > 0);
        if !has_room || !is_open {
            self.chunks.push(Chunk { csv: head.to_vec(), first_line: line, rows: 0 });
        }
        if let Some(chunk) = self.chunks.last_mut() {
            if chunk.rows == 0 {
                chunk.first_line = line;
            }
            chunk.csv.extend(with_line_end(row));
            chunk.rows += 1;
        }
    }

    fn end_chunk(&mut self) {
        self.chunks.push(Chunk { csv: Vec::new(), first_line: 0, rows: 0 });
    }
}

/// A row with one line end, whichever it has in the file.
fn with_line_end(row: &[u8]) -> Vec<u8> {
    let end = row.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let mut row = row[..end].to_vec();
    row.push(b'\n');
    row
}

fn line_ends(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_cut_into_whole_rows_with_their_lines() {
        let text = "sku,title\n1,\"two\nlines\"\n2,b\n3\n4,d";
        let rows = Rows::cut(text.into()).unwrap();
        assert_eq!(rows.len(), 3);
        assert_eq!(rows.broken.len(), 1);
        assert_eq!(rows.broken[0].0, 5);
        assert_eq!(rows.chunks[0].csv, b"sku,title\n1,\"two\nlines\"\n2,b\n");
        assert_eq!(rows.chunks[1].csv, b"sku,title\n4,d\n");
        assert_eq!(rows.chunks[1].first_line, 6);
        assert_eq!(rows.row_at(4).unwrap().get(1), Some(&b"b"[..]));
    }

    #[test]
    fn line_ends_of_other_systems_are_one_line_each() {
        let rows = Rows::cut("sku,title\r\n1,a\r\n\r\n2,b\r\n3\r\n".into()).unwrap();
        assert_eq!(rows.chunks[0].csv, b"sku,title\n1,a\n");
        assert_eq!(rows.chunks[1].csv, b"sku,title\n2,b\n");
        assert_eq!(rows.chunks[1].first_line, 4);
        assert_eq!(rows.places.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(rows.broken[0].0, 5);
        assert_eq!(rows.row_at(4).unwrap().get(0), Some(&b"2"[..]));
    }

    #[test]
    fn many_rows_are_many_chunks() {
        let text: String =
            std::iter::once("sku\n".to_owned()).chain((0..900).map(|row| format!("{row}\n"))).collect();
        let rows = Rows::cut(text.into()).unwrap();
        assert_eq!(rows.chunks.iter().map(|chunk| chunk.rows).collect::<Vec<_>>(), [400, 400, 100]);
        assert_eq!(rows.chunks[2].first_line, 802);
    }

    #[test]
    fn an_empty_file_has_no_header() {
        assert!(Rows::cut(Vec::new()).is_err());
    }
}
