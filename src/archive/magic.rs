//! What an artifact is, by its bytes: its name says nothing.

use std::io;
use std::sync::Arc;

use super::ending;
use super::source::{ReadAt, fill};

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
    if ending::at_the_end(source)?.is_some() {
        return Ok(Magic::Zip);
    }
    let mut begins = [0; 4];
    let read = fill(source, 0, &mut begins)?;
    Ok(match begins {
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Magic::Zip,
        [0x1f, 0x8b, ..] => Magic::Gzip,
        _ => {
            let begins = begins.get(..read).unwrap_or_default();
            Magic::Other(begins.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "))
        }
    })
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
