//! Values of path and query parameters.

use crate::{JsonNames, Timestamp};

/// A plain value that a parameter can hold.
pub(crate) trait Value: Sized {
    /// Reads it; the error is a sentence for the caller.
    fn read(text: &str) -> Result<Self, String>;
}

/// A field that takes the value of a parameter.
pub(crate) trait Slot<V> {
    /// Whether the parameter may be given several times.
    const IS_LIST: bool = false;

    fn put(&mut self, value: V);
}

/// The parser of a plain value.
pub(crate) fn parse<V: Value>(text: &str) -> Result<V, String> {
    V::read(text)
}

/// The parser of an enum name, in any case: links are typed by people.
pub(crate) fn name_of<E: JsonNames>(text: &str) -> Result<i32, String> {
    E::number_of(&text.to_ascii_uppercase())
}

impl<V> Slot<V> for V {
    fn put(&mut self, value: V) {
        *self = value;
    }
}

impl<V> Slot<V> for Option<V> {
    fn put(&mut self, value: V) {
        *self = Some(value);
    }
}

impl<V> Slot<V> for Vec<V> {
    const IS_LIST: bool = true;

    fn put(&mut self, value: V) {
        self.push(value);
    }
}

impl Value for String {
    fn read(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }
}

impl Value for Timestamp {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|fault: crate::NotATime| fault.to_string())
    }
}

macro_rules! whole {
    ($($kind:ty),+) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                text.parse().map_err(|_| format!("must be a whole number from {} to {}", <$kind>::MIN, <$kind>::MAX))
            }
        }
    )+};
}

macro_rules! fractional {
    ($($kind:ty),+) => {$(
        impl Value for $kind {
            fn read(text: &str) -> Result<Self, String> {
                let value: Option<$kind> = text.parse().ok();
                value.filter(|value| value.is_finite()).ok_or_else(|| "must be a number".to_owned())
            }
        }
    )+};
}

whole!(i32, i64, u32, u64);
fractional!(f32, f64);
