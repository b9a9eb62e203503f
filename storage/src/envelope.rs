//! What stands around a value on disk: format, number of parts, version and checksum.
//!
//! | bytes | field |
//! |---|---|
//! | 1 | format, now 1 |
//! | 2 | how many part rows hold the value; 0 when it stands here |
//! | 8 | version of the key: 1 for a new row, one more with each overwrite |
//! | 4 | CRC-32 (IEEE) of the key, the fields above and the whole value |
//! | – | the value, or nothing when it is in parts |
//!
//! The key is part of the checksum, so that a value under a wrong key is found out as well.

use bytes::Bytes;

use crate::error::Error;

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 15;

/// Longest value of one row. A log message of sled over a quarter of its segment (512 KiB) goes to a file that sled never
/// syncs, and a leaf of about 16 rows is one message: with keys of 1 KiB this leaves 7 KiB a row.
const ROW_BYTES_MAX: usize = 6 * 1024;

/// A row's envelope, opened.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) parts: u16,
    pub(crate) version: u64,
    pub(crate) checksum: u32,
    pub(crate) value: Bytes,
}

impl Envelope {
    /// Reads the fields without checking the value, which may stand in part rows.
    pub(crate) fn open(key: &[u8], stored: &Bytes) -> Result<Envelope, Error> {
        let Some((header, _)) = stored.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Error::corrupt(key, format!("{} bytes are too few", stored.len())));
        };
        let [format, p0, p1, version @ .., c0, c1, c2, c3] = *header;
        if format != FORMAT {
            return Err(Error::corrupt(key, format!("format {format} is unknown")));
        }
        Ok(Envelope {
            parts: u16::from_be_bytes([p0, p1]),
            version: u64::from_be_bytes(version),
            checksum: u32::from_be_bytes([c0, c1, c2, c3]),
            value: stored.slice(HEADER_BYTES..),
        })
    }

    /// Opens a row that must hold its value itself, and checks it.
    pub(crate) fn open_whole(key: &[u8], stored: &Bytes) -> Result<Envelope, Error> {
        let envelope = Envelope::open(key, stored)?;
        if envelope.parts != 0 {
            return Err(Error::corrupt(key, "a part has parts itself"));
        }
        envelope.check(key, &envelope.value)?;
        Ok(envelope)
    }

    /// Checks the whole value, put together from its parts where it has some.
    pub(crate) fn check(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        if checksum(key, self.parts, self.version, value) == self.checksum {
            Ok(())
        } else {
            Err(Error::corrupt(key, "the checksum does not match"))
        }
    }
}

/// Wraps a value for disk: the row of its key, and the values of its part rows, which are wrapped too.
pub(crate) fn seal(key: &[u8], version: u64, value: &[u8]) -> (Bytes, Vec<(Vec<u8>, Bytes)>) {
    const PAYLOAD_BYTES: usize = ROW_BYTES_MAX - HEADER_BYTES;
    if value.len() <= PAYLOAD_BYTES {
        return (wrap(key, 0, version, value, value), Vec::new());
    }
    let parts: Vec<(Vec<u8>, Bytes)> = (0u16..)
        .zip(value.chunks(PAYLOAD_BYTES))
        .map(|(index, chunk)| {
            let part = crate::layout::part(key, index);
            let stored = wrap(&part, 0, version, chunk, chunk);
            (part, stored)
        })
        .collect();
    let count = u16::try_from(parts.len()).expect("values are bounded far below 65,536 parts");
    (wrap(key, count, version, value, &[]), parts)
}

/// How many part rows a value of this length takes beside its own row.
pub(crate) fn part_count(value_bytes: usize) -> usize {
    let payload = ROW_BYTES_MAX - HEADER_BYTES;
    if value_bytes <= payload { 0 } else { value_bytes.div_ceil(payload) }
}

/// The checksum that a stored row carries, without checking it; 0 for a row that is too short to have one.
pub(crate) fn carried_checksum(stored: &[u8]) -> u32 {
    stored.get(11..HEADER_BYTES).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
}

fn wrap(key: &[u8], parts: u16, version: u64, value: &[u8], held: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(HEADER_BYTES + held.len());
    out.push(FORMAT);
    out.extend_from_slice(&parts.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&checksum(key, parts, version, value).to_be_bytes());
    out.extend_from_slice(held);
    out.into()
}

fn checksum(key: &[u8], parts: u16, version: u64, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    // The length keeps a byte from moving between key and value unseen.
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(&[FORMAT]);
    hasher.update(&parts.to_be_bytes());
    hasher.update(&version.to_be_bytes());
    hasher.update(value);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let (stored, _) = seal(b"key", 3, b"value");
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Envelope::open_whole(b"key", &flipped.into()).is_err(), "bit {bit}");
        }
        assert!(Envelope::open_whole(b"other", &stored).is_err());
        assert_eq!(Envelope::open_whole(b"key", &stored).unwrap().version, 3);
    }

    #[test]
    fn a_long_value_goes_to_parts() {
        let (_, parts) = seal(b"key", 1, &[7; 20_000]);
        assert_eq!(parts.len(), part_count(20_000));
        assert!(parts.iter().all(|(_, stored)| stored.len() <= ROW_BYTES_MAX));
    }
}
