//! Where entries lie in a zip, and which parts of it are worth fetching for some of them: neighbours in one piece.

use std::collections::HashSet;
use std::ops::Range;

use super::directory::{Place, Record};

/// Widest gap between two entries that is fetched along with them: at a usual 75 MB a second it costs less than the two
/// milliseconds that one more request keeps a connection waiting, at the least.
const GAP: u64 = 128 << 10;
/// How much may be fetched in vain whatever is needed.
const WASTE: u64 = 1 << 20;
/// Longest header before an entry's bytes (APPNOTE 4.3.7: 30 bytes, name, extra field) and descriptor behind them.
const LONGEST_FRAME: u64 = 30 + 2 * 65_535 + 24;

/// Shortest header before an entry's bytes.
const SHORTEST_FRAME: u64 = 30;

/// Where the entries of a zip begin, in order, and where the last one ends.
#[derive(Debug, Default)]
pub(super) struct Bounds(Vec<u64>);

impl Bounds {
    /// The bounds of all entries before the directory; else one that lies over another, or over the directory.
    pub(super) fn of(records: &[Record], directory: u64) -> Result<Self, &Record> {
        let mut places: Vec<(u64, u64, &Record)> = Vec::with_capacity(records.len());
        for record in records {
            if let Place::Zip { header, stored, .. } = record.place {
                places.push((header, header.saturating_add(SHORTEST_FRAME).saturating_add(stored), record));
            }
        }
        places.sort_unstable_by_key(|(header, ..)| *header);
        let mut bounds: Vec<u64> = Vec::with_capacity(places.len() + 1);
        bounds.extend(places.iter().map(|(header, ..)| *header).chain([directory]));
        let over = places.iter().zip(bounds.iter().skip(1)).find(|((_, end, _), next)| end > *next);
        match over {
            Some(((.., record), _)) => Err(record),
            None => Ok(Self(bounds)),
        }
    }

    /// Where the entry that begins at `header` ends at the latest.
    pub(super) fn end(&self, header: u64) -> u64 {
        self.0.get(self.0.partition_point(|bound| *bound <= header)).copied().unwrap_or(u64::MAX)
    }

    /// The parts to fetch for these entries, in order, none touching another.
    pub(super) fn ranges<'r>(&self, records: impl IntoIterator<Item = &'r Record>) -> Vec<Range<u64>> {
        joined(records.into_iter().map(|record| self.extent(record)).collect())
    }

    /// From an entry's header to the next one, but no further than its own bytes can reach.
    fn extent(&self, record: &Record) -> Range<u64> {
        match record.place {
            Place::Whole => 0..record.size,
            Place::Zip { header, stored, .. } => {
                let most = header.saturating_add(stored).saturating_add(LONGEST_FRAME);
                header..self.end(header).min(most)
            }
        }
    }
}

/// Joins what lies close together. What is fetched in vain is at most as much as what is needed, or [`WASTE`].
fn joined(mut extents: Vec<Range<u64>>) -> Vec<Range<u64>> {
    extents.sort_unstable_by_key(|extent| extent.start);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for extent in extents {
        match ranges.last_mut() {
            Some(last) if extent.start <= last.end => last.end = last.end.max(extent.end),
            _ => ranges.push(extent),
        }
    }
    let needed: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    // The narrowest gaps, as long as all of them together are little enough.
    let gap = |(at, pair): (usize, &[Range<u64>])| match pair {
        [before, after] => Some((after.start - before.end, at + 1)).filter(|(gap, _)| *gap <= GAP),
        _ => None,
    };
    let mut gaps: Vec<(u64, usize)> = ranges.windows(2).enumerate().filter_map(gap).collect();
    gaps.sort_unstable();
    let mut left = needed.max(WASTE);
    let affordable = gaps.into_iter().take_while(|(gap, _)| left.checked_sub(*gap).map(|rest| left = rest).is_some());
    let closed: HashSet<usize> = affordable.map(|(_, at)| at).collect();
    let mut pieces: Vec<Range<u64>> = Vec::new();
    for (at, range) in ranges.into_iter().enumerate() {
        match pieces.last_mut() {
            Some(last) if closed.contains(&at) => last.end = range.end,
            _ => pieces.push(range),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_fetched_together_and_strangers_are_not() {
        let one = |range: Range<u64>| vec![range];
        assert_eq!(joined(vec![]), []);
        assert_eq!(joined(vec![50..60, 0..10, 10..20]), one(0..60));
        let far = GAP + 1;
        assert_eq!(joined(vec![0..10, 10 + GAP..20 + GAP]), one(0..20 + GAP));
        assert_eq!(joined(vec![0..10, 10 + far..20 + far]), [0..10, 10 + far..20 + far]);
        assert_eq!(joined(vec![0..100, 20..50]), one(0..100));
        let same = |count: u64| (0..count).map(|at| at * (100 << 10)..at * (100 << 10) + 1).collect::<Vec<_>>();
        assert_eq!(joined(same(11)).len(), 1);
        assert_eq!(joined(same(1000)).len(), 1000 - 10);
    }

    #[test]
    fn no_more_is_fetched_in_vain_than_is_needed_or_than_a_little() {
        let mut dice = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let mut at = 0;
            let extents: Vec<_> = (0..dice.usize(1..400))
                .map(|_| {
                    at += dice.u64(0..200 << 10);
                    let start = at;
                    at += dice.u64(1..20 << 10);
                    start..at
                })
                .collect();
            let length = |ranges: &[Range<u64>]| ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            let pieces = joined(extents.clone());
            assert!(
                extents
                    .iter()
                    .all(|extent| pieces.iter().any(|piece| piece.start <= extent.start && extent.end <= piece.end))
            );
            assert!(pieces.windows(2).all(|pair| pair[0].end < pair[1].start));
            let needed = length(&extents);
            assert!(length(&pieces) - needed <= needed.max(WASTE), "{} for {needed}", length(&pieces));
        }
    }
}
