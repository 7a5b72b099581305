//! The demo runs out of the box, and what it prints works when pasted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_printed_lines_work_as_pasted() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Demo(
        Command::new(env!("CARGO_BIN_EXE_adduct"))
            .args([
                "--log-format",
                "json",
                "demo",
                "--ldap",
                "127.0.0.1:0",
                "--ldaps",
                "127.0.0.1:0",
            ])
            .arg("--dir")
            .arg(dir.path().join("demo"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let printed = lines(demo.0.stdout.take().unwrap());
    let log = lines(demo.0.stderr.take().unwrap());
    wait_for(&log, |line| line.contains("\"ready\"").then_some(()));

    let mut seen = Vec::new();
    let mut tools = std::collections::BTreeSet::new();
    let mut command = String::new();
    while tools.len() < 2 {
        let line = wait_for(&printed, |line| Some(line.to_owned()));
        let text = line.trim().trim_start_matches("$ ");
        seen.push(line.clone());
        if command.is_empty() && !text.contains("ldapsearch ") && !text.contains("ldapwhoami ") {
            continue;
        }
        command.push_str(text.trim_end_matches('\\'));
        if text.ends_with('\\') {
            continue;
        }
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(
            output.status.success() && !output.stdout.is_empty(),
            "{command}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        if command.contains("ldapsearch") {
            let found = String::from_utf8_lossy(&output.stdout);
            assert!(found.contains("dn:"), "{command}\n{found}");
        }
        tools.insert(command.contains("ldapsearch"));
        command.clear();
    }
}

fn lines(pipe: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // The test has what it wants when nobody receives any more.
            let _ = sender.send(line);
        }
    });
    receiver
}

fn wait_for<T>(lines: &mpsc::Receiver<String>, test: impl Fn(&str) -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = lines
            .recv_timeout(left)
            .unwrap_or_else(|_| panic!("only:\n{}", seen.join("\n")));
        if let Some(found) = test(&line) {
            return found;
        }
        seen.push(line);
    }
}
