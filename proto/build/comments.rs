//! The comments of the .proto files, which document both the Rust types and the HTTP API.

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor};

use crate::contract::Contract;

/// The comment above a message.
pub(crate) fn of_message(message: &MessageDescriptor) -> Option<String> {
    find(&message.parent_file(), message.path())
}

/// The comment above a field.
pub(crate) fn of_field(field: &FieldDescriptor) -> Option<String> {
    find(&field.parent_message().parent_file(), field.path())
}

/// The comment above an rpc.
pub(crate) fn of_method(method: &MethodDescriptor) -> Option<String> {
    find(&method.parent_service().parent_file(), method.path())
}

/// The comment above an enum.
pub(crate) fn of_enum(kind: &EnumDescriptor) -> Option<String> {
    find(&kind.parent_file(), kind.path())
}

/// Whether every message, field, enum and value of a package has a comment.
pub(crate) fn is_complete(contract: &Contract, package: &str) -> bool {
    let mut messages = contract.messages.iter().filter(|message| message.package_name() == package);
    let mut enums = contract.enums.iter().filter(|kind| kind.package_name() == package);
    messages.all(|message| {
        of_message(message).is_some() && message.fields().all(|field| of_field(&field).is_some())
    }) && enums.all(|kind| {
        let file = kind.parent_file();
        of_enum(kind).is_some() && kind.values().all(|value| find(&file, value.path()).is_some())
    })
}

fn find(file: &FileDescriptor, path: &[i32]) -> Option<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref()?;
    let location = info.location.iter().find(|location| location.path == path)?;
    let text = location.leading_comments.as_deref()?.trim();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    (!text.is_empty()).then(|| lines.join(" "))
}
