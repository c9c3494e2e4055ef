//! What the name of a distribution file says (the wheel and source distribution formats of the Python packaging
//! specifications; PEP 427, 491, 625), and what names of projects are the same (PEP 503).

use super::version::Version;

/// What a distribution is, by its file's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A wheel, and its Python tag: `py3`, `cp312`.
    Wheel {
        /// The tag.
        python: String,
    },
    /// A source distribution.
    Source,
}

impl Form {
    /// `filetype` of the upload form.
    pub(super) fn file_type(&self) -> &'static str {
        match self {
            Self::Wheel { .. } => "bdist_wheel",
            Self::Source => "sdist",
        }
    }

    /// `pyversion` of the upload form.
    pub(super) fn python(&self) -> &str {
        match self {
            Self::Wheel { python } => python,
            Self::Source => "source",
        }
    }
}

/// The ways in which a source distribution is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// A wheel, which is a zip.
    Wheel,
    /// A gzipped tar.
    TarGz,
    /// A zip, as older tools make it.
    Zip,
}

impl Packing {
    /// By the file's name.
    pub(super) fn of(name: &str) -> Option<Self> {
        [(".whl", Self::Wheel), (".tar.gz", Self::TarGz), (".zip", Self::Zip)]
            .into_iter()
            .find_map(|(end, packing)| name.ends_with(end).then_some(packing))
    }
}

/// The name of a distribution file, taken apart.
#[derive(Debug, Clone)]
pub(super) struct FileName {
    /// What it is.
    pub(super) form: Form,
    /// Project and version; several where dashes allow several readings.
    readings: Vec<(String, Version)>,
}

impl FileName {
    /// Takes a name apart, or says what is wrong with it, as the end of a sentence.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        // The name becomes a path in the repository and a parameter of a header.
        let plain = |character: char| character.is_ascii_alphanumeric() || "._-+!".contains(character);
        if let Some(odd) = name.chars().find(|character| !plain(*character)) {
            return Err(format!("has the character {odd:?} in its name, which no distribution has"));
        }
        match Packing::of(name) {
            Some(Packing::Wheel) => Self::wheel(name.trim_end_matches(".whl")),
            Some(Packing::TarGz | Packing::Zip) => {
                let stem = name.strip_suffix(".tar.gz").or_else(|| name.strip_suffix(".zip")).unwrap_or(name);
                Self::source(stem)
            }
            None => Err("is neither a wheel (.whl) nor a source distribution (.tar.gz, .zip)".to_owned()),
        }
    }

    fn wheel(stem: &str) -> Result<Self, String> {
        let parts: Vec<&str> = stem.split('-').collect();
        let (name, version, build, tags) = match parts[..] {
            [name, version, python, abi, platform] => (name, version, None, [python, abi, platform]),
            [name, version, build, python, abi, platform] => (name, version, Some(build), [python, abi, platform]),
            _ => {
                return Err("is not named as a wheel is: name-version(-build)-python-abi-platform.whl".to_owned());
            }
        };
        if build.is_some_and(|build| !build.starts_with(|first: char| first.is_ascii_digit())) {
            return Err("has a build number in its name that does not begin with a digit".to_owned());
        }
        let sound = |tag: &str| {
            tag.split('.').all(|one| !one.is_empty() && one.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        };
        if let Some(tag) = tags.iter().find(|tag| !sound(tag)) {
            return Err(format!("has the compatibility tag {tag:?} in its name, which is none"));
        }
        let readings = reading(name, version).into_iter().collect();
        let [python, ..] = tags;
        Self::with(Form::Wheel { python: python.to_owned() }, readings)
    }

    fn source(stem: &str) -> Result<Self, String> {
        // Names and versions of old tools may have dashes in them.
        let dashes = stem.match_indices('-');
        let readings = dashes.filter_map(|(at, _)| reading(stem.get(..at)?, stem.get(at + 1..)?)).collect();
        Self::with(Form::Source, readings)
    }

    fn with(form: Form, readings: Vec<(String, Version)>) -> Result<Self, String> {
        if readings.is_empty() {
            return Err("has no project name and PEP 440 version in its name".to_owned());
        }
        Ok(Self { form, readings })
    }

    /// Whether the file is called after this project and version.
    pub(super) fn is_of(&self, name: &str, version: &Version) -> bool {
        let name = normalised(name);
        self.readings.iter().any(|(own, its)| *own == name && its == version)
    }
}

fn reading(name: &str, version: &str) -> Option<(String, Version)> {
    is_name(name).then(|| normalised(name)).zip(Version::parse(version))
}

/// Whether a project can be called so: letters, digits, and between them `-`, `_`, `.` (core metadata, `Name`).
pub(super) fn is_name(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    edge(text.bytes().next())
        && edge(text.bytes().next_back())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// The name under which an index lists a project: equal for all spellings of it (PEP 503).
pub(super) fn normalised(name: &str) -> String {
    joined(&name.to_ascii_lowercase(), &['-', '_', '.'])
}

/// The name as twine sends it: everything but letters, digits and dots becomes a dash. Artifactory makes the file's
/// folder of it, so that a project keeps the folder that it has from twine.
pub(super) fn sent(name: &str) -> String {
    joined(name, &['-', '_'])
}

/// The text with a dash in place of each run of these.
fn joined(text: &str, separators: &[char]) -> String {
    let mut joined = String::with_capacity(text.len());
    for character in text.chars() {
        match separators.contains(&character) {
            true if joined.ends_with('-') => {}
            true => joined.push('-'),
            false => joined.push(character),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_formed_names_say_what_they_are_of() {
        for (file, name, version, form) in [
            ("left_pad-1.0-py3-none-any.whl", "Left.Pad", "1.0.0", "py3"),
            ("left_pad-1.0-1a-cp312-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "left-pad", "1.0", "cp312"),
            ("a.b-2!1.0+cu12.1-py2.py3-none-any.whl", "a_b", "2!1.0+cu12.1", "py2.py3"),
            ("left_pad-1.0.tar.gz", "left-pad", "1.0", "source"),
            ("left-pad-1.0-beta.1.zip", "left-pad", "1.0b1", "source"),
            ("left-2-1.0.tar.gz", "left-2", "1.0", "source"),
        ] {
            let parsed = FileName::parse(file).unwrap_or_else(|problem| panic!("{file} {problem}"));
            assert!(parsed.is_of(name, &Version::parse(version).unwrap()), "{file}: {parsed:?}");
            assert_eq!(parsed.form.python(), form, "{file}");
            assert!(
                !parsed.is_of(name, &Version::parse("3").unwrap())
                    && !parsed.is_of("x", &Version::parse(version).unwrap())
            );
        }
    }

    #[test]
    fn other_names_are_refused_with_a_reason() {
        for (file, reason) in [
            ("left-1.0.whl", "named as a wheel"),
            ("left-1.0-x-py3-none-any.whl", "build number"),
            ("left-1.0-py3--any.whl", "tag \"\""),
            ("left-1.0-py3-none-any..whl", "tag \"any.\""),
            ("left-one-py3-none-any.whl", "version"),
            ("-1.0-py3-none-any.whl", "version"),
            ("left.tar.gz", "version"),
            ("left-.tar.gz", "version"),
            ("left 1.0.tar.gz", "' '"),
            ("left-1.0\".tar.gz", "'\"'"),
            ("lüft-1.0.tar.gz", "'ü'"),
            ("left-1.0.tar.bz2", "neither"),
        ] {
            let problem = FileName::parse(file).expect_err(file);
            assert!(problem.contains(reason), "{file} {problem}");
        }
    }

    #[test]
    fn spellings_of_a_name() {
        assert_eq!(normalised("Left__Pad.-x"), "left-pad-x");
        assert_eq!(sent("Left__Pad.x"), "Left-Pad.x");
        for name in ["a", "A.b_c-1", "1"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "-a", "a.", "a b", "ä", "a/b"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
