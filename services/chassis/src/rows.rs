//! What reading a stored row can meet.

/// A stored value that no version of the service wrote. Logged by whoever handles the error; names the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored row has a malformed {0}")]
pub struct BadRow(pub &'static str);

/// The bytes of a field whose length is fixed, such as the 16 of an id.
///
/// # Errors
/// [`BadRow`] for another length.
pub fn fixed<const N: usize>(bytes: &[u8], field: &'static str) -> Result<[u8; N], BadRow> {
    bytes.try_into().map_err(|_| BadRow(field))
}
