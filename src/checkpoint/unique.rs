//! JSON objects none of whose keys stands twice: `serde_json` alone keeps the last of them, and says nothing.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::checkpoint::shown;

/// The members of an object, in its order.
pub struct Unique<V>(pub Vec<(String, V)>);

/// How a member's value is read; its key may tell.
pub trait Value: Sized {
    /// Reads the value that belongs to `key`.
    fn next<'de, A: MapAccess<'de>>(key: &str, map: &mut A) -> Result<Self, A::Error>;
}

impl Value for String {
    fn next<'de, A: MapAccess<'de>>(_: &str, map: &mut A) -> Result<Self, A::Error> {
        map.next_value()
    }
}

impl<'de, V: Value> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members(PhantomData))
    }
}

struct Members<V>(PhantomData<V>);

impl<'de, V: Value> Visitor<'de> for Members<V> {
    type Value = Unique<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("the key \"{}\" stands in it twice", shown(&key))));
            }
            let value = V::next(&key, &mut map)?;
            members.push((key, value));
        }
        Ok(Unique(members))
    }
}
