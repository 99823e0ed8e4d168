//! Numbers as RabbitMQ shows them: each with its rate, and with samples where somebody asks for them.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{Details, Level, Range, Track};

/// How a number has moved.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Past {
    /// A second.
    pub(crate) rate: f64,
    pub(crate) shown: Option<Box<Shown>>,
}

/// What a range asks for.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Shown {
    pub(crate) avg: f64,
    pub(crate) avg_rate: f64,
    /// Values and milliseconds since 1970, the newest first.
    pub(crate) samples: Vec<Sample>,
}

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub(crate) struct Sample {
    pub(crate) sample: u64,
    /// Milliseconds since 1970.
    pub(crate) timestamp: u64,
}

impl Serialize for Past {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("rate", &self.rate)?;
        if let Some(shown) = &self.shown {
            map.serialize_entry("avg_rate", &shown.avg_rate)?;
            map.serialize_entry("avg", &shown.avg)?;
            map.serialize_entry("samples", &shown.samples)?;
        }
        map.end()
    }
}

/// One line of what is shown: its name, the name of its past, and the numbers whose sum it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line(pub(crate) &'static str, pub(crate) &'static str, pub(crate) &'static [usize]);

/// Numbers with their past, each as `name` and `name_details`.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Stats(Vec<(&'static str, &'static str, u64, Past)>);

/// When the last samples were taken, and what of the past is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) tick: u32,
    pub(crate) range: Option<Range>,
    pub(crate) retention: &'static [Level],
}

/// The numbers of a thing now, and its track, if it has one.
pub(crate) type Part<'a, const NUMBERS: usize> = ([u64; NUMBERS], Option<&'a Track<NUMBERS>>);

impl Stats {
    /// The sums over things of a kind.
    pub(crate) fn of<const NUMBERS: usize>(lines: &[Line], parts: &[Part<'_, NUMBERS>], view: View) -> Self {
        let line = |Line(name, details, numbers): &Line| {
            let mut value = 0_u64;
            let mut past = Details::new(view.retention);
            for (now, track) in parts {
                let its = numbers
                    .iter()
                    .filter_map(|at| now.get(*at))
                    .fold(0_u64, |sum, one| sum.wrapping_add(*one));
                value = value.wrapping_add(its);
                match track {
                    Some(track) => past.add(track, numbers),
                    None => past.add_flat(its),
                }
            }
            (*name, *details, value, past.show(view.tick, view.range))
        };
        Self(lines.iter().map(line).collect())
    }

    /// Those of both.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A number, or the rate of one (as `name_details.rate`).
    pub(crate) fn find(&self, path: &str) -> Option<serde_json::Value> {
        if let Some((_, _, value, _)) = self.0.iter().find(|(name, ..)| *name == path) {
            return Some((*value).into());
        }
        let wanted = path.strip_suffix(".rate")?;
        let (.., past) = self.0.iter().find(|(_, details, ..)| *details == wanted)?;
        Some(past.rate.into())
    }
}

impl Serialize for Stats {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len() * 2))?;
        for (name, details, value, past) in &self.0 {
            map.serialize_entry(name, value)?;
            map.serialize_entry(details, past)?;
        }
        map.end()
    }
}
