//! The project's chores, each a word behind `cargo xtask`.
//!
//! Duty: run what a contributor and the continuous integration run, in the same way. It holds no rule of the shop and is
//! no part of what is shipped. It depends on next to nothing, so that it is built in seconds.

mod setup;
mod steps;
mod tidy;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  test     set up what the tests need, build the programs, run every test
  ci       formatting, tidy, lints, docs, and then `test`: what has to pass before a change lands
  tidy     the rules that no compiler knows: who may depend on whom, equal rooms, sizes, words
  bench X  build the programs for release and print the figures of the scenario X:
             import      a real catalogue: publications a second, time to ready, memory
             cache-cost  CPU time of a cached answer beside nginx and Varnish
             freshness   reads after writes, through the same edge and another
             resilience  a service that is killed, and too much load
             abuse       crowds at a cold page, slow headers, floods of resets
             pictures    memory that pictures take, good and bad ones
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
        Some("bench") => bench(std::env::args().nth(2).as_deref()),
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

/// The profile is what the README has users build; `PROFILE=dist` takes that of packages, `PROFILE=dev` that of the tests.
fn bench(scenario: Option<&str>) -> Result<()> {
    let Some(scenario) = scenario else {
        bail!("which scenario?\n\n{HELP}");
    };
    let profile = std::env::var("PROFILE").unwrap_or_else(|_| "release".to_owned());
    // All in one command, so that their dependencies have the same features and are built once.
    let programs = ["build", "--workspace", "--bins", "--example", scenario, "--profile", &profile];
    steps::cargo("programs", &programs)?;
    let folder = if profile == "dev" { "debug" } else { &profile };
    // This program lies in the folder of another profile beside it.
    let own = std::env::current_exe().context("this program has no path")?;
    let target = own.ancestors().nth(2).context("this program lies in no target folder")?;
    steps::run(scenario, Command::new(target.join(folder).join("examples").join(scenario)))
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
