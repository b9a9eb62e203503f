//! What the store asks of the ordered map below it.
//!
//! Two implementations: sled, and the one of [`crate::fault`] that fails on command. An engine knows neither versions nor
//! expectations; it has one writer, the commit thread, and any number of readers.

pub(crate) mod files;
pub(crate) mod sled;

use std::ops::Bound;

use bytes::Bytes;

use crate::error::Error;

/// A range of keys.
pub type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A row as the engine keeps it.
pub type StoredRow = (Vec<u8>, Bytes);

/// A row to be written; `None` deletes it.
pub type Change = (Vec<u8>, Option<Bytes>);

/// The way in which a scan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key upwards.
    #[default]
    Forward,
    /// From the highest key downwards.
    Backward,
}

/// An ordered map of bytes with atomic batches.
pub trait Engine: Send + Sync + 'static {
    /// The value of a key.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Corrupt`] or [`Error::Closed`].
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// At most `limit` rows of a range, in the order of the direction.
    ///
    /// # Errors
    /// As [`Engine::get`].
    fn scan(&self, range: &Range, limit: usize, direction: Direction) -> Result<Vec<StoredRow>, Error>;

    /// Writes all of the batch or, after a crash, none. It may show to readers before it is durable.
    ///
    /// # Errors
    /// [`Error::Io`], after which it is unknown whether the batch is there.
    fn apply(&self, batch: &[Change]) -> Result<(), Error>;

    /// Makes everything applied durable and notes, as cheaply as it may, that commits up to `seq` are.
    ///
    /// # Errors
    /// [`Error::Io`], after which it is unknown what is durable.
    fn sync(&self, seq: u64) -> Result<(), Error>;

    /// Tries to get back to work after a failed [`Engine::apply`] or [`Engine::sync`]. After success the map holds what is
    /// really on disk.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk still fails. Reads go on as before.
    fn recover(&self) -> Result<(), Error>;

    /// Gives back memory that is kept for no good reason. Called by the commit thread when nothing was written for a while;
    /// readers may have to wait for some ten milliseconds.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Corrupt`], after which nothing can be read or written before [`Engine::recover`].
    fn rest(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Bytes that the map takes on disk.
    fn disk_bytes(&self) -> u64;

    /// Lets go of all files; every later call fails with [`Error::Closed`].
    fn close(&self);
}
