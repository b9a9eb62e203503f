//! The tour in the README, run by a shell as a new user would, line by line.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use vitrina_bench::{Shop, Way, programs};

#[tokio::test(flavor = "multi_thread")]
async fn the_tour_in_the_readme_works_line_by_line() {
    let shop = Shop::start(Way::OneProcess).await;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("there is a README");
    let tour = tour(&readme);
    assert!(tour.lines().filter(|line| line.contains("curl")).count() >= 10, "the tour is short:\n{tour}");
    let programs = programs().expect("the programs are built");
    let script = tour
        .replace("http://127.0.0.1:8080", shop.client().base())
        .replace("http://127.0.0.1:9901", shop.admin().base())
        .replace("cargo run --release --", &programs.join("vitrina").display().to_string())
        .replace("vitrina-data", &shop.data().display().to_string());
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-x", "-c", &script])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .output()
        .await
        .expect("bash is there");
    let told =
        format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert!(
        !told.contains("problem+json") && !told.contains("\"traceId\""),
        "a line of the tour failed:\n{told}"
    );
}

/// The `sh` blocks between the marks of the tour.
fn tour(readme: &str) -> String {
    let (_, tour) = readme.split_once("<!-- tour -->").expect("the tour starts with a mark");
    let (tour, _) = tour.split_once("<!-- end of tour -->").expect("the tour ends with a mark");
    let blocks = tour.split("```sh\n").skip(1).filter_map(|block| block.split_once("```"));
    blocks.map(|(block, _)| block).collect()
}

#[test]
fn cargo_run_at_the_root_means_the_shop() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut metadata = std::process::Command::new(cargo);
    metadata.args(["metadata", "--no-deps", "--format-version=1"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let metadata: serde_json::Value =
        serde_json::from_slice(&metadata.output().expect("cargo runs").stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages");
    let named: Vec<&str> = packages.iter().filter_map(|package| package["default_run"].as_str()).collect();
    assert_eq!(named, ["vitrina"]);
}
