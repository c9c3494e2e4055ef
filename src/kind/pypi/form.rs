//! The upload form of the legacy API (Python packaging specifications, "Upload API"; what twine sends), as
//! `multipart/form-data` (RFC 7578) around the file.

use std::fmt::Write as _;

use bytes::Bytes;

use super::find::Distribution;
use super::release::Spelling;
use crate::package::{Digests, hex};
use crate::step::{Body, Content, Segment};

/// The form of one file, and the value of its `Content-Type`.
pub(super) fn form(distribution: &Distribution, spelling: &Spelling) -> (Body, String) {
    let Distribution { entry, file, form, metadata, digests, .. } = distribution;
    let boundary = boundary(digests);
    let mut head = String::new();
    let mut field = |name: &str, value: &str| {
        let _ = write!(head, "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    };
    field(":action", "file_upload");
    field("protocol_version", "1");
    for (name, value) in &metadata.fields {
        // One spelling for all files of a release: the server makes their folder of it.
        field(
            name,
            match *name {
                "name" => &spelling.name,
                "version" => &spelling.version,
                _ => value,
            },
        );
    }
    field("filetype", form.file_type());
    field("pyversion", form.python());
    // twine's `blake2_256_digest` says no more of the same bytes, and would be a digest of its own over every file.
    field("md5_digest", &hex(&digests.md5));
    field("sha256_digest", &hex(&digests.sha256));
    let _ = write!(
        head,
        "--{boundary}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{file}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = Body(vec![
        Segment::Bytes(Bytes::from(head)),
        Segment::Raw(Content::Entry(entry.clone())),
        Segment::Bytes(Bytes::from(format!("\r\n--{boundary}--\r\n"))),
    ]);
    (body, format!("multipart/form-data; boundary={boundary}"))
}

/// Where the parts meet. It follows from the file, so that the same artifact has the same plan; and neither the file nor
/// the metadata, which is inside the file, can hold the file's own digest.
fn boundary(digests: &Digests) -> String {
    let sha512 = digests.sha512.as_ref().and_then(|sha512| sha512.get(..24));
    sha512.map_or_else(|| hex(&digests.sha256), hex)
}
