//! Core metadata, the `METADATA` of a wheel and the `PKG-INFO` of a source distribution: fields as in the headers of an
//! e-mail, then the description (Python packaging specifications, "Core metadata", to version 2.6). Read as Python's own
//! e-mail parser reads it, because that is what the specification declares to be the rule.

use super::filename::is_name;
use super::version::Version;

/// How often a field may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Once,
    Often,
}

/// Every field of the specification, lower case; its name in the upload form, which is the legacy upload API's; and how
/// often it may be there.
const FIELDS: [(&str, &str, Use); 32] = [
    // 1.0, PEP 241
    ("metadata-version", "metadata_version", Use::Once),
    ("name", "name", Use::Once),
    ("version", "version", Use::Once),
    ("platform", "platform", Use::Often),
    ("summary", "summary", Use::Once),
    ("description", "description", Use::Once),
    ("keywords", "keywords", Use::Once),
    ("home-page", "home_page", Use::Once),
    ("author", "author", Use::Once),
    ("author-email", "author_email", Use::Once),
    ("license", "license", Use::Once),
    // 1.1, PEP 314
    ("supported-platform", "supported_platform", Use::Often),
    ("download-url", "download_url", Use::Once),
    ("classifier", "classifiers", Use::Often),
    ("requires", "requires", Use::Often),
    ("provides", "provides", Use::Often),
    ("obsoletes", "obsoletes", Use::Often),
    // 1.2, PEP 345
    ("maintainer", "maintainer", Use::Once),
    ("maintainer-email", "maintainer_email", Use::Once),
    ("requires-dist", "requires_dist", Use::Often),
    ("provides-dist", "provides_dist", Use::Often),
    ("obsoletes-dist", "obsoletes_dist", Use::Often),
    ("requires-python", "requires_python", Use::Once),
    ("requires-external", "requires_external", Use::Often),
    ("project-url", "project_urls", Use::Often),
    // 2.1, PEP 566
    ("description-content-type", "description_content_type", Use::Once),
    ("provides-extra", "provides_extra", Use::Often),
    // 2.2, PEP 643
    ("dynamic", "dynamic", Use::Often),
    // 2.4, PEP 639
    ("license-expression", "license_expression", Use::Once),
    ("license-file", "license_file", Use::Often),
    // 2.5, PEP 794
    ("import-name", "import_name", Use::Often),
    ("import-namespace", "import_namespace", Use::Often),
];

/// The versions of the format that are known; no other changed what a field means.
const KNOWN: [&str; 10] = ["1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"];

/// The first version of the format that has `License-File`.
const WITH_LICENSE_FILES: (u32, u32) = (2, 4);

/// The metadata of one distribution.
#[derive(Debug, Clone)]
pub(super) struct Metadata {
    /// `Name`, as it is spelled.
    pub(super) name: String,
    /// `Version`, as it is spelled.
    pub(super) spelled: String,
    /// `Version`, understood.
    pub(super) version: Version,
    /// All fields in their order, by their names in the upload form.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What the person should know though it stops nothing.
    pub(super) warnings: Vec<String>,
}

impl Metadata {
    /// Reads a metadata file, or says what is wrong with it, as the end of a sentence.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes.get(..error.valid_up_to()).unwrap_or_default().split(|byte| *byte == b'\n').count();
            format!("is not UTF-8 in line {line}")
        })?;
        let Raw { headers, body, cut } = Raw::read(text.trim_start_matches('\u{feff}'));
        let mut warnings = Vec::new();
        if let Some(line) = cut {
            warnings.push(format!(
                "the metadata has in line {line} something that is no field; from there on it is taken for the \
                 description, as other tools take it"
            ));
        }
        let mut fields = Vec::new();
        let mut unknown = Vec::new();
        for (name, value) in headers {
            match FIELDS.iter().find(|(own, ..)| *own == name) {
                None => unknown.push(name),
                Some((_, form, Use::Once)) if fields.iter().any(|(other, _)| other == form) => {
                    return Err(format!("has the field {name} twice"));
                }
                Some((_, form, _)) => fields.push((*form, tidy(form, &value))),
            }
        }
        if !body.is_empty() {
            if fields.iter().any(|(form, _)| *form == "description") {
                return Err("has a description twice: as a field and behind the fields".to_owned());
            }
            fields.push(("description", body.to_owned()));
        }
        let format = format(required(&fields, "metadata_version", "Metadata-Version")?, &mut warnings)?;
        if format < WITH_LICENSE_FILES {
            // setuptools wrote them before there was such a field, and meant something else.
            fields.retain(|(form, _)| *form != "license_file");
        }
        if !unknown.is_empty() {
            warnings.push(format!("fields that no upload form has are left out: {}", unknown.join(", ")));
        }
        let name = required(&fields, "name", "Name")?;
        if !is_name(name) {
            return Err(format!("has the Name {name:?}: a name has letters, digits and, between them, '-', '_', '.'"));
        }
        let spelled = required(&fields, "version", "Version")?;
        let version = Version::parse(spelled)
            .ok_or_else(|| format!("has the Version {spelled:?}, which PEP 440 does not allow"))?;
        Ok(Self { name: name.to_owned(), spelled: spelled.to_owned(), version, fields, warnings })
    }
}

fn required<'f>(fields: &'f [(&'static str, String)], form: &str, name: &str) -> Result<&'f str, String> {
    let found = fields.iter().find(|(own, _)| *own == form).map(|(_, value)| value.as_str());
    found.filter(|value| !value.is_empty()).ok_or_else(|| format!("has no {name}"))
}

/// The format's version. A newer one of the same kind is worth a warning, as the specification says; one that begins
/// with a higher number means something that nobody here knows.
fn format(text: &str, warnings: &mut Vec<String>) -> Result<(u32, u32), String> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    let format = text.split_once('.').and_then(|(major, minor)| number(major).zip(number(minor)));
    match format {
        Some(known) if KNOWN.contains(&text) => Ok(known),
        Some((major @ (1 | 2), minor)) => {
            warnings.push(format!(
                "the metadata's version {text} is not known here; its fields are sent as far as they are"
            ));
            Ok((major, minor))
        }
        _ => Err(format!("has the Metadata-Version {text:?}, which cannot be read")),
    }
}

/// A value as it is sent: what is compared without blanks around it, words and addresses with one blank behind each
/// comma, as twine sends them.
fn tidy(form: &str, value: &str) -> String {
    match form {
        "metadata_version" | "name" | "version" => value.trim().to_owned(),
        "keywords" => value.split(',').map(str::trim).collect::<Vec<_>>().join(", "),
        "project_urls" => match value.split_once(',') {
            Some((label, address)) => format!("{}, {}", label.trim(), address.trim()),
            None => value.to_owned(),
        },
        _ => value.to_owned(),
    }
}

/// Headers and body of an e-mail.
struct Raw<'a> {
    /// Names in lower case, and values with the line breaks that are inside them.
    headers: Vec<(String, String)>,
    body: &'a str,
    /// The line in which the headers end though it is not empty.
    cut: Option<usize>,
}

impl<'a> Raw<'a> {
    fn read(text: &'a str) -> Self {
        let mut headers: Vec<(String, String)> = Vec::new();
        let mut rest = text;
        // The line break before the current line.
        let mut broken = "";
        for number in 1.. {
            if rest.is_empty() {
                break;
            }
            let (line, ending, behind) = first_line(rest);
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = headers.last_mut() {
                    value.push_str(broken);
                    value.push_str(line);
                }
            } else if line.is_empty() {
                rest = behind;
                break;
            } else {
                let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
                let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else {
                    return Self { headers: trimmed(headers), body: rest, cut: Some(number) };
                };
                headers.push((name.to_ascii_lowercase(), value.to_owned()));
            }
            broken = ending;
            rest = behind;
        }
        Self { headers: trimmed(headers), body: rest, cut: None }
    }
}

fn trimmed(mut headers: Vec<(String, String)>) -> Vec<(String, String)> {
    let blank = [' ', '\t', '\r', '\n'];
    for (_, value) in &mut headers {
        *value = value.trim_start_matches(blank).to_owned();
    }
    headers
}

/// The first line, how it ends, and what is behind it. A line ends with LF, CR, or both.
fn first_line(text: &str) -> (&str, &str, &str) {
    let Some(end) = text.find(['\r', '\n']) else {
        return (text, "", "");
    };
    let (line, rest) = text.split_at(end);
    let ending = if rest.starts_with("\r\n") { 2 } else { 1 };
    let (ending, behind) = rest.split_at(ending);
    (line, ending, behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(&'static str, String)> {
        Metadata::parse(text.as_bytes()).unwrap().fields
    }

    fn problem(text: &[u8]) -> String {
        Metadata::parse(text).unwrap_err()
    }

    const HEAD: &str = "Metadata-Version: 2.1\nName: left\nVersion: 1.0\n";

    #[test]
    fn every_field_has_its_name_in_the_form() {
        let text: Vec<String> = FIELDS
            .iter()
            .filter(|(name, ..)| !matches!(*name, "metadata-version" | "name" | "version" | "keywords" | "project-url"))
            .map(|(name, ..)| format!("{name}: of {name}\n"))
            .collect();
        let text = text.concat();
        let text = format!(
            "Metadata-Version: 2.5\nNAME: Left.Pad \nVersion:v1.0\n{text}Keywords: a ,b,  c\nProject-URL: Home,https://a.example\n"
        );
        let metadata = Metadata::parse(text.as_bytes()).unwrap();
        assert_eq!((metadata.name.as_str(), metadata.version.normal()), ("Left.Pad", "1.0"));
        assert_eq!(metadata.fields.len(), FIELDS.len());
        for (name, form, _) in FIELDS {
            let expected = match name {
                "metadata-version" => "2.5".to_owned(),
                "name" => "Left.Pad".to_owned(),
                "version" => "v1.0".to_owned(),
                "keywords" => "a, b, c".to_owned(),
                "project-url" => "Home, https://a.example".to_owned(),
                _ => format!("of {name}"),
            };
            assert!(metadata.fields.contains(&(form, expected)), "{name}: {:?}", metadata.fields);
        }
        assert!(metadata.warnings.is_empty(), "{:?}", metadata.warnings);
    }

    #[test]
    fn values_are_read_as_of_an_e_mail() {
        let text = format!(
            "{HEAD}License: line 1\r\n        line 2\r\n        |line 3\r\nSummary:\t Pads: left \nClassifier: A\nClassifier: B :: C\n\n# left\n\n  body: x\r\nend"
        );
        let fields = fields(&text);
        let rest = &fields[3..];
        assert_eq!(
            rest,
            [
                ("license", "line 1\r\n        line 2\r\n        |line 3".to_owned()),
                ("summary", "Pads: left ".to_owned()),
                ("classifiers", "A".to_owned()),
                ("classifiers", "B :: C".to_owned()),
                ("description", "# left\n\n  body: x\r\nend".to_owned()),
            ]
        );
    }

    #[test]
    fn what_is_no_field_begins_the_description_with_a_warning() {
        let metadata = Metadata::parse(format!("{HEAD}License: MIT\nmore of it\nx: y\n").as_bytes()).unwrap();
        assert_eq!(metadata.fields.last().unwrap(), &("description", "more of it\nx: y\n".to_owned()));
        assert!(metadata.warnings[0].contains("line 5"), "{:?}", metadata.warnings);
    }

    #[test]
    fn what_is_unknown_is_left_out_and_told() {
        let metadata =
            Metadata::parse(b"Metadata-Version: 2.9\nName: a\nVersion: 1\nFuture: x\nLicense-File: L\n").unwrap();
        assert_eq!(metadata.fields.len(), 4, "{:?}", metadata.fields);
        let [version, field] = &metadata.warnings[..] else { panic!("{:?}", metadata.warnings) };
        assert!(version.contains("2.9") && field.contains("future"), "{version} {field}");
        let old = Metadata::parse(format!("{HEAD}License-File: LICENSE\n").as_bytes()).unwrap();
        assert_eq!((old.fields.len(), old.warnings.len()), (3, 0), "{old:?}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "no Metadata-Version"),
            ("Metadata-Version: 2.1\nVersion: 1\n", "no Name"),
            ("Metadata-Version: 2.1\nName: a\nVersion:\n", "no Version"),
            ("Metadata-Version: 2.1\nName: a\nVersion: latest\n", "\"latest\""),
            ("Metadata-Version: 2.1\nName: ../a\nVersion: 1\n", "\"../a\""),
            ("Metadata-Version: 3.0\nName: a\nVersion: 1\n", "\"3.0\""),
            ("Metadata-Version: two\nName: a\nVersion: 1\n", "\"two\""),
            ("Metadata-Version: 2.1\nName: a\nname: b\nVersion: 1\n", "the field name twice"),
            ("Metadata-Version: 2.1\nName: a\nVersion: 1\nDescription: x\n\ny", "description twice"),
        ] {
            let problem = problem(text.as_bytes());
            assert!(problem.contains(reason), "{text:?}: {problem}");
        }
        assert_eq!(problem(b"Metadata-Version: 2.1\nName: a\nAuthor: \xe4\n"), "is not UTF-8 in line 3");
    }
}
