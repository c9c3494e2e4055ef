//! Several measurements of one thing.

use std::fmt::Write as _;

/// They are told as a median and the two ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(Vec<f64>);

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(measured: I) -> Self {
        Self(measured.into_iter().collect())
    }
}

impl Sample {
    pub(crate) fn add(&mut self, measured: f64) {
        self.0.push(measured);
    }

    pub(crate) fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], sorted[middle]) } else { sorted[middle] }
    }

    /// Processor time is counted in ticks of 10 ms, of which a small job takes none or one: its mean tells more.
    #[expect(clippy::cast_precision_loss, reason = "there are few measurements")]
    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    /// In another unit.
    pub(crate) fn times(&self, factor: f64) -> Self {
        self.0.iter().map(|one| one * factor).collect()
    }

    /// This by `other`, round for round: what else the machine does meets both of a round.
    pub(crate) fn by(&self, other: &Self) -> Self {
        self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect()
    }

    /// Median, least and most, with so many digits behind the point.
    pub(crate) fn shown(&self, digits: usize) -> String {
        let sorted = self.sorted();
        let (least, most) = (sorted[0], sorted[sorted.len() - 1]);
        let mut text = format!("{:.digits$}", self.median());
        write!(text, " ({least:.digits$}–{most:.digits$})").expect("a String takes everything");
        text
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}
