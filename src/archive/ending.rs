//! The end of a zip, which says where its directory is (APPNOTE 4.3.14 to 4.3.16). Nothing is searched for but the end
//! itself, in the last 64 KiB: a directory that is not where the end says is damaged.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::fields::Fields;
use super::source::{ReadAt, fill};

/// Length of the end without its comment.
const END: u64 = 22;
/// Longest end.
const LONGEST_END: u64 = END + 65_535;
/// Length of the record that says where the long end is.
const LOCATOR: u64 = 20;
/// Length of the long end without what nobody uses.
const LONG_END: u64 = 56;

/// What the end of a zip says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    /// Where the directory is.
    pub(super) directory: Range<u64>,
    /// How many entries it has.
    pub(super) entries: u64,
    /// How many bytes stand before the zip: offsets in it do not count them.
    pub(super) before: u64,
}

/// The numbers of an end, short or long.
struct Told {
    disks: [u32; 2],
    entries: [u64; 2],
    length: u64,
    offset: u64,
}

/// Where the end is that ends, with its comment, where the bytes do; of several the last.
pub(super) fn at_the_end(source: &Arc<dyn ReadAt>) -> io::Result<Option<u64>> {
    for longest in [END, LONGEST_END] {
        let found = last(source, longest, |position, length| position + length == source.size())?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The end of a zip; the inner error is what is wrong with it, as the end of a sentence.
pub(super) fn of(source: &Arc<dyn ReadAt>) -> io::Result<Result<Ending, &'static str>> {
    // Something may stand behind the zip, if nothing better is there.
    let position = match at_the_end(source)? {
        None => last(source, LONGEST_END, |position, length| position + length <= source.size())?,
        found => found,
    };
    let Some(position) = position else {
        return Ok(Err("its end is missing"));
    };
    let mut end = [0; 22];
    fill(source, position, &mut end)?;
    let Some(short) = Told::short(&end) else {
        return Ok(Err("its end is cut short"));
    };
    let mut locator = [0; 20];
    let place = position.checked_sub(LOCATOR);
    if let Some(place) = place {
        fill(source, place, &mut locator)?;
    }
    match (place, locator) {
        (Some(place), [b'P', b'K', 6, 7, rest @ ..]) => long(source, place, &rest, &short),
        _ => Ok(short.ending(position)),
    }
}

/// What the long end says, which must agree with the short one.
fn long(
    source: &Arc<dyn ReadAt>,
    place: u64,
    locator: &[u8],
    short: &Told,
) -> io::Result<Result<Ending, &'static str>> {
    let mut fields = Fields(locator);
    let (Some(disk), Some(offset), Some(disks)) = (fields.word(), fields.long(), fields.word()) else {
        return Ok(Err("its end is cut short"));
    };
    // Where it is said to be, or, with something before the zip, directly before the locator.
    for position in [Some(offset), place.checked_sub(LONG_END)].into_iter().flatten() {
        let mut end = [0; 56];
        if position >= place || fill(source, position, &mut end)? < end.len() {
            continue;
        }
        let Some((length, told)) = Told::long(&end) else { continue };
        if length.checked_add(position).and_then(|end| end.checked_add(12)) != Some(place) {
            continue;
        }
        if disk != 0 || disks > 1 || !short.agrees(&told) {
            return Ok(Err("its two ends do not say the same"));
        }
        let ending = told.ending(position);
        let Some(before) = position.checked_sub(offset) else { continue };
        return Ok(match ending {
            Ok(ending) if ending.before != before => Err("its directory is not where its end says"),
            ending => ending,
        });
    }
    Ok(Err("its end is not where it says"))
}

impl Told {
    fn short(end: &[u8; 22]) -> Option<Self> {
        let [b'P', b'K', 5, 6, rest @ ..] = end else { return None };
        let mut fields = Fields(rest);
        Some(Self {
            disks: [fields.short()?.into(), fields.short()?.into()],
            entries: [fields.short()?.into(), fields.short()?.into()],
            length: fields.word()?.into(),
            offset: fields.word()?.into(),
        })
    }

    /// And how long it is behind its length.
    fn long(end: &[u8; 56]) -> Option<(u64, Self)> {
        let [b'P', b'K', 6, 6, rest @ ..] = end else { return None };
        let mut fields = Fields(rest);
        let length = fields.long()?;
        // Versions.
        fields.word()?;
        let told = Self {
            disks: [fields.word()?, fields.word()?],
            entries: [fields.long()?, fields.long()?],
            length: fields.long()?,
            offset: fields.long()?,
        };
        Some((length, told))
    }

    /// Whether a long end says the same, as far as this short one had room for it.
    fn agrees(&self, long: &Self) -> bool {
        let same = |short: u64, long: u64, most: u64| short == long || short == most;
        let (short, word) = (u64::from(u16::MAX), u64::from(u32::MAX));
        let pairs = |these: [u64; 2], those: [u64; 2], most| these.iter().zip(those).all(|(a, b)| same(*a, b, most));
        pairs(self.disks.map(u64::from), long.disks.map(u64::from), short)
            && pairs(self.entries, long.entries, short)
            && same(self.length, long.length, word)
            && same(self.offset, long.offset, word)
    }

    /// With the directory directly before `end`.
    fn ending(&self, end: u64) -> Result<Ending, &'static str> {
        let [here, all] = self.entries;
        if self.disks != [0, 0] || here != all {
            return Err("it is in several parts");
        }
        let start = end.checked_sub(self.length);
        match start.and_then(|start| Some((start, start.checked_sub(self.offset)?))) {
            Some((start, before)) => Ok(Ending { directory: start..end, entries: all, before }),
            None => Err("its directory is not where its end says"),
        }
    }
}

/// The position of the last end, among the last `longest` bytes, that is `wanted` by position and length.
fn last(source: &Arc<dyn ReadAt>, longest: u64, wanted: impl Fn(u64, u64) -> bool) -> io::Result<Option<u64>> {
    let length = source.size().min(longest);
    let start = source.size() - length;
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    fill(source, start, &mut bytes)?;
    let is_wanted = |at: &usize| match bytes.get(*at..) {
        Some([b'P', b'K', 5, 6, rest @ ..]) => {
            let comment = rest.get(16..18).and_then(|two| Fields(two).short());
            comment.is_some_and(|comment| wanted(start + *at as u64, END + u64::from(comment)))
        }
        _ => false,
    };
    Ok((0..bytes.len()).rev().find(is_wanted).map(|at| start + at as u64))
}
