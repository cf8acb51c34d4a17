//! What a process of this machine used, with the processes it started, from `/proc`.

use std::{collections::BTreeMap, fs, io, time::Duration};

/// Ticks in which Linux tells CPU time to programs: 100 a second on every architecture Rust runs on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What a process used since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// In user space and in the kernel, all threads, and all processes that it started.
    pub(super) cpu: Duration,
    /// The most memory it had at once, and so of the processes that it started and that are there. Bytes.
    pub(super) peak_rss: u64,
}

/// What a process used, or this one.
///
/// # Errors
/// When there is no such process, or the system does not tell.
pub(super) fn usage(pid: Option<u32>) -> io::Result<Usage> {
    let pid = pid.unwrap_or_else(std::process::id);
    let mut sum = of_one(pid)?;
    // One that ends meanwhile is in the time of its parent.
    for usage in descendants(pid, &parents()?).into_iter().filter_map(|child| of_one(child).ok()) {
        sum.cpu = sum.cpu.saturating_add(usage.cpu);
        sum.peak_rss = sum.peak_rss.saturating_add(usage.peak_rss);
    }
    Ok(sum)
}

fn of_one(pid: u32) -> io::Result<Usage> {
    let (stat, status) = (fs::read_to_string(format!("/proc/{pid}/stat"))?, fs::read_to_string(format!("/proc/{pid}/status"))?);
    let read = cpu(&stat).zip(peak_rss(&status)).map(|(cpu, peak_rss)| Usage { cpu, peak_rss });
    read.ok_or_else(|| io::Error::other("what /proc says cannot be read"))
}

/// Every process with its parent. Those that end meanwhile are left out.
fn parents() -> io::Result<BTreeMap<u32, u32>> {
    let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse::<u32>().ok());
    Ok(pids.filter_map(|pid| Some((pid, parent(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))).collect())
}

/// The children of a process, their children, and so on.
fn descendants(pid: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let (mut found, mut next) = (vec![pid], 0);
    while let Some(&parent) = found.get(next) {
        let children = parents.iter().filter(|(child, of)| **of == parent && !found.contains(child));
        let children: Vec<u32> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

/// The fields of `proc_pid_stat(5)` from the third one on. The second one, the name, may have spaces and brackets in it.
fn fields(stat: &str) -> Option<impl Iterator<Item = &str>> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace())
}

/// Fields 14 and 15, and 16 and 17 for children that ended.
fn cpu(stat: &str) -> Option<Duration> {
    let times: Vec<u64> = fields(stat)?.skip(11).take(4).map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, system, of_user, of_system] = times[..] else { return None };
    let sum = user.checked_add(system)?.checked_add(of_user)?.checked_add(of_system)?;
    TICK.checked_mul(u32::try_from(sum).ok()?)
}

/// Field 4.
fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.nth(1)?.parse().ok()
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_figures_are_found_whatever_the_process_is_called() {
        let stat = "42 (a) S 1 (b) R 7 2 3 4 5 6 7 8 9 10 150 250 30 70 20 0";
        assert_eq!((cpu(stat), parent(stat)), (Some(Duration::from_secs(5)), Some(7)));
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!((cpu("42 (a) S"), cpu(""), parent("42 (a) S"), peak_rss("VmRSS: 1 kB")), (None, None, None, None));
    }

    #[test]
    fn children_of_children_belong_to_a_process_and_its_parents_do_not() {
        let parents = BTreeMap::from([(1, 0), (10, 1), (11, 10), (12, 11), (13, 11), (20, 1), (21, 20)]);
        assert_eq!(descendants(10, &parents), [11, 12, 13]);
        assert_eq!(descendants(21, &parents), [] as [u32; 0]);
        assert_eq!(descendants(1, &BTreeMap::from([(1, 1)])), [] as [u32; 0], "no circle is walked twice");
    }

    #[test]
    fn a_child_of_this_process_is_found_and_counted() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let found = descendants(std::process::id(), &parents().unwrap());
        let own = of_one(std::process::id()).unwrap().peak_rss;
        let sum = usage(None).unwrap().peak_rss;
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&child.id()), "{found:?}");
        assert!(sum > own, "{sum} {own}");
    }

    #[test]
    fn work_shows_in_our_own_figures() {
        let before = usage(None).unwrap();
        let mut value = 0u64;
        // Bounded: a tick is 10 ms of work.
        for round in 0..2_000_000_000u64 {
            value = std::hint::black_box(value.wrapping_add(round));
            if round % 1_000_000 == 0 && usage(None).unwrap().cpu > before.cpu {
                break;
            }
        }
        assert!(usage(None).unwrap().cpu > before.cpu);
        assert!(before.peak_rss > 0);
        assert!(usage(Some(u32::MAX)).is_err());
    }
}
