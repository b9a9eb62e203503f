//! The pieces of the JSON form that serde's derive leaves to us: enum names and `null`.
//!
//! Enum values are written without the name of their enum in front (`ACTIVE`). The unspecified value and numbers that
//! this build does not know (a newer service may send them) are left out, so that they never fail an answer.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

/// How serde's derive starts its text about a repeated member; ours is the same.
pub(crate) const REPEATED: &str = "duplicate field `";

/// The values of an enum of the contract as JSON spells them, the unspecified one left out.
pub trait JsonNames: Sized {
    /// Name and number, in the order of the contract.
    const NAMES: &'static [(&'static str, i32)];

    /// The JSON name of a number; `None` for the unspecified value and for numbers unknown here.
    fn name_of(number: i32) -> Option<&'static str> {
        Self::NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
    }

    /// The number of a JSON name.
    ///
    /// # Errors
    /// A sentence that lists the known names.
    fn number_of(name: &str) -> Result<i32, String> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number).ok_or_else(|| {
            let known: Vec<&str> = Self::NAMES.iter().map(|(name, _)| *name).collect();
            format!("must be one of {}", known.join(", "))
        })
    }
}

/// Reads a value; `null` is the same as absent.
pub(crate) fn nullable<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(input)?.unwrap_or_default())
}

pub(crate) fn is_nameless_one<E: JsonNames>(number: &i32) -> bool {
    E::name_of(*number).is_none()
}

pub(crate) fn is_nameless_option<E: JsonNames>(number: &Option<i32>) -> bool {
    number.is_none_or(|number| E::name_of(number).is_none())
}

pub(crate) fn put_one<E: JsonNames, S: Serializer>(number: &i32, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(E::name_of(*number).unwrap_or_default())
}

pub(crate) fn put_option<E: JsonNames, S: Serializer>(
    number: &Option<i32>,
    out: S,
) -> Result<S::Ok, S::Error> {
    match number.and_then(E::name_of) {
        Some(name) => out.serialize_str(name),
        None => out.serialize_none(),
    }
}

pub(crate) fn put_many<E: JsonNames, S: Serializer>(numbers: &[i32], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(numbers.iter().filter_map(|number| E::name_of(*number)))
}

pub(crate) fn take_one<'de, E: JsonNames, D: Deserializer<'de>>(input: D) -> Result<i32, D::Error> {
    Ok(take_option::<E, D>(input)?.unwrap_or_default())
}

pub(crate) fn take_option<'de, E: JsonNames, D: Deserializer<'de>>(
    input: D,
) -> Result<Option<i32>, D::Error> {
    let name: Option<String> = take(input)?;
    name.map(|name| E::number_of(&name).map_err(D::Error::custom)).transpose()
}

pub(crate) fn take_many<'de, E: JsonNames, D: Deserializer<'de>>(input: D) -> Result<Vec<i32>, D::Error> {
    let names: Option<Vec<String>> = take(input)?;
    names.unwrap_or_default().iter().map(|name| E::number_of(name).map_err(D::Error::custom)).collect()
}

/// Reads a map; `null` is the same as absent, a repeated key is refused.
pub(crate) fn take_map<'de, V, D>(input: D) -> Result<BTreeMap<String, V>, D::Error>
where
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<Unique<V>>::deserialize(input)?.map(|unique| unique.0).unwrap_or_default())
}

struct Unique<V>(BTreeMap<String, V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(UniqueVisitor(PhantomData))
    }
}

struct UniqueVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for UniqueVisitor<V> {
    type Value = Unique<V>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Unique<V>, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = input.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("{REPEATED}{key}`")));
            }
            map.insert(key, input.next_value()?);
        }
        Ok(Unique(map))
    }
}

fn take<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<T, D::Error> {
    T::deserialize(input)
}
