//! What Linux tells of a process.

/// Ticks in a second as `/proc` counts them, on every architecture that Lambda has.
const TICKS: f64 = 100.0;

/// Seconds of processor time that a process has taken, and those of its children that have ended.
pub(crate) fn cpu(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("the process runs");
    // The name in brackets may hold anything; the fields behind it are counted from the process's state.
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: u32 = ticks.map(|ticks| ticks.parse::<u32>().expect("ticks are numbers")).sum();
    f64::from(ticks) / TICKS
}

/// The most memory that it has held so far, in MiB; `None` where it has ended.
pub(crate) fn peak(id: u32) -> Option<f64> {
    memory(id, "VmHWM:")
}

/// The memory that it holds now, in MiB; `None` where it has ended.
pub(crate) fn resident(id: u32) -> Option<f64> {
    memory(id, "VmRSS:")
}

fn memory(id: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("memory is a number");
    Some(kilobytes / 1024.0)
}

/// The number of processors, and how many processes want one at the moment: what else the machine does shows there.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} cores, {}, load of the last minute {load}", std::env::consts::ARCH)
}
