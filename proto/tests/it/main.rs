//! The contract as its users see it, and the generator as its authors do.

// The generator is a part of this binary, so that its refusals can be tested; its modules expect to be at the root.
#[path = "../../build/attributes.rs"]
mod attributes;
#[path = "../../build/calls.rs"]
mod calls;
#[path = "../../build/comments.rs"]
mod comments;
#[path = "../../build/contract.rs"]
mod contract;
#[path = "../../build/glue.rs"]
mod glue;
#[path = "../../build/names.rs"]
mod names;
#[path = "../../build/openapi.rs"]
mod openapi;
#[path = "../../build/options.rs"]
mod options;
#[path = "../../build/schemas.rs"]
mod schemas;

mod answers;
mod document;
mod generator;
mod requests;
mod stub;
mod table;
