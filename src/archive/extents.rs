//! Which parts of an object are there: a set of byte ranges that do not touch each other.

use std::collections::BTreeMap;
use std::ops::Range;

/// Ranges of bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Extents(BTreeMap<u64, u64>);

impl Extents {
    /// Adds a range, joined with those that it touches.
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        if let Some((&before, &until)) = self.0.range(..=start).next_back()
            && until >= start
        {
            start = before;
            end = end.max(until);
        }
        while let Some((&next, &until)) = self.0.range(start..=end).next() {
            self.0.remove(&next);
            end = end.max(until);
        }
        self.0.insert(start, end);
    }

    /// Takes a range out.
    pub(super) fn remove(&mut self, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&start, &end)) = self.0.range(..range.end).next_back().filter(|(_, end)| **end > range.start) {
            self.0.remove(&start);
            if start < range.start {
                self.0.insert(start, range.start);
            }
            if end > range.end {
                self.0.insert(range.end, end);
            }
        }
    }

    /// Where what is there from `at` on ends; `None`: `at` is not there.
    pub(super) fn end_from(&self, at: u64) -> Option<u64> {
        self.0.range(..=at).next_back().map(|(_, end)| *end).filter(|end| *end > at)
    }

    /// Where something is there again, from `at` on.
    pub(super) fn next_from(&self, at: u64) -> Option<u64> {
        self.0.range(at..).next().map(|(start, _)| *start)
    }

    /// What of a range is not there, in order.
    pub(super) fn gaps(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = range.start;
        while at < range.end {
            if let Some(end) = self.end_from(at) {
                at = end;
                continue;
            }
            let end = self.next_from(at).unwrap_or(range.end).min(range.end);
            gaps.push(at..end);
            at = end;
        }
        gaps
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as a list of bytes, slow and simple.
    fn bytes(extents: &Extents) -> Vec<bool> {
        (0..64).map(|at| extents.end_from(at).is_some()).collect()
    }

    #[test]
    fn ranges_are_as_their_bytes_one_by_one() {
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let (mut extents, mut model) = (Extents::default(), vec![false; 64]);
            for _ in 0..dice.usize(1..12) {
                let start = dice.usize(0..64);
                let end = dice.usize(start..=64);
                let there = dice.u8(..3) > 0;
                let range = start as u64..end as u64;
                if there {
                    extents.insert(range);
                } else {
                    extents.remove(&range);
                }
                model[start..end].fill(there);
                assert_eq!(bytes(&extents), model);
                assert_eq!(extents.len(), model.iter().filter(|there| **there).count() as u64);
                let ranges: Vec<_> = extents.0.iter().collect();
                assert!(ranges.windows(2).all(|pair| pair[0].1 < pair[1].0), "{ranges:?} touch");
            }
            let mut missing = model.clone();
            for gap in extents.gaps(&(0..64)) {
                for at in gap {
                    let at = usize::try_from(at).unwrap();
                    assert!(!missing[at]);
                    missing[at] = true;
                }
            }
            assert!(missing.iter().all(|known| *known));
            let next = |at: u64| (at..64).find(|at| model[usize::try_from(*at).unwrap()]);
            for at in 0..64 {
                let expected =
                    next(at).filter(|found| *found > at || at == 0 || !model[usize::try_from(at - 1).unwrap()]);
                if expected.is_some() {
                    assert_eq!(extents.next_from(at), expected);
                }
            }
        }
    }
}
