//! Distributions that nobody could install, or that are not what they are called: refused by name, with the reason.

use super::*;
use crate::make::tgz;

/// A wheel of these files.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    files.iter().fold(Zip::new(), |zip, (path, content)| zip.file(path, content)).bytes()
}

/// Why an artifact with this file is refused.
fn why(file: &str, bytes: impl AsRef<[u8]>) -> String {
    error(Zip::new().file(file, bytes), "")
}

#[test]
fn a_wheel_must_be_what_it_is_called() {
    let (info, other) = ("left_pad-1.0.dist-info", "right-1.0.dist-info");
    let text = metadata();
    let (at, wheel_at) = (format!("{info}/METADATA"), format!("{info}/WHEEL"));
    let tag = "Tag: py3-none-any\n";
    for (file, bytes, reason) in [
        (WHEEL, zipped(&[("left_pad/__init__.py", "")]), "no *.dist-info/METADATA in it"),
        (WHEEL, zipped(&[("x/left_pad-1.0.dist-info/METADATA", &text)]), "no *.dist-info/METADATA in it"),
        (WHEEL, zipped(&[(&at, &text), (&format!("{other}/METADATA"), &text)]), "has metadata twice"),
        (WHEEL, zipped(&[(&at, &text)]), "left_pad-1.0.dist-info/WHEEL is missing"),
        (WHEEL, zipped(&[(&at, &text), (&wheel_at, "")]), "for which Python"),
        (WHEEL, zipped(&[(&format!("{other}/METADATA"), &text), (&wheel_at, tag)]), "its folder is called after"),
        (WHEEL, zipped(&[(&at, "Metadata-Version: 2.1\n"), (&wheel_at, tag)]), "METADATA has no Name"),
        (WHEEL, zipped(&[(&at, &text), ("../x", "")]), "\"../x\""),
        (WHEEL, b"PK\x03\x04 and no more".to_vec(), "is not a sound wheel"),
        (WHEEL, Vec::new(), "is not a sound wheel"),
        ("right-1.0-py3-none-any.whl", our_wheel(), "Name left-pad, Version 1.0"),
        ("left_pad-1.1-py3-none-any.whl", our_wheel(), "Name left-pad, Version 1.0"),
        ("left_pad-1.0.whl", our_wheel(), "is not named as a wheel is"),
        ("left pad-1.0-py3-none-any.whl", our_wheel(), "' '"),
    ] {
        let said = why(&format!("dist/{file}"), bytes);
        assert!(said.starts_with(&format!("dist/{file}")) && said.contains(reason), "{reason}: {said}");
    }
}

#[test]
fn a_source_distribution_must_be_what_it_is_called() {
    let text = metadata();
    let good = sdist("left_pad-1.0", &text);
    for (bytes, reason) in [
        (tgz(&[("left_pad-1.0/PKG-INFO", &text), ("other/x", "")]), "more than one folder at its top"),
        (tgz(&[("left_pad-1.0/PKG-INFO", &text), ("left_pad-1.0/PKG-INFO", &text)]), "PKG-INFO twice"),
        (tgz(&[("a/PKG-INFO", &text), ("b/PKG-INFO", &text), ("c/PKG-INFO", &text)]), "several times"),
        (tgz(&[("left_pad-1.0/PKG-INFO", "Name: x\n")]), "PKG-INFO has no Metadata-Version"),
        (sdist("left_pad-1.0", &python_metadata("right", "1.0", "")), "Name right, Version 1.0"),
        (good[..good.len() - 9].to_vec(), "not a sound gzipped tar"),
        (b"\x1f\x8b".to_vec(), "not a sound gzipped tar"),
    ] {
        let said = why(SDIST, bytes);
        assert!(said.starts_with(SDIST) && said.contains(reason), "{reason}: {said}");
    }
    let zip = zipped(&[("left-pad-1.0/PKG-INFO", &text), ("setup.py", "")]);
    assert!(why("left-pad-1.0.zip", zip).contains("more than one folder"));
}

#[test]
fn a_path_that_leads_out_of_a_source_distribution_is_refused() {
    let mut tar = Vec::new();
    let text = metadata();
    for (path, content) in [("left_pad-1.0/PKG-INFO", text.as_str()), ("left_pad-1.0/../../x", "")] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_cksum();
        tar.extend(header.as_bytes());
        tar.extend(content.as_bytes());
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, &tar).unwrap();
    assert!(why(SDIST, gzip.finish().unwrap()).contains("a path in it that leads out"));
}

#[test]
fn metadata_has_a_limit_and_is_text() {
    let huge = python_metadata("left-pad", "1.0", &"x".repeat(5 << 20));
    assert!(why(WHEEL, wheel("left_pad-1.0", &huge)).contains("too large"));
    assert!(why(SDIST, sdist("left_pad-1.0", &huge)).contains("not a sound gzipped tar"));
    let info = "left_pad-1.0.dist-info";
    let latin = [b"Metadata-Version: 2.1\nName: left-pad\nVersion: 1.0\nAuthor: M\xfcller\n".as_slice()].concat();
    let zip = Zip::new().file(&format!("{info}/METADATA"), latin).file(&format!("{info}/WHEEL"), "Tag: py3-none-any\n");
    assert!(why(WHEEL, zip.bytes()).contains("is not UTF-8 in line 4"));
}

#[test]
fn the_metadata_of_all_distributions_together_has_a_limit() {
    let zip = (0..5).fold(Zip::new(), |zip, number| {
        let metadata = python_metadata("left-pad", &format!("1.{number}"), &"x".repeat((4 << 20) - 1000));
        zip.file(&format!("left_pad-1.{number}-py3-none-any.whl"), wheel(&format!("left_pad-1.{number}"), &metadata))
    });
    assert!(error(zip, "").contains("together"));
}

#[test]
fn two_files_of_one_name_must_be_the_same() {
    let other = wheel("left_pad-1.0", &python_metadata("left-pad", "1.0", "Summary: x\n"));
    let zip = Zip::new().file(&format!("a/{WHEEL}"), our_wheel()).file(&format!("b/{WHEEL}"), other);
    assert_eq!(error(zip, ""), format!("b/{WHEEL} is called as a/{WHEEL}, and has other content"));
}

#[test]
fn an_artifact_without_distributions_says_what_is_there() {
    let none = error(Zip::new().file("pyproject.toml", "").file("data-1.0.tar.gz", tgz(&[("x", "")])), "");
    assert_eq!(
        none,
        "no pypi package found: no wheel (*.whl) and no source distribution (name-version.tar.gz); without a PKG-INFO, \
         and so none: data-1.0.tar.gz; there is a pyproject.toml, so let the build make them (python -m build)"
    );
}
