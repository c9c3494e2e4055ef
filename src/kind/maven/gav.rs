//! Group, artifact and version, by which everything in a Maven repository has its place; only such as a path can hold.

use std::fmt;

/// What a version of a snapshot ends with (Artifactory's layout `maven-2-default`: `[baseRev](-[folderItegRev])`).
pub(super) const SNAPSHOT: &str = "-SNAPSHOT";

/// Characters that Maven takes in no version ("Maven Model", validation of versions), and those that would structure
/// something else.
const NOT_IN_VERSIONS: &[char] =
    &['\\', '/', ':', '"', '<', '>', '|', '?', '*', '[', ']', '(', ')', '{', '}', ',', ';'];

/// Coordinates that a path can hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Gav {
    group: String,
    artifact: String,
    version: String,
}

impl Gav {
    /// The coordinates, or what is wrong with them, as the end of a sentence.
    pub(super) fn new(group: &str, artifact: &str, version: &str) -> Result<Self, String> {
        if let Some(bad) = [("groupId", group), ("artifactId", artifact)].into_iter().find(|(_, id)| !is_id(id)) {
            let (name, value) = bad;
            return Err(format!("has the {name} {value:?}, which is not of letters, digits, '-', '_' and '.' only"));
        }
        if artifact.split('.').all(str::is_empty) || group.split('.').any(str::is_empty) {
            return Err(format!("has the coordinates {group}:{artifact}, which would lead out of their folder"));
        }
        let plain = |c: char| c.is_ascii_graphic() && !NOT_IN_VERSIONS.contains(&c);
        if version.is_empty() || !version.chars().all(plain) || version.chars().all(|c| c == '.') {
            return Err(format!("has the version {version:?}, which cannot be a part of a path"));
        }
        if ["LATEST", "RELEASE"].contains(&version) {
            return Err(format!("has the version {version}, which stands for whatever version is the newest"));
        }
        let upper = version.to_ascii_uppercase();
        if upper.ends_with("SNAPSHOT") && version.strip_suffix(SNAPSHOT).is_none_or(str::is_empty) {
            return Err(format!("has the version {version}; that of a snapshot ends with {SNAPSHOT}"));
        }
        if stamp_of(version).is_some() {
            return Err(format!("has the version {version}, which is one build of a snapshot"));
        }
        Ok(Self { group: group.to_owned(), artifact: artifact.to_owned(), version: version.to_owned() })
    }

    pub(super) fn group(&self) -> &str {
        &self.group
    }

    pub(super) fn artifact(&self) -> &str {
        &self.artifact
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Group and artifact, as they are told.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.group, self.artifact)
    }

    /// What comes before `-SNAPSHOT`; `None` for a release.
    pub(super) fn base(&self) -> Option<&str> {
        self.version.strip_suffix(SNAPSHOT)
    }

    /// The folder of the version (Maven 2 repository layout: `group/artifact/version`).
    pub(super) fn folder(&self) -> String {
        format!("{}/{}/{}", self.group.replace('.', "/"), self.artifact, self.version)
    }

    /// What names of its files begin with.
    pub(super) fn stem(&self) -> String {
        format!("{}-{}", self.artifact, self.version)
    }

    /// What of a file's name lies behind artifact and version, be that one build of a snapshot: `.jar`, `-sources.jar`.
    /// `None` where the name begins otherwise. The first part is what it begins with.
    pub(super) fn split<'n>(&self, name: &'n str) -> Option<(&'n str, &'n str)> {
        let rest = name.strip_prefix(&self.artifact)?.strip_prefix('-')?;
        let rest = match rest.strip_prefix(&self.version) {
            Some(rest) => rest,
            None => stamped(rest.strip_prefix(self.base()?)?.strip_prefix('-')?)?.1,
        };
        let stem = name.strip_suffix(rest)?;
        rest.starts_with(['.', '-']).then_some((stem, rest))
    }
}

impl fmt::Display for Gav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.group, self.artifact, self.version)
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// The stamp at the end of a version, e.g. `20240131.120000-3`.
fn stamp_of(version: &str) -> Option<&str> {
    let at = version.rmatch_indices('-').nth(1)?.0;
    let stamp = version.get(at + 1..)?;
    stamped(stamp).filter(|(_, rest)| rest.is_empty()).map(|(stamp, _)| stamp)
}

/// A stamp at the beginning of a text, `yyyyMMdd.HHmmss-N`, and what follows on it.
pub(super) fn stamped(text: &str) -> Option<(&str, &str)> {
    let (day, rest) = text.split_once('.')?;
    let (time, rest) = rest.split_once('-')?;
    let are_digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (are_digits(day, 8) && are_digits(time, 6) && end > 0).then(|| text.split_at_checked(8 + 1 + 6 + 1 + end)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_that_would_escape_their_path_are_refused() {
        for (group, artifact, version) in
            [("org.acme", "lib", "1.0"), ("acme", "lib_2.13", "1.0-rc.1+build~x"), ("org.acme-x", "a.b", "1-SNAPSHOT")]
        {
            assert!(Gav::new(group, artifact, version).is_ok(), "{group}:{artifact}:{version}");
        }
        for (group, artifact, version) in [
            ("", "a", "1"),
            ("g", "", "1"),
            ("g", "a", ""),
            ("..", "a", "1"),
            ("g..h", "a", "1"),
            (".g", "a", "1"),
            ("g/h", "a", "1"),
            ("g", "..", "1"),
            ("g", "a/b", "1"),
            ("g", "a", ".."),
            ("g", "a", "1/../2"),
            ("g", "a", "1\\2"),
            ("g", "a", "${revision}"),
            ("g", "a", "[1,2)"),
            ("g", "a", "1 2"),
            ("g", "a", "1\n"),
            ("g", "a", "1;x=y"),
            ("g", "a", "LATEST"),
            ("g", "a", "1-snapshot"),
            ("g", "a", "1SNAPSHOT"),
            ("g", "a", "SNAPSHOT"),
            ("g", "a", "1-20240131.120000-3"),
        ] {
            assert!(Gav::new(group, artifact, version).is_err(), "{group}:{artifact}:{version}");
        }
    }

    #[test]
    fn names_of_files_are_taken_apart() {
        let release = Gav::new("org.acme", "lib", "1.0").unwrap();
        assert_eq!(release.folder(), "org/acme/lib/1.0");
        assert_eq!(release.split("lib-1.0.jar"), Some(("lib-1.0", ".jar")));
        assert_eq!(release.split("lib-1.0-sources.jar.asc"), Some(("lib-1.0", "-sources.jar.asc")));
        for other in ["lib-1.01.jar", "lib-1.0", "lib.jar", "xlib-1.0.jar", "lib-1.1.jar", "lib-1.0-20240131.120000-3"]
        {
            assert!(release.split(other).is_none_or(|(stem, _)| stem == "lib-1.0"), "{other}");
        }
        let snapshot = Gav::new("org.acme", "lib", "1.0-SNAPSHOT").unwrap();
        assert_eq!(snapshot.split("lib-1.0-SNAPSHOT.jar"), Some(("lib-1.0-SNAPSHOT", ".jar")));
        let stamp = "lib-1.0-20240131.120000-12";
        assert_eq!(snapshot.split(&format!("{stamp}-tests.jar")), Some((stamp, "-tests.jar")));
        for other in
            ["lib-1.0.jar", "lib-1.0-20240131.120000.jar", "lib-1.0-2024.12-1.jar", "lib-1.0-20240131.120000-.jar"]
        {
            assert_eq!(snapshot.split(other), None, "{other}");
        }
    }
}
