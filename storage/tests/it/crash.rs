//! What a killed process leaves, and what stands between a write and its answer.
//!
//! The process that is killed is this test binary, started again for the one test `a_child_writes_when_asked_to`.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vitrina_storage::fault::{self, When};
use vitrina_storage::{Commit, Options};

use crate::{NUMBERS, name, number, open, put};

const DIR: &str = "STORAGE_CHILD_DIR";
const COMMITS: &str = "STORAGE_CHILD_COMMITS";
const CALLERS: &str = "STORAGE_CHILD_CALLERS";
const HANG_DIR: &str = "STORAGE_HANG_DIR";
const ROWS: usize = 4;
const SIGABRT: i32 = 6;

/// Not a test by itself: what the killed child does. Writes batches and says each that is acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_writes_when_asked_to() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let commits: usize = std::env::var(COMMITS).unwrap().parse().unwrap();
    let callers_count: usize = std::env::var(CALLERS).unwrap().parse().unwrap();
    let store = open(Path::new(&dir));
    let first = store.stats().rows as usize;
    let callers: Vec<_> = (0..callers_count)
        .map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for commit in 0..commits {
                    let batch = first * 1000 + commit * callers_count + caller;
                    store.commit(rows_of(batch)).await.unwrap();
                    println!("acknowledged {batch}");
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let mut child = spawn_child(child_command(Command::new(own_path()), dir.path(), (8, 1_000_000)));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut heard = 0;
        for line in lines {
            // The last line may be cut off by the kill; then it was not told.
            let Ok(line) = line else { break };
            let Some((_, batch)) = line.split_once("acknowledged ") else { continue };
            acknowledged.push(batch.parse::<usize>().unwrap());
            heard += 1;
            if heard == 300 + 217 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = open(dir.path());
        for batch in &acknowledged {
            for row in 0..ROWS {
                assert!(number(&store, &name(batch * ROWS + row)).is_some(), "batch {batch} is lost");
            }
        }
        // The child's rows come in batches only, so a torn one shows in the count.
        assert_eq!(store.stats().rows as usize % ROWS, 0, "a batch is torn");
        store.close().await;
        assert_eq!(std::fs::read_dir(dir.path().join("blobs")).unwrap().count(), 0);
    }
    assert!(acknowledged.len() >= 300 * rounds);
}

#[test]
fn a_sync_stands_between_every_write_and_its_answer() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-e", "trace=pwrite64,write,fdatasync", "-s", "64", "-o"])
        .arg(&trace)
        .arg(own_path());
    // One caller, so that each answer belongs to the write before it.
    let mut command = child_command(strace, &dir.path().join("store"), (1, 20));
    let output =
        command.output().expect("this test needs strace: install it (Debian: apt-get install strace)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trace = std::fs::read_to_string(trace).unwrap();
    let (mut is_written, mut is_synced, mut answers) = (false, false, 0);
    for line in trace.lines() {
        if line.contains("pwrite64(") && line.contains("/store/db>") {
            (is_written, is_synced) = (true, false);
        } else if line.contains("fdatasync") && line.ends_with("= 0") {
            // Only the log is synced in this way.
            is_synced = true;
        } else if line.contains("acknowledged ") {
            assert!(is_written && is_synced, "answer {answers} came before the sync");
            (is_written, is_synced) = (false, false);
            answers += 1;
        }
    }
    assert_eq!(answers, 20);
}

/// Not a test by itself: the child whose second commit hangs.
#[tokio::test]
async fn a_child_hangs_when_asked_to() {
    let Ok(dir) = std::env::var(HANG_DIR) else { return };
    // Long enough for the first commit on a loaded machine.
    let options = Options { commit_timeout: Duration::from_secs(2), ..Options::default() };
    let (store, faults) = fault::open_with(Path::new(&dir), options).unwrap();
    faults.fail(2, When::Never);
    store.commit(put("a", 1)).await.unwrap();
    store.commit(put("a", 2)).await.unwrap();
}

#[test]
fn a_commit_that_hangs_ends_the_process_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(own_path());
    command.args(["--exact", "crash::a_child_hangs_when_asked_to", "--nocapture"]).env(HANG_DIR, dir.path());
    let output = command.output().unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(number(&open(dir.path()), "a"), Some((1, 1)));
}

fn rows_of(batch: usize) -> Commit {
    let mut commit = Commit::new();
    for row in 0..ROWS {
        commit.put(&NUMBERS, &name(batch * ROWS + row), &(batch as u64));
    }
    commit
}

fn own_path() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

fn child_command(mut command: Command, dir: &Path, (callers, commits): (usize, usize)) -> Command {
    command
        .args(["--exact", "crash::a_child_writes_when_asked_to", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .env(CALLERS, callers.to_string())
        .env(COMMITS, commits.to_string());
    command
}

fn spawn_child(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}
