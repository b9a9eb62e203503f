//! The project's chores, each a word behind `cargo xtask`.
//!
//! Duty: run what a contributor and the continuous integration run, in the same way. It holds no rule of the shop and is
//! no part of what is shipped. It depends on next to nothing, so that it is built in seconds.

mod setup;
mod steps;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  test     set up what the tests need, build the programs, run every test
  ci       formatting, tidy, lints, docs, and then `test`: what has to pass before a change lands
  tidy     the rules that no compiler knows: who may depend on whom, equal rooms, sizes, words
  setup    install what the tests start as servers and tools (Debian: apt-get, as root)

Examples:
  cargo xtask test
  ROUNDS=50 cargo test --package vitrina-bench --test it crash
  UPDATE=1 cargo test --package vitrina-proto      writes proto/openapi.json anew";

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Option<&str>) -> Result<()> {
    match command {
        Some("test") => test(),
        Some("ci") => ci(),
        Some("tidy") => tidy::check(),
        Some("setup") => setup::install(),
        Some("help" | "--help" | "-h") | None => {
            println!("{HELP}");
            Ok(())
        }
        Some(other) => bail!("unknown command {other:?}\n\n{HELP}"),
    }
}

fn test() -> Result<()> {
    setup::install()?;
    // `cargo test` alone does not build the programs of other packages, which the whole-system tests start.
    steps::cargo("programs", &["build", "--workspace", "--all-targets"])?;
    steps::cargo("tests", &["test", "--workspace", "--no-fail-fast"])
}

fn ci() -> Result<()> {
    steps::cargo("formatting", &["fmt", "--all", "--check"])?;
    tidy::check()?;
    steps::cargo("lints", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    steps::cargo_with(
        "docs",
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
        &[("RUSTDOCFLAGS", "--deny warnings")],
    )?;
    test()
}
