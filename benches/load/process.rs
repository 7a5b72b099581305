//! What the kernel says of a process: processor time and memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Processor time and memory of a process up to now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system time of all threads, those that ended included; in steps of 10 ms.
    pub(crate) processor: Duration,
    pub(crate) resident_kib: u64,
    /// What of that no file backs.
    pub(crate) own_kib: u64,
}

impl Usage {
    /// Reads /proc/PID, `process` being a number or `self`.
    pub(crate) fn of(process: &str) -> anyhow::Result<Self> {
        let path = |name| format!("/proc/{process}/{name}");
        let read =
            |path: String| fs::read_to_string(&path).with_context(|| format!("reading {path}"));
        let stat = read(path("stat"))?;
        let status = read(path("status"))?;

        // The second field is the program's name in parentheses and may hold anything.
        let (_, fields) = stat
            .rsplit_once(") ")
            .context("/proc/PID/stat without a name")?;
        let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let (Some(Ok(user)), Some(Ok(system))) = (times.next(), times.next()) else {
            anyhow::bail!("/proc/PID/stat without times");
        };
        let kib = |name| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            value.and_then(|text| text.trim().strip_suffix(" kB")?.trim().parse().ok())
        };
        let resident = kib("VmRSS:");
        ensure!(resident.is_some(), "process {process} has ended");
        Ok(Self {
            processor: Duration::from_millis((user + system) * MILLIS_PER_TICK),
            resident_kib: resident.unwrap_or(0),
            own_kib: kib("RssAnon:").unwrap_or(0),
        })
    }
}

/// Linux reports in hundredths of a second on every architecture but Alpha.
const MILLIS_PER_TICK: u64 = 10;
