//! Cuts a CSV file into chunks of whole rows, each with the header, byte for byte as they stand in the file.

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
        let mut rows = Rows { header, chunks: Vec::new(), broken: Vec::new(), text: Vec::new() };
        let head = with_line_end(&text[..start]);
        let mut record = csv::ByteRecord::new();
        let mut before = start;
        loop {
            let is_there = reader.read_byte_record(&mut record).context("it is no CSV")?;
            let after = usize::try_from(reader.position().byte())?.min(text.len());
            if !is_there {
                break;
            }
            let line = record.position().map_or(0, csv::Position::line);
            if record.len() == rows.header.len() {
                rows.push(&head, &text[before..after], line);
            } else {
                let reason = format!("{} fields where the header has {}", record.len(), rows.header.len());
                rows.broken.push((line, reason));
                // Lines within a chunk are counted from its first: a gap starts another chunk.
                rows.end_chunk();
            }
            before = after;
        }
        rows.chunks.retain(|chunk| chunk.rows > 0);
        rows.text = text;
        Ok(rows)
    }

    /// The row that starts at `line`, as it stands in the file.
    pub(crate) fn row_at(&self, line: u64) -> Option<csv::ByteRecord> {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(self.text.as_slice());
        reader
            .byte_records()
            .filter_map(std::result::Result::ok)
            .find(|record| record.position().is_some_and(|position| position.line() == line))
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

fn with_line_end(text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
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
