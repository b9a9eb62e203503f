//! Backup, restore and verify: the stores of a stopped shop as framed, checksummed files, and the key that they are
//! sealed with.
//!
//! A backup is a folder: `<name>.backup` for each store and `master.key`. The search index is left out: it is made again
//! from the store.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use vitrina_storage::{Options, Store};
use vitrina_svc::Name;
use vitrina_users::master_key;

use crate::data::{Data, write_secret};

/// The stores of a shop: the services' and the embedded broker's, whose events may still be on their way.
fn stores() -> impl Iterator<Item = &'static str> {
    Name::ALL.map(Name::as_str).into_iter().chain(["broker"])
}

/// Writes a backup.
///
/// # Errors
/// When the shop runs, there is nothing to back up, or the folder is not empty; the message says which. What was begun is
/// removed again.
pub(crate) fn backup(folder: &Path, data: &Path) -> Result<ExitCode> {
    let data = Data::at(data);
    // Read as a key and opened before anything is written: what is damaged or in use is named now.
    let mut opened = Vec::new();
    for name in stores().filter(|name| data.store(name).is_dir()) {
        let store = Store::open(&data.store(name), Options::default())
            .with_context(|| format!("the store {name} can't be opened: stop the shop before a backup"))?;
        opened.push((name, store));
    }
    if opened.is_empty() {
        bail!("there is no shop in {}", data.folder().display());
    }
    data.master_key()?;
    if !Data::at(folder).is_empty() {
        bail!("{} is not empty: a backup never writes over anything", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    if let Err(error) = write_all(folder, &data, &opened) {
        // A folder that is no whole backup must not look like one, nor keep a key.
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} is no whole backup: remove it", folder.display()))?;
        return Err(error);
    }
    println!("written to {}; it holds the shop's keys: keep it as safe as the shop", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn write_all(folder: &Path, data: &Data, stores: &[(&str, Store)]) -> Result<()> {
    for (name, store) in stores {
        let path = folder.join(format!("{name}.backup"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut writer = BufWriter::new(file.with_context(|| format!("{} can't be made", path.display()))?);
        let summary = store.export(&mut writer).with_context(|| format!("{name} can't be written"))?;
        writer.flush()?;
        writer.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        println!("{name}: {} rows", summary.rows);
    }
    write_secret(&folder.join("master.key"), &fs::read(data.key_file())?)
}

/// Reads a backup into an empty data directory, after it was verified whole.
///
/// # Errors
/// When a file is damaged, or the data directory is not empty; nothing was changed then.
pub(crate) async fn restore(folder: &Path, data: &Path) -> Result<ExitCode> {
    verify(folder)?;
    let data = Data::at(data);
    if !data.is_empty() {
        bail!("{} is not empty: restoring never writes over anything", data.folder().display());
    }
    data.create()?;
    for name in stores() {
        let path = folder.join(format!("{name}.backup"));
        if !path.is_file() {
            continue;
        }
        let file = File::open(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let summary = Store::import(&data.store(name), &mut BufReader::new(file))
            .with_context(|| format!("{} can't be restored", path.display()))?;
        println!("{name}: {} rows", summary.rows);
    }
    write_secret(&data.key_file(), &fs::read(folder.join("master.key"))?)?;
    println!("restored into {}", data.folder().display());
    Ok(ExitCode::SUCCESS)
}

/// Reads a backup whole.
///
/// # Errors
/// With every damaged file, named.
pub(crate) fn verify(folder: &Path) -> Result<ExitCode> {
    let mut damaged = Vec::new();
    // The folder itself stands for the data that needs the key: a missing one is named, never made.
    if let Err(error) = master_key::load(&folder.join("master.key"), folder) {
        damaged.push(error.to_string());
    }
    let mut found = 0;
    for name in stores() {
        let path = folder.join(format!("{name}.backup"));
        if !path.is_file() {
            continue;
        }
        found += 1;
        let file = File::open(&path).with_context(|| format!("{} can't be read", path.display()))?;
        match Store::verify(&mut BufReader::new(file)) {
            Ok(summary) => println!("{name}: {} rows, whole", summary.rows),
            Err(error) => damaged.push(format!("{}: {:#}", path.display(), anyhow::Error::from(error))),
        }
    }
    if found == 0 {
        bail!("there is no backup in {}", folder.display());
    }
    if !damaged.is_empty() {
        bail!("damaged:\n  {}", damaged.join("\n  "));
    }
    Ok(ExitCode::SUCCESS)
}
