//! `export`: the store of a stopped server as LDIF.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    process::ExitCode,
};

use anyhow::Context as _;

use super::{args::ExportArgs, open, output};
use crate::{config::Config, exchange::export};

/// Writes the entries to the file or to stdout.
pub(super) fn run(config: &Config, args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let base = args.base.as_deref();
    let Some(out) = &args.out else {
        let mut writer = BufWriter::new(io::stdout().lock());
        write(config, base, &mut writer)?;
        writer.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    // Password hashes are in it.
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(out)
        .with_context(|| format!("creating {}", out.display()))?;
    let mut writer = BufWriter::new(file);
    let entries = write(config, base, &mut writer)
        .and_then(|entries| {
            writer.flush()?;
            writer.get_ref().sync_all()?;
            Ok(entries)
        })
        .with_context(|| format!("writing {}", out.display()))?;
    if args.json {
        output::print_json(&serde_json::json!({ "entries": entries, "file": out }))?;
    } else {
        output::print(&format!("exported {entries} entries to {}", out.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes `base` and what is below it, or everything, and gives the number of entries.
fn write(config: &Config, base: Option<&str>, out: &mut dyn Write) -> anyhow::Result<u64> {
    Ok(export(&open::directory(config)?, base, out)?)
}
