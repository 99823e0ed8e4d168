//! The numbers of one thing, each with its past as soon as it has one.

use super::{
    Level, Range, Series, TICK_MS,
    past::{Past, Sample, Shown},
};

/// Numbers that only grow until there is another thing in their place, and numbers that come and go: which are which is said
/// by how many of the former there are. They come first.
#[derive(Debug)]
pub(crate) struct Track<const NUMBERS: usize> {
    last: [u64; NUMBERS],
    /// None while none of them has moved lately.
    series: Option<Box<[Option<Series>; NUMBERS]>>,
    /// When it was there last.
    pub(crate) seen: u32,
}

impl<const NUMBERS: usize> Track<NUMBERS> {
    /// Of a thing whose numbers were these when it was seen first.
    pub(crate) fn new(last: [u64; NUMBERS]) -> Self {
        Self { last, series: None, seen: 0 }
    }

    /// Takes a sample. `growing` is how many of the numbers only grow.
    pub(crate) fn push(&mut self, retention: &[Level], tick: u32, values: &[u64; NUMBERS], growing: usize) {
        self.seen = tick;
        if values.iter().zip(&self.last).take(growing).any(|(value, last)| value < last) {
            // It is another thing of the same name.
            *self = Self { seen: tick, ..Self::new([0; NUMBERS]) };
        }
        if *values == self.last {
            return;
        }
        let all = self.series.get_or_insert_with(|| Box::new([const { None }; NUMBERS]));
        for ((value, last), series) in values.iter().zip(&mut self.last).zip(&mut **all) {
            if value != last {
                let series = series.get_or_insert_with(|| Series::new(retention, tick, *last));
                series.push(retention, tick, *value);
                *last = *value;
            }
        }
    }

    /// Forgets its past.
    pub(crate) fn forget(&mut self) {
        self.series = None;
    }

    /// Forgets series that have been flat since before `tick`.
    pub(crate) fn trim(&mut self, tick: u32) {
        let Some(all) = &mut self.series else { return };
        for series in &mut **all {
            series.take_if(|series| series.changed_at() < tick);
        }
        if all.iter().all(Option::is_none) {
            self.series = None;
        }
    }

    fn series(&self, number: usize) -> Option<&Series> {
        self.series.as_ref()?.get(number)?.as_ref()
    }

    #[cfg(test)]
    fn details(&self, numbers: &[usize], retention: &'static [Level]) -> Details<'_> {
        let mut details = Details::new(retention);
        details.add(self, numbers);
        details
    }
}

/// The past of a sum of numbers, as it was sampled.
#[derive(Clone, Debug)]
pub(crate) struct Details<'a> {
    series: Vec<&'a Series>,
    /// Numbers that have not moved.
    base: u64,
    retention: &'static [Level],
}

impl<'a> Details<'a> {
    /// Of nothing yet.
    pub(crate) fn new(retention: &'static [Level]) -> Self {
        Self { series: Vec::new(), base: 0, retention }
    }

    /// Together with some of the numbers of a thing, which are kept for as long.
    pub(crate) fn add<const NUMBERS: usize>(&mut self, track: &'a Track<NUMBERS>, numbers: &[usize]) {
        for number in numbers {
            match track.series(*number) {
                Some(series) => self.series.push(series),
                None => self.add_flat(track.last.get(*number).copied().unwrap_or_default()),
            }
        }
    }

    /// Together with a number that has not moved.
    pub(crate) fn add_flat(&mut self, value: u64) {
        self.base = self.base.wrapping_add(value);
    }

    /// The sums at these ticks, which ascend.
    fn at(&self, level: usize, ticks: impl Iterator<Item = u32> + Clone) -> Vec<u64> {
        let mut sums = vec![self.base; ticks.clone().count()];
        for series in &self.series {
            let values = series.at(level, self.retention, ticks.clone());
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(value);
            }
        }
        sums
    }

    /// By how much it grew a second, between the last two samples.
    fn rate(&self, tick: u32) -> f64 {
        if self.series.iter().all(|series| series.changed_at() < tick) {
            return 0.0;
        }
        let around = self.at(0, [tick.saturating_sub(1), tick].into_iter());
        around.first().zip(around.last()).map_or(0.0, |(from, to)| growth(*from, *to) / seconds(1))
    }

    /// As RabbitMQ shows it: the rate, and what the range asks for.
    pub(crate) fn show(&self, tick: u32, range: Option<Range>) -> Past {
        let rate = self.rate(tick);
        let Some(Range { age_s, step_s }) = range else { return Past { rate, shown: None } };
        let ticks_of = |seconds: u32| u32::try_from(u64::from(seconds) * 1000 / TICK_MS).unwrap_or(u32::MAX);
        let age = ticks_of(age_s);
        let fits = |(unit, kept): &Level| unit.saturating_mul(*kept) >= age;
        let last = self.retention.len().saturating_sub(1);
        let level = self.retention.iter().position(fits).unwrap_or(last);
        let (unit, kept) = self.retention.get(level).copied().unwrap_or((1, 1));
        let step = ticks_of(step_s).max(unit);
        let count = (age / step).min(kept);
        let newest = tick / step * step;
        let ticks = (0..=count).rev().map(|back| newest.saturating_sub(back.saturating_mul(step)));
        let values = self.at(level, ticks.clone());
        let span = seconds(count.saturating_mul(step));
        let grown = values.first().zip(values.last()).map_or(0.0, |(from, to)| growth(*from, *to));
        let avg = values.iter().map(|value| *value as f64).sum::<f64>() / values.len().max(1) as f64;
        let samples = ticks.zip(values);
        let mut samples: Vec<Sample> =
            samples.map(|(tick, sample)| Sample { sample, timestamp: u64::from(tick) * TICK_MS }).collect();
        samples.reverse();
        let avg_rate = if span > 0.0 { grown / span } else { 0.0 };
        Past { rate, shown: Some(Box::new(Shown { avg, avg_rate, samples })) }
    }
}

fn seconds(ticks: u32) -> f64 {
    f64::from(ticks) * (TICK_MS / 1000) as f64
}

/// What comes and goes may have become less.
fn growth(from: u64, to: u64) -> f64 {
    to.wrapping_sub(from).cast_signed() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::BASIC;

    #[test]
    fn a_rate_is_that_of_the_last_step() {
        let mut track = Track::<2>::new([0; 2]);
        for (tick, value) in [(10, 50), (11, 150), (12, 150)] {
            track.push(BASIC, tick, &[value, 7], 1);
        }
        assert_eq!(track.details(&[0], BASIC).rate(11), 20.0);
        assert_eq!(track.details(&[0], BASIC).rate(12), 0.0);
        assert_eq!(track.details(&[0, 1], BASIC).rate(10), 11.4);
    }

    #[test]
    fn what_comes_and_goes_may_shrink_and_what_grows_begins_anew() {
        let mut track = Track::<2>::new([0; 2]);
        track.push(BASIC, 1, &[10, 10], 1);
        track.push(BASIC, 2, &[10, 5], 1);
        assert_eq!(track.details(&[1], BASIC).rate(2), -1.0);
        track.push(BASIC, 3, &[5, 5], 1);
        assert_eq!(track.details(&[0], BASIC).rate(3), 1.0);
    }

    #[test]
    fn samples_are_those_of_rabbitmq() {
        let mut track = Track::<1>::new([0]);
        for tick in 100..=120 {
            track.push(BASIC, tick, &[u64::from(tick) * 10], 1);
        }
        let past = |age_s, step_s| track.details(&[0], BASIC).show(120, Some(Range { age_s, step_s }));
        let Past { rate, shown: Some(shown) } = past(60, 5) else { panic!("there is no past") };
        assert_eq!(shown.samples.len(), 13);
        assert_eq!(shown.samples.first(), Some(&Sample { sample: 1200, timestamp: 600_000 }));
        assert_eq!(shown.samples.last(), Some(&Sample { sample: 1080, timestamp: 540_000 }));
        assert_eq!((shown.avg, shown.avg_rate, rate), (1140.0, 2.0, 2.0));
        let Some(coarse) = past(3600, 60).shown else { panic!("there is no past") };
        let values: Vec<u64> = coarse.samples.iter().map(|sample| sample.sample).collect();
        assert_eq!(values.len(), 61);
        assert_eq!(values.get(..3), Some(&[1200, 1080, 0][..]), "at full minutes, and before it was seen");
    }

    #[test]
    fn a_flat_series_is_forgotten() {
        let mut track = Track::<1>::new([0]);
        track.push(BASIC, 1, &[1], 1);
        track.trim(1);
        assert!(track.series.is_some());
        track.trim(2);
        assert!(track.series.is_none());
        let past = track.details(&[0], BASIC).show(3, Some(Range { age_s: 5, step_s: 5 }));
        assert_eq!(past.shown.map(|shown| shown.avg), Some(1.0));
    }
}
