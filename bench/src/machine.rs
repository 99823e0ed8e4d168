//! What the run is dated and signed with: the day, the processor, the kernel.

use std::{
    fs, thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// The machine of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) memory_bytes: u64,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let memory = read("/proc/meminfo");
        let kibibytes = memory.lines().find_map(|line| {
            line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        });
        Self {
            processor: processor(&read("/proc/cpuinfo")),
            cores: thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            memory_bytes: kibibytes.unwrap_or(0).saturating_mul(1024),
        }
    }

    /// One line for the head of a report.
    pub(crate) fn line(&self) -> String {
        let gigabytes = self.memory_bytes as f64 / 1e9;
        format!("{} cores of {}, {gigabytes:.0} GB, Linux {}", self.cores, self.processor, self.kernel)
    }

    /// For the name of a file: `amd-epyc-2`.
    pub(crate) fn name(&self) -> String {
        let letters = self.processor.to_lowercase();
        let words: Vec<&str> = letters.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        format!("{}-{}", words.join("-"), self.cores)
    }
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    line.map_or_else(|| "an unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

/// Today, in UTC: `2026-11-25`.
pub(crate) fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let (year, month, day) = civil(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Year, month and day of a day that is counted from 1970-01-01.
fn civil(mut day: u64) -> (u64, u64, u64) {
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let months = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (day, date) in [
            (0, (1970, 1, 1)),
            (58, (1970, 2, 28)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_453, (2025, 12, 31)),
            (20_454, (2026, 1, 1)),
        ] {
            assert_eq!(civil(day), date);
        }
    }

    #[test]
    fn a_machine_has_a_name_for_a_file() {
        let machine = Machine {
            processor: processor("processor\t: 0\nmodel name\t: AMD EPYC (TM) 9\n"),
            cores: 2,
            kernel: String::new(),
            memory_bytes: 0,
        };
        assert_eq!(machine.name(), "amd-epyc-tm-9-2");
        assert_eq!(processor(""), "an unknown processor");
    }
}
