//! Wrong input as a gRPC status: the shape that services use too, so that one mapper makes every problem document.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::input::{self, Input};
use crate::param::Slot;

/// What is wrong with an input, gathered so that the caller learns all of it at once.
#[derive(Default)]
pub(crate) struct Faults {
    violations: Vec<FieldViolation>,
    seen: Vec<&'static str>,
}

impl Faults {
    /// Notes a wrong field. The code leads the description: `google.rpc.BadRequest` has no place of its own for it.
    pub(crate) fn add(&mut self, field: impl Into<String>, code: &str, detail: &str) {
        self.violations.push(FieldViolation::new(field, format!("{code}: {detail}")));
    }

    /// Reads a path parameter.
    pub(crate) fn path<V, S: Slot<V>>(
        &mut self,
        input: &Input<'_>,
        name: &str,
        parse: fn(&str) -> Result<V, String>,
        slot: &mut S,
    ) {
        let raw = input.path.iter().find(|(param, _)| *param == name).map(|(_, raw)| *raw);
        match raw.and_then(input::decode_path).filter(|text| !text.is_empty()) {
            Some(text) => self.put(&input::camel(name), &text, parse, slot),
            None => self.add(input::camel(name), "invalid", "must be text in the path"),
        }
    }

    /// Reads a query parameter; an empty one is the same as none, as forms send it.
    pub(crate) fn query<V, S: Slot<V>>(
        &mut self,
        json_name: &'static str,
        text: &str,
        parse: fn(&str) -> Result<V, String>,
        slot: &mut S,
    ) {
        if text.is_empty() {
            return;
        }
        if !S::IS_LIST && self.seen.contains(&json_name) {
            self.add(json_name, "repeated", "may be given once");
            return;
        }
        self.seen.push(json_name);
        self.put(json_name, text, parse, slot);
    }

    /// The request, when nothing was wrong.
    pub(crate) fn finish<T>(self, request: T) -> Result<T, Status> {
        if self.violations.is_empty() {
            return Ok(request);
        }
        let code = HashMap::from([("code".to_owned(), "invalid_input".to_owned())]);
        let mut details = ErrorDetails::with_error_info("invalid_input", "vitrina", code);
        details.set_bad_request(self.violations);
        Err(Status::with_error_details(Code::InvalidArgument, "the request has wrong fields", details))
    }

    fn put<V, S: Slot<V>>(
        &mut self,
        name: &str,
        text: &str,
        parse: fn(&str) -> Result<V, String>,
        slot: &mut S,
    ) {
        match parse(text) {
            Ok(value) => slot.put(value),
            Err(detail) => self.add(name, "invalid", &detail),
        }
    }
}
