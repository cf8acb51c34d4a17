//! The way of log lines to the standard error stream.
//!
//! - A line that tells of a request waits a moment for others, so that one write carries them all: a write for each would be
//!   a good part of what a small request costs, and one thread at a time may write.
//! - Every other line is written at once, behind those that wait. So the order of lines is the order in which they were told.
//! - When too much waits, whoever has the next line writes all of it: nothing is dropped, and memory is bounded.

use std::{
    io::{self, Write},
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};
use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of lines that may wait.
pub(crate) const REQUESTS: &str = "partway::request";

/// How long the first of them waits at most for others.
const PAUSE: Duration = Duration::from_millis(10);

/// How much may wait. Bytes.
const WAITING_SIZE_MAX: usize = 256 << 10;

/// Lines on their way to `W`.
pub(super) struct Lines<W> {
    /// Held for a moment only, never while something is written.
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held by who writes. It is taken first.
    out: Mutex<Out<W>>,
}

struct Out<W> {
    to: W,
    /// What was waiting, while it is written.
    taken: Vec<u8>,
}

impl<W: Write> Lines<W> {
    /// Lines to be written there. Those that may wait need somebody who calls [`Self::write_what_comes`].
    pub(super) const fn new(to: W) -> Self {
        Self { waiting: Mutex::new(Vec::new()), arrived: Condvar::new(), out: Mutex::new(Out { to, taken: Vec::new() }) }
    }

    /// Writes the lines that wait, each time some have come, for ever.
    fn write_what_comes(&self) -> ! {
        loop {
            drop(self.arrived.wait_while(locked(&self.waiting), |waiting| waiting.is_empty()).unwrap_or_else(PoisonError::into_inner));
            thread::sleep(PAUSE);
            // Who cannot be told cannot be told of that either.
            let _ = self.flush();
        }
    }

    /// Writes all lines that wait.
    pub(super) fn flush(&self) -> io::Result<()> {
        self.write_with(&[])
    }

    /// Lets a line wait; `false` when too much does.
    fn keep(&self, line: &[u8]) -> bool {
        let mut waiting = locked(&self.waiting);
        if waiting.len().saturating_add(line.len()) > WAITING_SIZE_MAX {
            return false;
        }
        let is_first = waiting.is_empty();
        waiting.extend_from_slice(line);
        drop(waiting);
        if is_first {
            self.arrived.notify_one();
        }
        true
    }

    /// Writes all lines that wait, and this one.
    fn write_with(&self, line: &[u8]) -> io::Result<()> {
        let mut out = locked(&self.out);
        let Out { to, taken } = &mut *out;
        mem::swap(taken, &mut *locked(&self.waiting));
        let written = to.write_all(taken).and_then(|()| to.write_all(line));
        taken.clear();
        written
    }
}

impl Lines<io::Stderr> {
    /// Begins to write lines that wait.
    ///
    /// # Errors
    /// When there can be no thread for it.
    pub(super) fn start(&'static self) -> io::Result<()> {
        thread::Builder::new().name("log-lines".to_owned()).spawn(|| self.write_what_comes()).map(drop)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a line goes.
pub(super) struct Line<'a, W> {
    lines: &'a Lines<W>,
    may_wait: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !(self.may_wait && self.lines.keep(line)) {
            self.lines.write_with(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a, W: Write + 'static> MakeWriter<'a> for &'static Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Self::Writer {
        Line { lines: self, may_wait: false }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        Line { lines: self, may_wait: meta.target() == REQUESTS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(lines: &Lines<Vec<u8>>, text: &str, may_wait: bool) {
        Line { lines, may_wait }.write_all(text.as_bytes()).unwrap();
    }

    fn written(lines: &Lines<Vec<u8>>) -> String {
        String::from_utf8(locked(&lines.out).to.clone()).unwrap()
    }

    #[test]
    fn lines_that_wait_come_before_those_that_were_told_later() {
        let lines = Lines::new(Vec::new());
        line(&lines, "request 1\n", true);
        line(&lines, "request 2\n", true);
        assert_eq!(written(&lines), "");
        line(&lines, "a warning\n", false);
        line(&lines, "request 3\n", true);
        assert_eq!(written(&lines), "request 1\nrequest 2\na warning\n");
        lines.flush().unwrap();
        lines.flush().unwrap();
        assert_eq!(written(&lines), "request 1\nrequest 2\na warning\nrequest 3\n");
    }

    #[test]
    fn what_waits_is_bounded_and_nothing_is_dropped() {
        let lines = Lines::new(Vec::new());
        let text = format!("{}\n", "x".repeat(999));
        for count in 1..=1_000 {
            line(&lines, &text, true);
            let waiting = locked(&lines.waiting).len();
            assert!(waiting <= WAITING_SIZE_MAX);
            assert_eq!(written(&lines).len() + waiting, count * text.len());
        }
        line(&lines, &"y".repeat(WAITING_SIZE_MAX + 1), true);
        assert!(written(&lines).ends_with('y'), "a line of any length is written");
    }

    #[test]
    fn a_line_that_waits_is_written_soon_by_somebody_else() {
        static LINES: Lines<Vec<u8>> = Lines::new(Vec::new());
        thread::spawn(|| LINES.write_what_comes());
        for text in ["a\n", "b\n"] {
            line(&LINES, text, true);
            while !written(&LINES).ends_with(text) {
                thread::yield_now();
            }
        }
        assert_eq!(written(&LINES), "a\nb\n");
    }
}
