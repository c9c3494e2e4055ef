//! Whether two gzipped tars hold the same files though their bytes differ: another zlib, another time, another order.
//! The same is: the same paths below the top folder, whatever that is called, and for each the same bytes and mode; of
//! commands, but for the right to execute, which some packers give them, some to a few of them, and installers to all.
//! Neither archive is held whole, nor are the paths of all its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, BufRead};

use sha1::Digest as _;
use sha2::Sha256;

use super::tarball::{self, Member, MemberKind, damaged};
use super::{MAX_DIRECTORY, MAX_INFLATED};

/// The right to execute, of the owner, the group and everybody.
const EXECUTABLE: u32 = 0o111;
/// How many differing files are named.
const NAMED: usize = 5;
/// Longest path that is kept for a message, in characters.
const MAX_SHOWN: usize = 120;
/// What an entry may take in a tar besides its bytes: headers, extended ones with their paths, padding.
const ENTRY: u64 = 4 << 10;
/// What a tar may have at its end, and a gzip around it.
const FRAME: u64 = 64 << 10;

/// As much of an archive as is needed to tell whether another holds the same files.
#[derive(Debug)]
pub struct Files {
    /// In the order of `path`.
    prints: Vec<Print>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Print {
    /// SHA-256 of the path.
    path: [u8; 32],
    facts: Facts,
    seen: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    mode: u32,
    size: u64,
    /// SHA-256 of what it is and of its bytes.
    digest: [u8; 32],
}

/// How a file differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    OnlyThere,
    OnlyHere,
    Bytes,
    Mode { there: u32, here: u32 },
}

/// In what an archive in the repository differs from ours: the first few files by path, and how many there are more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    first: BTreeMap<String, How>,
    more: usize,
}

impl Files {
    /// What an archive holds. One that has a path twice is refused: which of the two is meant, every reader decides
    /// for itself.
    pub fn of(gzipped: impl BufRead) -> io::Result<Self> {
        let mut prints = Vec::new();
        let mut bytes = 0_u64;
        each(gzipped, MAX_INFLATED, |path, facts| {
            bytes = bytes.saturating_add(facts.size);
            prints.push(Print { path: digest(&path), facts, seen: false });
            Ok(())
        })?;
        prints.sort_unstable_by_key(|print| print.path);
        if prints.windows(2).any(|pair| matches!(pair, [one, other] if one.path == other.path)) {
            return Err(damaged("a path is in it twice"));
        }
        Ok(Self { prints, bytes })
    }

    /// Longest archive, inflated or not, that could hold the same files.
    pub fn most(&self) -> u64 {
        let entries = (self.prints.len() as u64).saturating_add(1).saturating_mul(ENTRY);
        self.bytes.saturating_add(entries).saturating_add(FRAME)
    }

    /// In what another archive differs; `commands` are the paths of commands, and `ours` opens this one again, to name
    /// what the other lacks.
    pub fn differences<R: BufRead>(
        mut self,
        theirs: impl BufRead,
        commands: &BTreeSet<String>,
        ours: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<Differences> {
        let mut differences = Differences::default();
        each(theirs, self.most(), |path, there| {
            let place = digest(&path);
            let own = self.prints.binary_search_by(|print| print.path.cmp(&place)).ok();
            match own.and_then(|at| self.prints.get_mut(at)) {
                None => differences.add(&path, How::OnlyThere),
                Some(Print { facts: here, seen, .. }) => {
                    if std::mem::replace(seen, true) {
                        return Err(damaged("a path is in it twice"));
                    }
                    if there.size != here.size || there.digest != here.digest {
                        differences.add(&path, How::Bytes);
                    } else if there.mode != here.mode
                        && !((there.mode ^ here.mode) & !EXECUTABLE == 0 && is_command(&path, commands))
                    {
                        differences.add(&path, How::Mode { there: there.mode, here: here.mode });
                    }
                }
            }
            Ok(())
        })?;
        if self.prints.iter().any(|print| !print.seen) {
            each(ours()?, MAX_INFLATED, |path, _| {
                let place = digest(&path);
                let own = self.prints.binary_search_by(|print| print.path.cmp(&place)).ok();
                if own.and_then(|at| self.prints.get(at)).is_some_and(|print| !print.seen) {
                    differences.add(&path, How::OnlyHere);
                }
                Ok(())
            })?;
        }
        Ok(differences)
    }
}

impl Differences {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    fn add(&mut self, path: &str, how: How) {
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        let mut shown: String = path.chars().take(MAX_SHOWN).map(plain).collect();
        if path.chars().nth(MAX_SHOWN).is_some() {
            shown.push('…');
        }
        if self.first.insert(shown, how).is_some() {
            self.more += 1;
        }
        if self.first.len() > NAMED {
            self.first.pop_last();
            self.more += 1;
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (path, how)) in self.first.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match how {
                How::OnlyThere => write!(f, "{path} is only there")?,
                How::OnlyHere => write!(f, "{path} is only here")?,
                How::Bytes => write!(f, "{path} has other bytes")?,
                How::Mode { there, here } => write!(f, "{path} has mode {there:o} there and {here:o} here")?,
            }
        }
        match self.more {
            0 => Ok(()),
            1 => f.write_str(" and 1 file more"),
            more => write!(f, " and {more} files more"),
        }
    }
}

/// Whether the path is a command for somebody: npm cuts a path's first folder off before it looks, so that it takes
/// what has a command's path in another folder for one, and leaves a command in a folder alone.
fn is_command(path: &str, commands: &BTreeSet<String>) -> bool {
    commands.contains(path) || path.split_once('/').is_some_and(|(_, inner)| commands.contains(inner))
}

/// Every entry with its path below the top folder. Folders hold no bytes and do not count.
fn each(gzipped: impl BufRead, most: u64, mut visit: impl FnMut(String, Facts) -> io::Result<()>) -> io::Result<()> {
    let mut paths = 0_u64;
    tarball::walk(gzipped, most, |Member { path, kind, mode, size }, content| {
        let mut sha256 = Sha256::new();
        match kind {
            MemberKind::Folder => return Ok(()),
            MemberKind::File => sha256.update([0]),
            MemberKind::Other(flag, link) => {
                sha256.update([1, *flag]);
                sha256.update(link);
                sha256.update([0]);
            }
        }
        paths = paths.saturating_add(path.len() as u64);
        if paths > MAX_DIRECTORY {
            return Err(damaged(&format!("its paths are longer than {MAX_DIRECTORY} bytes together")));
        }
        let mut buffer = vec![0; 32 << 10];
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => sha256.update(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let inner = path.split_once('/').map_or(path.as_str(), |(_, inner)| inner).to_owned();
        visit(inner, Facts { mode: *mode, size: *size, digest: sha256.finalize().into() })
    })
}

fn digest(path: &str) -> [u8; 32] {
    Sha256::digest(path).into()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    type File<'a> = (&'a str, u32, &'a str);

    fn tgz(files: &[File], level: u32) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::new(level)));
        for (path, mode, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_mode(*mode);
            header.set_mtime(u64::from(level));
            header.set_size(content.len() as u64);
            header.set_entry_type(if path.ends_with('/') {
                tar::EntryType::Directory
            } else {
                tar::EntryType::Regular
            });
            tar.append_data(&mut header, path, content.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn compare(ours: &[u8], theirs: &[u8]) -> Result<String, String> {
        compare_with(&[], ours, theirs)
    }

    fn compare_with(commands: &[&str], ours: &[u8], theirs: &[u8]) -> Result<String, String> {
        let commands = commands.iter().map(|command| (*command).to_owned()).collect();
        let differences = Files::of(ours).and_then(|files| files.differences(theirs, &commands, || Ok(ours)));
        differences.map(|differences| differences.to_string()).map_err(|error| error.to_string())
    }

    const OURS: &[File] =
        &[("package/package.json", 0o644, "{}"), ("package/cli.js", 0o755, "1"), ("package/b", 0o644, "")];

    #[test]
    fn order_time_compression_folders_and_the_top_folders_name_make_no_difference() {
        let theirs = [
            ("other/", 0o755, ""),
            ("other/b", 0o644, ""),
            ("other/cli.js", 0o755, "1"),
            ("other/package.json", 0o644, "{}"),
        ];
        assert_eq!(compare(&tgz(OURS, 9), &tgz(&theirs, 0)).unwrap(), "");
    }

    #[test]
    fn every_difference_is_named_by_path_and_in_order() {
        let theirs = [
            ("package/z", 0o644, "new"),
            ("package/package.json", 0o644, "[]"),
            ("package/cli.js", 0o644, "1"),
            ("package/a\nb", 0o644, ""),
        ];
        assert_eq!(
            compare(&tgz(OURS, 9), &tgz(&theirs, 9)).unwrap(),
            "a\u{fffd}b is only there, b is only here, cli.js has mode 644 there and 755 here, \
             package.json has other bytes, z is only there"
        );
        let many: Vec<String> = (0..50).map(|at| format!("package/{at:02}")).collect();
        let many: Vec<File> = many.iter().map(|path| (path.as_str(), 0o644, "")).collect();
        let said = compare(&tgz(&[], 9), &tgz(&many, 9)).unwrap();
        assert!(
            said.starts_with("00 is only there, 01 ") && said.ends_with("04 is only there and 45 files more"),
            "{said}"
        );
        let long = format!("package/{}", "l".repeat(500));
        let said = compare(&tgz(OURS, 9), &tgz(&[OURS, &[(long.as_str(), 0o644, "")]].concat(), 9)).unwrap();
        assert_eq!(said, format!("{}… is only there", "l".repeat(MAX_SHOWN)));
    }

    #[test]
    fn a_commands_right_to_execute_is_no_difference_and_any_other_mode_is() {
        let with = |modes: [u32; 4]| {
            let paths = ["p/bin/a.js", "p/x/bin/a.js", "p/a.js", "p/bin/b.js"];
            let files: Vec<File> = paths.iter().zip(modes).map(|(path, mode)| (*path, mode, "1")).collect();
            tgz(&files, 9)
        };
        let commands = ["bin/a.js"];
        let ours = with([0o755, 0o644, 0o644, 0o644]);
        assert_eq!(compare_with(&commands, &ours, &with([0o644, 0o755, 0o644, 0o644])).unwrap(), "");
        assert_eq!(
            compare_with(&commands, &ours, &with([0o640, 0o755, 0o755, 0o755])).unwrap(),
            "a.js has mode 755 there and 644 here, bin/a.js has mode 640 there and 755 here, bin/b.js has mode 755 there and 644 here"
        );
        assert!(compare(&ours, &with([0o644; 4])).unwrap().starts_with("bin/a.js has mode 644 there"));
    }

    #[test]
    fn a_link_is_no_file_and_nothing_is_taken_for_another_thing() {
        let linked = |to: &str| {
            let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o644);
            tar.append_link(&mut header, "package/b", to).unwrap();
            tar.into_inner().unwrap().finish().unwrap()
        };
        let empty = [("package/b", 0o644, "")];
        assert_eq!(compare(&tgz(&empty, 9), &linked("a")).unwrap(), "b has other bytes");
        assert_eq!(compare(&linked("a"), &linked("c")).unwrap(), "b has other bytes");
        assert_eq!(compare(&linked("a"), &linked("a")).unwrap(), "");
    }

    #[test]
    fn what_is_doubtful_or_too_long_is_never_the_same() {
        let twice = tgz(&[OURS, &[("package/b", 0o644, "")]].concat(), 9);
        assert!(compare(&tgz(OURS, 9), &twice).unwrap_err().contains("twice"));
        assert!(compare(&twice, &tgz(OURS, 9)).unwrap_err().contains("twice"));
        let cut = tgz(OURS, 9);
        assert!(compare(&tgz(OURS, 9), &cut[..cut.len() - 9]).is_err());
        assert!(compare(&tgz(OURS, 9), b"<html>").is_err());
        // A bomb is not inflated to its end.
        let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
        let mut header = tar::Header::new_ustar();
        header.set_path("package/b").unwrap();
        header.set_size(1 << 30);
        header.set_cksum();
        bomb.write_all(header.as_bytes()).unwrap();
        bomb.write_all(&vec![0; 64 << 20]).unwrap();
        let said = compare(&tgz(OURS, 9), &bomb.finish().unwrap()).unwrap_err();
        assert!(said.contains("inflates to more than"), "{said}");
    }
}
