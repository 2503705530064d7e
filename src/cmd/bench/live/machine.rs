//! What Linux tells of this process.

use std::fs;

use anyhow::Context as _;

use crate::cmd::progress::float;

/// Seconds that the server's threads have been at work, from what Linux tells of each.
pub(in crate::cmd::bench) fn busy() -> anyhow::Result<f64> {
    let mut ticks = 0;
    for task in fs::read_dir("/proc/self/task").context("this needs Linux's /proc")? {
        let task = task?.path();
        let name = fs::read_to_string(task.join("comm"))?;
        if !["simulation", "network", "publisher"].contains(&name.trim()) {
            continue;
        }
        let stat = fs::read_to_string(task.join("stat"))?;
        // After the name in brackets: the 12th and 13th fields are user and system time.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let times = fields.skip(11).take(2).filter_map(|time| time.parse::<u64>().ok());
        ticks += times.sum::<u64>();
    }
    // Linux tells times to programs in hundredths of a second.
    Ok(float(ticks) / 100.0)
}

/// Bytes of memory in use.
pub(super) fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

/// Threads of this process.
pub(super) fn threads() -> anyhow::Result<u64> {
    let tasks = fs::read_dir("/proc/self/task").context("this needs Linux's /proc")?;
    Ok(tasks.count() as u64)
}
