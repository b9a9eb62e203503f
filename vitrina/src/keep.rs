//! Backup, restore and verify: the stores of a stopped shop as framed, checksummed files, what its sandbox keeps, and the key
//! that they are sealed with.
//!
//! A backup is a folder: `<name>.backup` for each store, `sandbox/` with the sandbox's own files (payments, mails, the objects of
//! its S3), `master.key`, and `SHA256SUMS` with a digest of each of them. The search index is left out: it is made again from
//! the store. Pictures in a real S3 are kept there.

mod sums;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use vitrina_sandbox::{Error as SandboxError, Kept};
use vitrina_storage::{Options, Store};
use vitrina_svc::Name;
use vitrina_users::master_key;

use self::sums::{Packing, Sums};
use crate::data::{Data, write_secret};

/// The folder of the sandbox, in the data directory as in a backup.
const SANDBOX: &str = "sandbox";
const KEY: &str = "master.key";

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
    let sandbox = sandbox(&data)?;
    if !Data::at(folder).is_empty() {
        bail!("{} is not empty: a backup never writes over anything", folder.display());
    }
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    if let Err(error) = write_all(folder, &data, &opened, sandbox.as_ref()) {
        // A folder that is no whole backup must not look like one, nor keep a key.
        fs::remove_dir_all(folder)
            .with_context(|| format!("{} is no whole backup: remove it", folder.display()))?;
        return Err(error);
    }
    println!("written to {}; it holds the shop's keys: keep it as safe as the shop", folder.display());
    Ok(ExitCode::SUCCESS)
}

/// What the sandbox keeps, held until it is written.
fn sandbox(data: &Data) -> Result<Option<Kept>> {
    Kept::open(&data.store(SANDBOX)).map_err(|error| match error {
        SandboxError::InUse { .. } => anyhow!("the sandbox runs: stop it before a backup"),
        SandboxError::Objects { paths } => {
            let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            anyhow!("damaged, put them back or remove them:\n  {}", paths.join("\n  "))
        }
        error => anyhow::Error::from(error).context("the sandbox can't be read"),
    })
}

fn write_all(folder: &Path, data: &Data, stores: &[(&str, Store)], sandbox: Option<&Kept>) -> Result<()> {
    let mut packing = Packing::new(folder);
    for (name, store) in stores {
        let path = file_of(name);
        let summary = packing.add(Path::new(&path), |file| Ok(store.export(file)?))?;
        println!("{name}: {} rows", summary.rows);
    }
    if let Some(kept) = sandbox {
        for path in kept.files() {
            packing.copy(&Path::new(SANDBOX).join(path), &data.store(SANDBOX).join(path))?;
        }
        println!("{SANDBOX}: {} files", kept.files().len());
    }
    packing.copy(Path::new(KEY), &data.key_file())?;
    packing.seal()
}

/// Reads a backup into an empty data directory, after it was verified whole.
///
/// # Errors
/// When a file is damaged, or the data directory is not empty; nothing was changed then.
pub(crate) async fn restore(folder: &Path, data: &Path) -> Result<ExitCode> {
    let sums = verified(folder)?;
    let data = Data::at(data);
    if !data.is_empty() {
        bail!("{} is not empty: restoring never writes over anything", data.folder().display());
    }
    data.create()?;
    for (name, path) in stores().map(|name| (name, file_of(name))) {
        if sums.holds(Path::new(&path)) {
            let file = File::open(folder.join(&path)).with_context(|| format!("{path} can't be read"))?;
            let summary = Store::import(&data.store(name), &mut BufReader::new(file))
                .with_context(|| format!("{path} can't be restored"))?;
            println!("{name}: {} rows", summary.rows);
        }
    }
    let kept: Vec<&Path> = sums.paths().filter(|path| path.starts_with(SANDBOX)).collect();
    for path in &kept {
        restore_file(&folder.join(path), &data.folder().join(path))
            .with_context(|| format!("{} can't be restored", path.display()))?;
    }
    for path in sums::folders(kept.iter().copied()) {
        File::open(data.folder().join(path))?.sync_all()?;
    }
    if !kept.is_empty() {
        println!("{SANDBOX}: {} files", kept.len());
    }
    write_secret(&data.key_file(), &fs::read(folder.join(KEY))?)?;
    println!("restored into {}", data.folder().display());
    Ok(ExitCode::SUCCESS)
}

/// Copies a file; its content is on disk when this returns.
fn restore_file(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut file)?;
    file.sync_all()
}

/// Reads a backup whole.
///
/// # Errors
/// With every file that is damaged or missing, named by its path.
pub(crate) fn verify(folder: &Path) -> Result<ExitCode> {
    verified(folder)?;
    Ok(ExitCode::SUCCESS)
}

fn verified(folder: &Path) -> Result<Sums> {
    let sums = Sums::read(folder)?;
    let (whole, mut damaged) = sums.check(folder);
    // The folder itself stands for the data that needs the key: a missing one is named, never made.
    if let Err(error) = master_key::load(&folder.join(KEY), folder) {
        damaged.push(error.to_string());
    }
    // What has the right digest may still have been written by another version.
    for (name, path) in stores().map(|name| (name, file_of(name))) {
        if whole.contains(&Path::new(&path)) {
            let path = folder.join(&path);
            let file = File::open(&path).with_context(|| format!("{} can't be read", path.display()))?;
            match Store::verify(&mut BufReader::new(file)) {
                Ok(summary) => println!("{name}: {} rows, whole", summary.rows),
                Err(error) => damaged.push(format!("{}: {:#}", path.display(), anyhow::Error::from(error))),
            }
        }
    }
    let kept = whole.iter().filter(|path| path.starts_with(SANDBOX)).count();
    if kept > 0 {
        println!("{SANDBOX}: {kept} files, whole");
    }
    if !damaged.is_empty() {
        bail!("damaged:\n  {}", damaged.join("\n  "));
    }
    Ok(sums)
}

/// The name of a store's file in a backup.
fn file_of(store: &str) -> String {
    format!("{store}.backup")
}
