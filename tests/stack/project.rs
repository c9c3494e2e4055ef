//! The Node project of the examples, zipped the way CodeBuild hands it over: everything, with `node_modules` beside it.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Name of the package.
pub(crate) const NAME: &str = "node_example";

/// The project's folder.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pipeline/node_example")
}

/// The project as a zip, its version set to `version` and `index.js` extended by `more`.
pub(crate) fn zipped(version: &str, more: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut files = Vec::new();
    collect(&folder(), &folder(), &mut files);
    files.sort();
    for path in files {
        let mut text = std::fs::read_to_string(folder().join(&path)).expect("the example's files are text");
        if path == "package.json" {
            text = text.replacen("\"version\": \"1.0.3\"", &format!("\"version\": \"{version}\""), 1);
        }
        if path == "index.js" {
            text.push_str(more);
        }
        let permissions = if path.starts_with("bin/") { 0o755 } else { 0o644 };
        add(&mut zip, &path, permissions, text.as_bytes());
    }
    // What `npm ci` leaves beside the package; 200 files of a kilobyte that nobody publishes.
    add(&mut zip, "node_modules/ms/package.json", 0o644, br#"{"name":"ms","version":"2.1.3","main":"index.js"}"#);
    for number in 0..200 {
        let noise = format!("// {number}\n").repeat(100);
        add(&mut zip, &format!("node_modules/ms/test/{number}.js"), 0o644, noise.as_bytes());
    }
    zip.finish().expect("a zip in memory can be finished").into_inner()
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("the example's folder can be read") {
        let path = entry.expect("the example's folder can be read").path();
        if path.file_name().is_some_and(|name| name == "node_modules") {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let inside = path.strip_prefix(root).expect("it was found below the root");
            files.push(inside.to_string_lossy().into_owned());
        }
    }
}

fn add(zip: &mut ZipWriter<Cursor<Vec<u8>>>, path: &str, mode: u32, content: &[u8]) {
    let options = SimpleFileOptions::default().unix_permissions(mode);
    zip.start_file(path, options).expect("a zip in memory can be written");
    zip.write_all(content).expect("a zip in memory can be written");
}

/// A build that hands over a ready archive, as `npm pack` makes it.
pub(crate) fn ready(name: &str, version: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, &format!("{name}-{version}.tgz"), 0o644, &archive(name, version, ""));
    zip.finish().expect("a zip in memory can be finished").into_inner()
}

/// A zip of these files, each with mode 0644.
pub(crate) fn of_files(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        add(&mut zip, path, 0o644, content);
    }
    zip.finish().expect("a zip in memory can be finished").into_inner()
}

/// The archive of a package that is nothing but its manifest, with this description.
pub(crate) fn archive(name: &str, version: &str, description: &str) -> Vec<u8> {
    let manifest = format!("{{\"name\":\"{name}\",\"version\":\"{version}\",\"description\":\"{description}\"}}");
    tgz("package/package.json", &manifest)
}

/// A gzipped tar of one file.
pub(crate) fn tgz(path: &str, text: &str) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()));
    let mut header = tar::Header::new_ustar();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, path, text.as_bytes()).expect("a tar in memory can be written");
    let gzip = tar.into_inner().expect("a tar in memory can be finished");
    gzip.finish().expect("a gzip in memory can be finished")
}

/// A private root with these packages in version 1.0.0 as its workspaces.
pub(crate) fn workspaces(names: &[&str]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, "package.json", 0o644, br#"{"name":"root","private":true,"workspaces":["packages/*"]}"#);
    for name in names {
        let manifest = format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}");
        add(&mut zip, &format!("packages/{name}/package.json"), 0o644, manifest.as_bytes());
    }
    zip.finish().expect("a zip in memory can be finished").into_inner()
}
