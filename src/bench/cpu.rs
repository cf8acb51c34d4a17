//! What a process of this machine used, from `/proc`.

use std::{io, time::Duration};

/// Ticks in which Linux tells CPU time to programs: 100 a second on every architecture Rust runs on (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What a process used since it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    /// In user space and in the kernel, all threads.
    pub(super) cpu: Duration,
    /// The most memory it had at once. Bytes.
    pub(super) peak_rss: u64,
}

/// What a process used, or this one.
///
/// # Errors
/// When there is no such process, or the system does not tell.
pub(super) fn usage(pid: Option<u32>) -> io::Result<Usage> {
    let directory = pid.map_or_else(|| "/proc/self".to_owned(), |pid| format!("/proc/{pid}"));
    let (stat, status) = (std::fs::read_to_string(format!("{directory}/stat"))?, std::fs::read_to_string(format!("{directory}/status"))?);
    let read = cpu(&stat).zip(peak_rss(&status)).map(|(cpu, peak_rss)| Usage { cpu, peak_rss });
    read.ok_or_else(|| io::Error::other("what /proc says cannot be read"))
}

/// Fields 14 and 15 of `proc_pid_stat(5)`. The second one, the name, may have spaces and brackets in it.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    TICK.checked_mul(u32::try_from(user.checked_add(system)?).ok()?)
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_whatever_the_process_is_called() {
        let stat = "42 (a) S 1 (b) R 1 2 3 4 5 6 7 8 9 10 150 250 0 0 20 0";
        assert_eq!(cpu(stat), Some(Duration::from_secs(4)));
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t 1 kB\n"), Some(2 << 20));
        assert_eq!((cpu("42 (a) S"), cpu(""), peak_rss("VmRSS: 1 kB")), (None, None, None));
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
