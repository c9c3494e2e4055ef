//! The zip with `publish-report.json` that an output artifact holds. The digests of a hundred thousand files do not shrink:
//! a long one is written to the temporary folder, and read from there when it is stored.

use std::io::{self, BufWriter, IntoInnerError, Write};
use std::sync::Arc;

use bytes::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Published, told};
use crate::archive::source::{Memory, ReadAt};
use crate::archive::spool::Spool;

/// How much of it stays in memory.
const IN_MEMORY: usize = 256 << 10;

impl Published {
    /// The zip that an output artifact holds.
    pub fn zip(&self) -> io::Result<Arc<dyn ReadAt>> {
        self.zip_in(Spool::with_limit(IN_MEMORY))
    }

    fn zip_in(&self, spool: Spool) -> io::Result<Arc<dyn ReadAt>> {
        match self.write_zip(spool) {
            // Everything is published by now, and that is told, whatever it takes.
            Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
                tracing::info!("the temporary folder has no room for the report; it is kept in memory");
                Ok(Arc::new(Memory(Bytes::from(self.write_zip(Vec::new())?))))
            }
            spool => spool?.finish(),
        }
    }

    fn write_zip<W: Write>(&self, to: W) -> io::Result<W> {
        let mut zip = ZipWriter::new_stream(to);
        // A fixed time: the same job gives the same bytes.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default());
        zip.start_file("publish-report.json", options)?;
        let mut json = BufWriter::new(zip);
        serde_json::to_writer_pretty(&mut json, &told::Told(self, ()))?;
        let zip = json.into_inner().map_err(IntoInnerError::into_error)?;
        Ok(zip.finish()?.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::FileState;
    use super::super::tests::published;
    use super::*;
    use crate::archive::source::Cursor;

    fn bytes(source: Arc<dyn ReadAt>) -> Vec<u8> {
        let mut bytes = Vec::new();
        Cursor::new(source, 0).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_report_in_the_output_artifact_lists_every_file_and_is_the_same_each_time() {
        let published = published(&[FileState::Stored, FileState::Skipped]);
        let bytes = [published.zip().unwrap(), published.zip().unwrap()].map(bytes);
        assert_eq!(bytes[0], bytes[1]);
        let mut zip = zip::ZipArchive::new(io::Cursor::new(&bytes[0])).unwrap();
        let report: serde_json::Value = serde_json::from_reader(zip.by_name("publish-report.json").unwrap()).unwrap();
        assert_eq!(report["packages"][1]["files"][0]["state"], "skipped");
        assert_eq!(report["packages"][0]["files"][0]["md5"], "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn a_long_report_is_the_same_on_disk_and_where_there_is_no_room_for_it() {
        let published = published(&vec![FileState::Stored; 500]);
        let wanted = bytes(published.zip_in(Spool::with_limit(usize::MAX)).unwrap());
        assert!(wanted.len() > 4_000, "{}", wanted.len());
        for spool in [Spool::with_limit(100), Spool::with_room(100, 2_000)] {
            assert!(bytes(published.zip_in(spool).unwrap()) == wanted);
        }
    }
}
