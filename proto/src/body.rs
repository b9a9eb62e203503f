//! JSON bodies: first a look at the members, so that every wrong name is told at once, then the message itself.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::fault::Faults;

/// Names told at most in one answer: a hostile body must not make a large one.
const NAMES_MAX: usize = 20;

/// Characters of a caller's name that are told back.
const NAME_CHARS_MAX: usize = 64;

/// Characters of a description.
const SENTENCE_CHARS_MAX: usize = 200;

/// The field that stands for the body as a whole.
const WHOLE: &str = "body";

/// A member that may be sent: its name in JSON and its field's name in the contract.
pub(crate) type Member = (&'static str, &'static str);

impl Faults {
    /// Reads a message from a JSON object; no body at all is the empty object. Gives the fields sent as `null` too.
    ///
    /// With a fault noted the message is the default one.
    pub(crate) fn body<T: DeserializeOwned + Default>(
        &mut self,
        body: &[u8],
        members: &[Member],
    ) -> (T, Vec<String>) {
        if body.iter().all(u8::is_ascii_whitespace) {
            return (T::default(), Vec::new());
        }
        let Some(names) = self.names(body) else { return Default::default() };
        let mut nulls = Vec::new();
        let mut seen = HashSet::new();
        let mut faults = 0;
        for (name, is_null) in &names {
            let member = members.iter().find(|(json_name, _)| json_name == name);
            let is_new = seen.insert(name.as_str());
            let fault = match member {
                None => Some(("unknown", "is no field of this request")),
                Some(_) if !is_new => Some(("repeated", "may be given once")),
                Some((_, field)) => {
                    if *is_null {
                        nulls.push((*field).to_owned());
                    }
                    None
                }
            };
            if let Some((code, detail)) = fault.filter(|_| faults < NAMES_MAX) {
                faults += 1;
                let name: String = name.chars().take(NAME_CHARS_MAX).collect();
                self.add(name, code, detail);
            }
        }
        if faults > 0 {
            return Default::default();
        }
        (self.message(body), nulls)
    }

    fn names(&mut self, body: &[u8]) -> Option<Vec<(String, bool)>> {
        let mut input = serde_json::Deserializer::from_slice(body);
        let names = input.deserialize_any(Names).and_then(|names| input.end().map(|()| names));
        names.map_err(|fault| self.add(WHOLE, "invalid", &sentence(&fault.to_string()))).ok()
    }

    fn message<T: DeserializeOwned + Default>(&mut self, body: &[u8]) -> T {
        let mut input = serde_json::Deserializer::from_slice(body);
        serde_path_to_error::deserialize(&mut input).unwrap_or_else(|fault| {
            let path = fault.path().to_string();
            let text = sentence(&fault.inner().to_string());
            let (code, member) = refused_member(&text);
            let field = match member {
                // serde points at the object for some of these and at the member for others.
                Some(member) if !path.ends_with(&format!(".{member}")) => format!("{path}.{member}"),
                _ if path == "." => WHOLE.to_owned(),
                _ => path,
            };
            self.add(field, code, &text);
            T::default()
        })
    }
}

/// The member names of an object in their order, and whether their values are `null`.
struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Vec<(String, bool)>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            // Absent for `null`, whatever else comes is skipped.
            let value: Option<IgnoredAny> = map.next_value()?;
            names.push((name, value.is_none()));
        }
        Ok(names)
    }
}

/// The code of serde's text, and the member that it is about when it names one.
fn refused_member(text: &str) -> (&'static str, Option<&str>) {
    let named = |start: &str| text.strip_prefix(start)?.split('`').next();
    if let Some(member) = named("unknown field `") {
        return ("unknown", Some(member));
    }
    match named(crate::json::REPEATED) {
        Some(member) => ("repeated", Some(member)),
        None => ("invalid", None),
    }
}

/// serde's text without the place in the body, which the field's name tells better; cut, since it may quote the caller.
fn sentence(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    text.chars().take(SENTENCE_CHARS_MAX).collect()
}
