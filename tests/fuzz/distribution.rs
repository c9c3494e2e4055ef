//! Python distributions: what is inside decides on the form that is sent, and must not get out of its fields.

use codepipeline_artifactory::archive::Selection;
use codepipeline_artifactory::plan::PackagePlan;
use codepipeline_artifactory::step::Segment;

use super::planned::{archive, plan_of, zipped};

const FILE: &str = "left_pad-1.0-py3-none-any.whl";

/// Plans a wheel with these bytes as its `METADATA`.
pub(crate) fn metadata(bytes: &[u8]) {
    let wheel = zipped(&[
        ("left_pad/__init__.py", b""),
        ("left_pad-1.0.dist-info/METADATA", bytes),
        ("left_pad-1.0.dist-info/WHEEL", b"Tag: py3-none-any\n"),
    ]);
    if let Some(plan) = planned(&wheel) {
        let fields = sent(&plan, &wheel);
        let text = std::str::from_utf8(bytes).expect("anything else is refused");
        let description = fields.iter().find(|(name, _)| name == "description");
        assert!(description.is_none_or(|(_, value)| text.contains(value.as_str())));
    }
}

/// Plans these bytes as a wheel. Its metadata is what any reader of zips finds.
pub(crate) fn wheel(bytes: &[u8]) {
    let Some(plan) = planned(bytes) else { return };
    let fields = sent(&plan, bytes);
    let Ok(mut theirs) = zip::ZipArchive::new(std::io::Cursor::new(bytes)) else { return };
    let Ok(mut entry) = theirs.by_name("left_pad-1.0.dist-info/METADATA") else { return };
    let mut text = String::new();
    if std::io::Read::read_to_string(&mut entry, &mut text).is_ok() {
        for (name, value) in fields.iter().filter(|(name, _)| name == "summary") {
            assert!(text.contains(value.as_str()), "{name}: {value}");
        }
    }
}

fn planned(wheel: &[u8]) -> Option<PackagePlan> {
    let plans = plan_of("pypi", zipped(&[(FILE, wheel)]), Selection::default()).ok()?;
    let [plan] = plans.as_slice() else { panic!("{} releases", plans.len()) };
    Some(plan.clone())
}

/// The fields of the form, as whoever knows nothing but the boundary reads them.
fn sent(plan: &PackagePlan, wheel: &[u8]) -> Vec<(String, String)> {
    let [step] = plan.steps.as_slice() else { panic!("{} steps", plan.steps.len()) };
    assert_eq!(archive(plan), wheel);
    let [Segment::Bytes(head), Segment::Raw(_), Segment::Bytes(tail)] = step.body.0.as_slice() else {
        panic!("{:?}", step.body)
    };
    let (_, boundary) = step.headers[0].1.split_once("boundary=").unwrap();
    assert_eq!(tail, format!("\r\n--{boundary}--\r\n").as_bytes());
    let head = format!("\r\n{}", std::str::from_utf8(head).unwrap());
    let mut fields = Vec::new();
    for part in head.split(&format!("\r\n--{boundary}")).skip(1) {
        let (headers, value) = part.split_once("\r\n\r\n").unwrap();
        let name = headers.strip_prefix("\r\nContent-Disposition: form-data; name=\"").unwrap();
        let (name, more) = name.split_once('"').unwrap();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | ':' | '2' | '5' | '6')), "{name}");
        assert_eq!(more.is_empty(), name != "content", "{headers}");
        fields.push((name.to_owned(), value.to_owned()));
    }
    assert_eq!(fields.last().unwrap(), &("content".to_owned(), String::new()));
    let value = |name: &str| fields.iter().find(|(own, _)| own == name).unwrap().1.clone();
    assert_eq!(value("name"), plan.of.name);
    assert_eq!(plan.of.name.to_ascii_lowercase().replace('.', "-"), "left-pad");
    assert_eq!(value("version"), plan.of.version);
    assert_eq!(step.file.path.as_str(), format!("{}/{}/{}", plan.of.name, plan.of.version, FILE));
    fields
}
