//! A header of a zip's directory (APPNOTE 4.3.12), read from a stream of them: what it says of its entry.

use std::borrow::Cow;
use std::io::{self, Read};

use super::EntryKind;
use super::directory::Method;
use super::fields::Fields;

/// Length of a header without its name, extra field and comment.
pub(super) const HEADER: u64 = 46;

/// What stands for a number that is in the extra field.
const ELSEWHERE: u64 = u32::MAX as u64;

/// The upper half of code page 437, in which names are written that are not UTF-8 (APPNOTE D.1).
const CODE_PAGE: [char; 128] = [
    'Ç', 'ü', 'é', 'â', 'ä', 'à', 'å', 'ç', 'ê', 'ë', 'è', 'ï', 'î', 'ì', 'Ä', 'Å', 'É', 'æ', 'Æ', 'ô', 'ö', 'ò', 'û',
    'ù', 'ÿ', 'Ö', 'Ü', '¢', '£', '¥', '₧', 'ƒ', 'á', 'í', 'ó', 'ú', 'ñ', 'Ñ', 'ª', 'º', '¿', '⌐', '¬', '½', '¼', '¡',
    '«', '»', '░', '▒', '▓', '│', '┤', '╡', '╢', '╖', '╕', '╣', '║', '╗', '╝', '╜', '╛', '┐', '└', '┴', '┬', '├', '─',
    '┼', '╞', '╟', '╚', '╔', '╩', '╦', '╠', '═', '╬', '╧', '╨', '╤', '╥', '╙', '╘', '╒', '╓', '╫', '╪', '┘', '┌', '█',
    '▄', '▌', '▐', '▀', 'α', 'ß', 'Γ', 'π', 'Σ', 'σ', 'µ', 'τ', 'Φ', 'Θ', 'Ω', 'δ', '∞', 'φ', 'ε', '∩', '≡', '±', '≥',
    '≤', '⌠', '⌡', '÷', '≈', '°', '∙', '·', '√', 'ⁿ', '²', '■', '\u{a0}',
];

/// What a header says.
#[derive(Debug)]
pub(super) struct Header {
    /// The entry's name as it is written.
    pub(super) name: String,
    pub(super) kind: EntryKind,
    /// Permission bits, where they are recorded.
    pub(super) mode: Option<u16>,
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) stored: u64,
    pub(super) size: u64,
    /// Where its local header is, bytes before the zip not counted.
    pub(super) offset: u64,
}

impl Header {
    /// Reads the next header. A stream that ends before the header does is an error of kind `UnexpectedEof`, one that
    /// says something impossible an error of kind `InvalidData`.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut fixed = [0; 46];
        from.read_exact(&mut fixed)?;
        let fixed = Fixed::parse(&fixed).ok_or_else(|| damaged("an entry's header is missing"))?;
        let mut rest = vec![0; fixed.lengths.iter().copied().map(usize::from).sum()];
        from.read_exact(&mut rest)?;
        let [name, extra, _] = fixed.lengths.map(usize::from);
        let (name, rest) = rest.split_at_checked(name).unwrap_or_default();
        let extra = rest.get(..extra).unwrap_or_default();
        let [size, stored, offset] = long(extra, fixed.sizes.map(u64::from))?;
        let name = unicode(extra, name).unwrap_or_else(|| decoded(name)).into_owned();
        let mode = fixed.mode();
        let kind = match mode {
            Some(mode) if mode & 0o170_000 == 0o120_000 => EntryKind::Symlink,
            _ if name.ends_with('/') => EntryKind::Directory,
            _ => EntryKind::File,
        };
        let method = match fixed.method {
            _ if fixed.flags & 1 != 0 => Method::Encrypted,
            0 => Method::Stored,
            8 => Method::Deflated,
            _ => Method::Other,
        };
        Ok(Self { name, kind, mode: mode.map(|mode| mode & 0o777), method, crc32: fixed.crc32, stored, size, offset })
    }
}

/// The part of a header that has a fixed length.
struct Fixed {
    system: u8,
    flags: u16,
    method: u16,
    crc32: u32,
    /// Of the inflated and the stored bytes; and the offset.
    sizes: [u32; 3],
    /// Of name, extra field and comment.
    lengths: [u16; 3],
    attributes: u32,
}

impl Fixed {
    fn parse(bytes: &[u8; 46]) -> Option<Self> {
        let [b'P', b'K', 1, 2, rest @ ..] = bytes else { return None };
        let mut fields = Fields(rest);
        let [_, system] = fields.short()?.to_le_bytes();
        // The version that is needed to read it.
        fields.short()?;
        let (flags, method) = (fields.short()?, fields.short()?);
        // Time and date.
        fields.word()?;
        let (crc32, stored, size) = (fields.word()?, fields.word()?, fields.word()?);
        let lengths = [fields.short()?, fields.short()?, fields.short()?];
        // Disk and internal attributes.
        fields.word()?;
        let (attributes, offset) = (fields.word()?, fields.word()?);
        Some(Self { system, flags, method, crc32, sizes: [size, stored, offset], lengths, attributes })
    }

    /// Type and permission bits: of Unix as they are, of DOS as they are usually taken.
    fn mode(&self) -> Option<u16> {
        const DOS: u8 = 0;
        const UNIX: u8 = 3;
        let [dos, _, upper @ ..] = self.attributes.to_le_bytes();
        let mode = u16::from_le_bytes(upper);
        match self.system {
            _ if self.attributes == 0 => None,
            UNIX => Some(mode),
            DOS => {
                let mode = if dos & 0x10 == 0 { 0o100_664 } else { 0o040_775 };
                Some(if dos & 1 == 0 { mode } else { mode & !0o222 })
            }
            _ => (mode != 0).then_some(mode),
        }
    }
}

/// The blocks of an extra field with their tags; what is malformed at its end is nobody's.
fn blocks(extra: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut fields = Fields(extra);
    std::iter::from_fn(move || {
        let tag = fields.short()?;
        let length = fields.short()?;
        Some((tag, fields.take(length.into())?))
    })
}

/// Sizes and offset, where they are long from the extra field (APPNOTE 4.5.3: only those, in this order).
fn long(extra: &[u8], told: [u64; 3]) -> io::Result<[u64; 3]> {
    if !told.contains(&ELSEWHERE) {
        return Ok(told);
    }
    let missing = || damaged("a size or an offset of an entry is nowhere");
    let mut block = blocks(extra).find(|(tag, _)| *tag == 1).map(|(_, block)| Fields(block)).ok_or_else(missing)?;
    let mut all = told;
    for number in all.iter_mut().filter(|number| **number == ELSEWHERE) {
        *number = block.long().ok_or_else(missing)?;
    }
    Ok(all)
}

/// The name in UTF-8 that Info-ZIP writes beside one in another code, where it belongs to that one (APPNOTE 4.6.9).
fn unicode<'e>(extra: &'e [u8], name: &[u8]) -> Option<Cow<'e, str>> {
    let (_, block) = blocks(extra).find(|(tag, _)| *tag == 0x7075)?;
    let (head, unicode) = block.split_at_checked(5)?;
    let mut crc = flate2::Crc::new();
    crc.update(name);
    let crc32 = Fields(head.get(1..)?).word()?;
    let text = std::str::from_utf8(unicode).ok()?;
    (crc32 == crc.sum()).then_some(Cow::Borrowed(text))
}

/// A name as UTF-8, which is what nearly everybody writes, whatever the flags say; else in code page 437.
fn decoded(name: &[u8]) -> Cow<'_, str> {
    let character = |byte: &u8| match byte.checked_sub(128) {
        Some(upper) => CODE_PAGE.get(usize::from(upper)).copied().unwrap_or_default(),
        None => char::from(*byte),
    };
    std::str::from_utf8(name).map_or_else(|_| Cow::Owned(name.iter().map(character).collect()), Cow::Borrowed)
}

/// An error about what the directory says.
pub(super) fn damaged(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}
