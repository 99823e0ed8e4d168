//! How far long work has come: a bar on a terminal, nothing anywhere else.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What is done sooner needs no bar.
const QUICK: Duration = Duration::from_millis(300);
/// Between two pictures.
const PAUSE: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// See the module's documentation. It is drawn on the standard error output, beside the results, by a thread of its own: who
/// works may wait for an answer meanwhile.
#[derive(Debug)]
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    /// None where nobody looks.
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// `whole`: how much there is to do, in whatever unit; 0 if that is not known.
    pub(crate) fn new(what: &'static str, whole: u64) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let painter = io::stderr().is_terminal().then(|| {
            let (end, ended) = mpsc::channel();
            let (begun, done) = (Instant::now(), Arc::clone(&done));
            let paint = move || {
                let mut pause = QUICK;
                while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                    pause = PAUSE;
                    let line = line(what, done.load(Ordering::Relaxed), whole, begun.elapsed().as_secs());
                    // A terminal that is gone needs no bar.
                    write!(io::stderr(), "\r\x1b[K{line}").unwrap_or_default();
                }
                if pause == PAUSE {
                    write!(io::stderr(), "\r\x1b[K").unwrap_or_default();
                }
            };
            (end, thread::spawn(paint))
        });
        Self { done, painter }
    }

    /// So much is done.
    pub(crate) fn show(&self, done: u64) {
        self.done.store(done, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    /// Takes the bar away, before anything else is said.
    fn drop(&mut self) {
        if let Some((end, painter)) = self.painter.take() {
            drop(end);
            painter.join().unwrap_or_default();
        }
    }
}

fn line(what: &str, done: u64, whole: u64, seconds: u64) -> String {
    if whole == 0 {
        return format!("{what} … {seconds} s");
    }
    let done = done.min(whole);
    let share = |of: u64| u64::try_from(u128::from(done) * u128::from(of) / u128::from(whole)).unwrap_or(of);
    let filled = usize::try_from(share(WIDTH)).unwrap_or_default();
    let rest = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(filled);
    format!("[{}{}] {:>3} %  {what}, {seconds} s", "#".repeat(filled), " ".repeat(rest), share(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        assert_eq!(line("sent", 0, 10, 0), format!("[{}]   0 %  sent, 0 s", " ".repeat(30)));
        assert_eq!(
            line("sent", 5, 10, 1),
            format!("[{}{}]  50 %  sent, 1 s", "#".repeat(15), " ".repeat(15))
        );
        assert_eq!(line("sent", u64::MAX, u64::MAX, 2), format!("[{}] 100 %  sent, 2 s", "#".repeat(30)));
        assert_eq!(line("purging", 7, 0, 3), "purging … 3 s");
    }
}
