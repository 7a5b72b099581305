//! Imports go downward: the floors of `src/lib.rs`, and who may know which dependency.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

/// The floors from the ground up; a module may import those named before it.
const FLOORS: [&[&str]; 5] = [
    // Values and bytes.
    &[
        "ber", "proto", "dn", "schema", "filter", "entry", "ldif", "setting",
    ],
    // The directory as data.
    &["access", "store", "mapping", "directory"],
    // Other parties and secrets.
    &["upstream", "auth", "sync"],
    // Serving.
    &["update", "exchange", "server", "admin"],
    // Wiring.
    &["config", "telemetry", "cli"],
];

/// Crates that only some modules may name.
const RESERVED: [(&str, &[&str]); 2] = [
    ("sled::", &["store"]),
    ("ldap3_proto::", &["proto", "upstream"]),
];

#[test]
fn modules_import_downward_only() {
    let mut wrong = Vec::new();
    each_line(|module, place, code| {
        for name in crate_imports(code) {
            let (Some(from), Some(to)) = (position(module), position(&name)) else {
                continue;
            };
            if to > from {
                wrong.push(format!(
                    "{place}: {module} imports {name}, which lies above it"
                ));
            }
        }
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn dependencies_stay_where_they_belong() {
    let mut wrong = Vec::new();
    each_line(|module, place, code| {
        for (name, allowed) in RESERVED {
            if code.contains(name) && !allowed.contains(&module) {
                wrong.push(format!("{place}: {module} uses {name}"));
            }
        }
        if code.contains("tokio::") && FLOORS[..2].concat().contains(&module) {
            wrong.push(format!("{place}: {module} uses tokio"));
        }
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_its_place() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = std::fs::read_to_string(source).unwrap();
    let modules = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules {
        assert!(
            position(module).is_some(),
            "src/lib.rs: {module} is not in FLOORS"
        );
    }
}

fn position(module: &str) -> Option<usize> {
    FLOORS.concat().iter().position(|&name| name == module)
}

/// Calls `check` with module, place and text of each statement or line of code.
fn each_line(mut check: impl FnMut(&str, &str, &str)) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&root) {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let module = first.trim_end_matches(".rs");
        let text = std::fs::read_to_string(&file).unwrap();
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let mut code = code_of(line).to_owned();
            // An import of several names may go over lines.
            while code.contains("crate::{") && !code.contains(';') {
                let Some((_, more)) = lines.next() else { break };
                code.push_str(code_of(more));
            }
            check(
                module,
                &format!("src/{}:{}", relative.display(), number + 1),
                &code,
            );
        }
    }
}

fn code_of(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// The modules named by `crate::name` and `crate::{name, name::Item}`.
fn crate_imports(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    // `$crate` of a macro counts as well; `pub(crate)` has no colons.
    for (at, found) in code.match_indices("crate::") {
        let rest = &code[at + found.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => names.push(leading_name(&std::mem::take(&mut name))),
                    _ => name.push(character),
                }
                if depth == 0 {
                    break;
                }
            }
            names.push(leading_name(&name));
        } else {
            names.push(leading_name(rest));
        }
    }
    names
}

fn leading_name(path: &str) -> String {
    path.trim()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn imports_are_found_in_all_their_forms() {
    let names = |code| crate_imports(code).join(" ");
    assert_eq!(names("use crate::dn::Dn;"), "dn");
    assert_eq!(
        names("use crate::{ber, dn::{Dn, Rdn}, store::Store};"),
        "ber dn store"
    );
    assert_eq!(
        names("let x = crate::entry::Entry::new(crate::dn::Dn::root());"),
        "entry dn"
    );
    assert_eq!(names("pub(crate) fn x() {}"), "");
}
