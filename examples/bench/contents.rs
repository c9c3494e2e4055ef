//! What is in the artifacts: packages and what lies beside them, made up from a seed, the same in every run.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fastrand::Rng;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Name of every package.
pub(crate) const NAME: &str = "bench-package";

const SEED: u64 = 0x0061_7274_6966_6163;
/// Size of a source file, in bytes.
const SOURCE: usize = 25_000;

/// The artifact of a package, but for its `package.json`, which has the version of one run in it.
#[derive(Debug)]
pub(crate) struct Contents {
    zip: Vec<u8>,
}

impl Contents {
    /// Three small files.
    pub(crate) fn tiny() -> Self {
        let mut zip = Zip::new(Vec::new());
        zip.own_files();
        zip.finish()
    }

    /// A package of so many bytes in all: sources, and an eighth of it what compresses badly, as fonts, pictures and
    /// maps in base64 do.
    pub(crate) fn sources(bytes: usize) -> Self {
        let mut random = Rng::with_seed(SEED);
        let mut zip = Zip::new(Vec::new());
        zip.own_files();
        for number in 0..bytes / SOURCE {
            if number % 8 == 7 {
                let blob = blob(&mut random, SOURCE * 3 / 4);
                zip.file(&format!("lib/assets/asset-{number}.txt"), STANDARD.encode(blob).as_bytes());
            } else {
                let place = number % 23;
                zip.file(&format!("lib/part-{place}/module-{number}.js"), source(&mut random, SOURCE).as_bytes());
            }
        }
        zip.finish()
    }

    /// A small package and what a build leaves beside it, so many bytes as a zip: `node_modules`, and test data.
    pub(crate) fn buried(bytes: usize) -> Self {
        const BLOB: usize = 1_000_000;
        let mut random = Rng::with_seed(SEED);
        let mut zip = Zip::new(Vec::new());
        zip.own_files();
        for package in 0..300 {
            let folder = format!("node_modules/dependency-{package}");
            let manifest = format!("{{\"name\":\"dependency-{package}\",\"version\":\"1.{package}.0\"}}");
            zip.file(&format!("{folder}/package.json"), manifest.as_bytes());
            for module in 0..20 {
                zip.file(&format!("{folder}/lib/module-{module}.js"), source(&mut random, SOURCE).as_bytes());
            }
        }
        let Self { zip: so_far } = zip.finish();
        let blobs = bytes.saturating_sub(so_far.len()) / BLOB;
        let mut zip = Zip::new(so_far);
        for number in 0..=blobs {
            zip.file(&format!("test/data/recording-{number}.bin"), &blob(&mut random, BLOB));
        }
        zip.finish()
    }

    /// The artifact with the package in this version.
    pub(crate) fn artifact(&self, version: &str) -> Bytes {
        let mut zip = Zip::new(self.zip.clone());
        // What `files` leaves out is in none of the archives, whoever makes them.
        let manifest = format!(
            "{{\n  \"name\": \"{NAME}\",\n  \"version\": \"{version}\",\n  \"description\": \"For make bench\",\n  \
             \"main\": \"index.js\",\n  \"license\": \"MIT\",\n  \"files\": [\"index.js\", \"lib\"]\n}}\n"
        );
        zip.file("package.json", manifest.as_bytes());
        zip.finish().zip.into()
    }
}

/// A zip in the making, deflated as CodeBuild does it.
struct Zip(ZipWriter<Cursor<Vec<u8>>>);

impl Zip {
    /// Goes on with a zip; with none it makes one.
    fn new(zip: Vec<u8>) -> Self {
        Self(if zip.is_empty() {
            ZipWriter::new(Cursor::new(zip))
        } else {
            ZipWriter::new_append(Cursor::new(zip)).expect("we made this zip")
        })
    }

    fn own_files(&mut self) {
        self.file("index.js", b"'use strict';\nmodule.exports = require('./lib/greet.js');\n");
        self.file("lib/greet.js", b"'use strict';\nmodule.exports = (name) => `Hello, ${name}!`;\n");
        self.file("README.md", b"# A package for make bench\n\nIt greets.\n");
    }

    fn file(&mut self, path: &str, content: &[u8]) {
        self.0.start_file(path, SimpleFileOptions::default().unix_permissions(0o644)).expect("it is in memory");
        self.0.write_all(content).expect("it is in memory");
    }

    fn finish(self) -> Contents {
        Contents { zip: self.0.finish().expect("it is in memory").into_inner() }
    }
}

fn blob(random: &mut Rng, size: usize) -> Vec<u8> {
    let mut blob = vec![0; size];
    random.fill(&mut blob);
    blob
}

const WORDS: [&str; 48] = [
    "account", "action", "build", "buffer", "cache", "client", "config", "connect", "content", "context", "create",
    "default", "delete", "encode", "entry", "error", "event", "fetch", "field", "filter", "format", "handle", "header",
    "index", "input", "items", "length", "listen", "merge", "message", "module", "node", "number", "object", "option",
    "output", "parse", "path", "promise", "query", "read", "render", "request", "resolve", "result", "stream",
    "update", "value",
];

/// Text that reads and compresses like JavaScript.
fn source(random: &mut Rng, size: usize) -> String {
    let mut text = String::with_capacity(size + 256);
    text.push_str("'use strict';\n\n");
    while text.len() < size {
        let [one, two, three] = [(); 3].map(|()| name(random));
        let number = random.u16(..);
        match random.u8(..7) {
            0 => writeln!(text, "function {one}({two}, {three}) {{\n  return {two} + {three} * {number};\n}}\n"),
            1 => writeln!(text, "  if ({one} === undefined || {two}.{three} > {number}) {{\n    return null;\n  }}"),
            2 => writeln!(text, "const {one} = require('./{two}');\nconst {{ {three} }} = {one};"),
            3 => writeln!(text, "  for (const {one} of {two}.{three}()) {{\n    {two}.push({one}[{number}]);\n  }}"),
            4 => writeln!(text, "/**\n * The {one} of a {two}, unless its {three} is {number}.\n */"),
            5 => writeln!(text, "  {one}.on('{two}', ({three}) => this.emit('{two}-{number}', {three}));"),
            _ => writeln!(text, "exports.{one} = async ({two}) => (await {three}({two}))?.{one} ?? '{number:04x}';"),
        }
        .expect("a String takes everything");
    }
    text
}

/// One to three words in camel case.
fn name(random: &mut Rng) -> String {
    let mut name = WORDS[random.usize(..WORDS.len())].to_owned();
    for _ in 0..random.u8(..3) {
        let (first, rest) = WORDS[random.usize(..WORDS.len())].split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}
