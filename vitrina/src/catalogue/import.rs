//! Sends a CSV file to a running shop and reports every row that did not go in.
//!
//! A second run changes nothing: the shop knows a row by its sku. That is also how a run that was killed goes on: run it
//! again.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde::Deserialize;

use super::rows::{Chunk, Rows};
use crate::connect::{Shop, Target};

/// Requests in flight: two keep two cores busy, more only wait for the same disk.
const IN_FLIGHT: usize = 4;

#[derive(Args, Debug)]
#[command(
    after_help = "Columns, in any order: sku, title, description, brand, category, condition, price or price_usd, stock,
model, weight_lb, dimensions, tags.

Examples:
  vitrina import catalogue.csv --seller ana
  vitrina import catalogue.csv --seller ana --rejects rejected.csv     mend that file and import it again
  vitrina import catalogue.csv --seller ana --url https://shop.example --token \"$TOKEN\"

Exit codes: 0 all rows went in, 1 some were refused, 2 it could not run."
)]
pub(crate) struct ImportOptions {
    /// The CSV file; its first line names the columns
    file: PathBuf,
    /// Id, e-mail address or username of the seller
    #[arg(long)]
    seller: String,
    #[command(flatten)]
    target: Target,
    /// Writes refused rows here, with the reason in two more columns
    #[arg(long)]
    rejects: Option<PathBuf>,
    /// Units in stock of a row that does not say
    #[arg(long, default_value_t = 10)]
    stock: u32,
    /// Pesos (or what --currency says) for a dollar, for the column price_usd
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Currency of the prices, three capital letters
    #[arg(long, default_value = "ARS")]
    currency: String,
    /// Leaves out unknown columns instead of refusing the file
    #[arg(long)]
    ignore_unknown: bool,
}

/// The shop's report of a chunk; what is zero or empty is left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    read: u64,
    created: u64,
    unchanged: u64,
    rejected: Vec<Rejected>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Rejected {
    line: u64,
    column: String,
    reason: String,
}

/// Imports a file.
pub(crate) async fn import(options: ImportOptions) -> Result<ExitCode> {
    let rows = Rows::read(&options.file)?;
    let shop = Shop::connect(&options.target, &options.seller).await?;
    let started = Instant::now();
    let progress = progress(rows.len())?;
    let reports: Vec<Report> = stream::iter(&rows.chunks)
        .map(|chunk| send(&shop, &options, chunk, &progress))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await?;
    progress.finish_and_clear();
    let mut rejected: Vec<Rejected> = reports.iter().flat_map(|report| report.rejected.clone()).collect();
    rejected.extend(rows.broken.iter().map(|(line, reason)| Rejected {
        line: *line,
        column: String::new(),
        reason: reason.clone(),
    }));
    rejected.sort_by_key(|row| row.line);
    tell(&reports, &rejected, rows.broken.len(), started.elapsed());
    if let Some(path) = &options.rejects {
        write_rejects(path, &rows, &rejected)?;
    }
    Ok(ExitCode::from(u8::from(!rejected.is_empty())))
}

async fn send(shop: &Shop, options: &ImportOptions, chunk: &Chunk, progress: &ProgressBar) -> Result<Report> {
    let path = format!(
        "/v1/products:import?stock={}&rate={}&currency={}&ignoreUnknown={}&firstLine={}",
        options.stock, options.rate, options.currency, options.ignore_unknown, chunk.first_line
    );
    let answer = shop
        .call(Method::POST, &path, |request| {
            request.header("content-type", "text/csv").body(chunk.csv.clone())
        })
        .await
        .with_context(|| {
            format!("{} could not be imported from line {} on", options.file.display(), chunk.first_line)
        })?;
    let report: Report = serde_json::from_value(answer).context("the shop's report can't be read")?;
    let told = usize::try_from(report.created + report.unchanged)? + distinct_lines(&report.rejected);
    if told != chunk.rows {
        bail!(
            "the shop told of {told} of the {} rows from line {} on: run the import again",
            chunk.rows,
            chunk.first_line
        );
    }
    progress.inc(chunk.rows as u64);
    Ok(report)
}

/// A row may be refused for several columns.
fn distinct_lines(rejected: &[Rejected]) -> usize {
    let mut lines: Vec<u64> = rejected.iter().map(|row| row.line).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.len()
}

fn progress(rows: usize) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {per_sec}, {eta} to go")?;
    // Draws nothing when standard error is no terminal.
    Ok(ProgressBar::new(rows as u64).with_style(style))
}

fn tell(reports: &[Report], rejected: &[Rejected], broken: usize, took: Duration) {
    for row in rejected {
        let column = if row.column.is_empty() { String::new() } else { format!(", column {}", row.column) };
        println!("line {}{column}: {}", row.line, row.reason);
    }
    let sum = |count: fn(&Report) -> u64| reports.iter().map(count).sum::<u64>();
    let read = sum(|report| report.read) + broken as u64;
    let seconds = took.as_secs_f64();
    println!(
        "{read} rows read: {} published, {} there already, {} refused; {seconds:.1} s, {:.0} rows/s",
        sum(|report| report.created),
        sum(|report| report.unchanged),
        distinct_lines(rejected),
        read as f64 / seconds.max(0.001),
    );
}

/// The refused rows as they stand in the file, each once, with what is wrong behind them.
fn write_rejects(path: &Path, rows: &Rows, rejected: &[Rejected]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .from_path(path)
        .with_context(|| format!("{} can't be written", path.display()))?;
    let mut header = rows.header.clone();
    header.push_field(b"rejected_line");
    header.push_field(b"rejected_reason");
    writer.write_byte_record(&header)?;
    for same in rejected.chunk_by(|one, other| one.line == other.line) {
        let Some(mut row) = rows.row_at(same[0].line) else { continue };
        let reasons: Vec<String> = same.iter().map(|row| format!("{} {}", row.column, row.reason)).collect();
        row.push_field(same[0].line.to_string().as_bytes());
        row.push_field(reasons.join("; ").trim().as_bytes());
        writer.write_byte_record(&row)?;
    }
    writer.flush().with_context(|| format!("{} can't be written", path.display()))
}
