//! Runs the sandbox alone, for clients in other languages: `cargo run -p vitrina-sandbox --example sandbox -- FOLDER`.
//!
//! Prints what a client needs as one line of JSON, then serves until Ctrl-C.

use vitrina_sandbox::{Sandbox, SandboxConfig};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("the folder to keep things in is missing")?;
    let running = Sandbox::start(SandboxConfig::new(folder)).await?;
    let facts = serde_json::json!({
        "url": running.url(),
        "s3Url": running.s3_url(),
        "mailEventsKey": running.mail_events_key(),
    });
    println!("{facts}");
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
