//! Makes everything that follows from the .proto files: messages with their JSON form, clients, servers, the route
//! table with its typed glue, and the OpenAPI document. No `protoc` is needed; nothing is reflected at run time.
//!
//! protox compiles → [`contract`] reads and checks the annotations → [`attributes`] gives the messages their JSON form →
//! [`glue`] writes the routes, [`calls`] how they are called → [`openapi`] writes the document. A mistake in an annotation fails the build.

#[path = "build/attributes.rs"]
mod attributes;
#[path = "build/calls.rs"]
mod calls;
#[path = "build/comments.rs"]
mod comments;
#[path = "build/contract.rs"]
mod contract;
#[path = "build/glue.rs"]
mod glue;
#[path = "build/names.rs"]
mod names;
#[path = "build/openapi.rs"]
mod openapi;
#[path = "build/options.rs"]
mod options;
#[path = "build/schemas.rs"]
mod schemas;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const ROOT: &str = "proto";

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed={ROOT}/vitrina");
    println!("cargo::rerun-if-changed={ROOT}/google");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(std::env::var("OUT_DIR").context("OUT_DIR is set by cargo")?);

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(proto_files(Path::new(ROOT))?)?;
    // The typed `file_descriptor_set()` drops extension options: annotations are read from the pool.
    let contract = contract::Contract::read(&compiler.descriptor_pool())?;

    let mut config = prost_build::Config::new();
    config.btree_map(["."]).out_dir(&out);
    attributes::add(&mut config, &contract)?;
    tonic_prost_build::configure()
        .extern_path(".google.protobuf.Timestamp", "crate::Timestamp")
        .emit_rerun_if_changed(false)
        .out_dir(&out)
        .compile_fds_with_config(compiler.file_descriptor_set(), config)?;

    fs::write(out.join("messages.rs"), glue::modules(&contract))?;
    fs::write(out.join("glue.rs"), glue::write(&contract))?;
    fs::write(out.join("calls.rs"), calls::write(&contract))?;
    fs::write(out.join("openapi.json"), openapi::write(&contract)?)?;
    Ok(())
}

/// Every file of ours; what they import is found by itself.
fn proto_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("vitrina")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "proto") {
                files.push(path.strip_prefix(root)?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}
