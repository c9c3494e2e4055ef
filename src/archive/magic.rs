//! What an artifact is, by its bytes: its name says nothing.

use std::io;
use std::sync::Arc;

use super::source::ReadAt;

/// Longest end of a zip (APPNOTE 4.3.16): 22 fixed bytes and a comment.
const LONGEST_END: u64 = 22 + 65_535;

/// What an artifact is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Magic {
    /// A zip.
    Zip,
    /// Compressed by gzip.
    Gzip,
    /// Something else, that begins with these bytes, in hexadecimal.
    Other(String),
}

/// Looks at the end first, because a zip's directory is there and will be read anyway; then at the beginning.
pub(super) fn of(source: &Arc<dyn ReadAt>) -> io::Result<Magic> {
    if ends_like_a_zip(source)? {
        return Ok(Magic::Zip);
    }
    let mut begins = [0; 4];
    let read = read(source, 0, &mut begins)?;
    Ok(match begins {
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Magic::Zip,
        [0x1f, 0x8b, ..] => Magic::Gzip,
        _ => {
            let begins = begins.get(..read).unwrap_or_default();
            Magic::Other(begins.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        }
    })
}

/// Whether there is an end-of-directory record that ends, with its comment, where the artifact ends.
fn ends_like_a_zip(source: &Arc<dyn ReadAt>) -> io::Result<bool> {
    for longest in [22, LONGEST_END] {
        let length = source.size().min(longest);
        let mut end = vec![0; usize::try_from(length).unwrap_or_default()];
        read(source, source.size() - length, &mut end)?;
        let is_end = |record: &[u8]| match record {
            [b'P', b'K', 5, 6, rest @ ..] => {
                let comment =
                    rest.get(16..18).map(|two| two.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)));
                comment.is_some_and(|comment| rest.len() == 18 + comment)
            }
            _ => false,
        };
        if (0..end.len()).any(|at| end.get(at..).is_some_and(is_end)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Fills the buffer, as far as there are bytes.
fn read(source: &Arc<dyn ReadAt>, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = buffer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match source.read_at(offset + got as u64, rest)? {
            0 => break,
            count => got += count,
        }
    }
    Ok(got)
}

#[cfg(test)]
mod tests {
    use super::super::source::Memory;
    use super::*;

    fn magic(bytes: &[u8]) -> Magic {
        of(&(Arc::new(Memory(bytes.to_vec().into())) as Arc<dyn ReadAt>)).unwrap()
    }

    #[test]
    fn an_artifact_is_what_its_bytes_say() {
        let end = |comment: &[u8]| {
            let length = u16::try_from(comment.len()).unwrap().to_le_bytes();
            [b"PK\x05\x06".as_slice(), &[0; 16], &length, comment].concat()
        };
        assert_eq!(magic(&end(b"")), Magic::Zip);
        assert_eq!(magic(&[b"\x1f\x8bsomething before it".as_slice(), &end(b"a comment")].concat()), Magic::Zip);
        assert_eq!(magic(&end(&vec![7; 65_535])), Magic::Zip);
        // What only looks like an end does not end where the artifact does.
        assert_eq!(magic(&[b"\x1f\x8b".as_slice(), &end(b"a comment"), b"x"].concat()), Magic::Gzip);
        assert_eq!(magic(b"PK\x03\x04, cut short"), Magic::Zip);
        assert_eq!(magic(b"\x1f\x8b"), Magic::Gzip);
        assert_eq!(magic(b"\x7fELF and so on"), Magic::Other("7f 45 4c 46".to_owned()));
        assert_eq!(magic(b"P"), Magic::Other("50".to_owned()));
    }
}
