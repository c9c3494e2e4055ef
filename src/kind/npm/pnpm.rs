//! What a workspace declares outside of its `package.json`: members and catalogs in `pnpm-workspace.yaml`, catalogs in
//! yarn's `.yarnrc.yml`.

use std::collections::BTreeMap;

use super::super::PackageError;
use super::manifest::refused;
use super::workspaces::Globs;
use super::yaml::{self, Problem};
use crate::archive::{Archive, EntryKind, MAX_MANIFEST};

/// Ranges by the names of dependencies, by the name of the catalog.
pub(super) type Catalogs = BTreeMap<String, BTreeMap<String, String>>;

/// The name of the catalog that has none.
pub(super) const DEFAULT: &str = "default";

/// Which folders `pnpm-workspace.yaml` in the folder calls members, where there is one that says so.
pub(super) fn globs(archive: &Archive, folder: &str) -> Result<Option<Globs>, PackageError> {
    read(archive, folder, "pnpm-workspace.yaml", parse_globs).map(Option::flatten)
}

/// The catalogs that `pnpm-workspace.yaml` and `.yarnrc.yml` in the folder hold.
pub(super) fn catalogs(archive: &Archive, folder: &str) -> Result<Catalogs, PackageError> {
    let mut catalogs = read(archive, folder, ".yarnrc.yml", parse_catalogs)?.unwrap_or_default();
    merge(&mut catalogs, read(archive, folder, "pnpm-workspace.yaml", parse_catalogs)?.unwrap_or_default());
    Ok(catalogs)
}

/// Adds the ranges of other catalogs, which go before.
pub(super) fn merge(catalogs: &mut Catalogs, others: Catalogs) {
    for (name, other) in others {
        catalogs.entry(name).or_default().extend(other);
    }
}

fn read<T>(
    archive: &Archive,
    folder: &str,
    name: &str,
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Option<T>, PackageError> {
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let Some(entry) = archive.find(&path) else {
        return Ok(None);
    };
    if entry.kind() != EntryKind::File {
        return Err(refused(&path, "is not a regular file", "put the file itself into the artifact"));
    }
    let bytes = entry.read_to_memory(MAX_MANIFEST)?;
    parse(&String::from_utf8_lossy(&bytes)).map(Some).map_err(|Problem { line, what }| {
        refused(&path, &format!("cannot be read: line {line} {what}"), "write that line in a simpler form")
    })
}

fn parse_globs(text: &str) -> Result<Option<Globs>, Problem> {
    let blocks = yaml::blocks(text)?;
    let Some(block) = blocks.get("packages") else {
        return Ok(None);
    };
    Globs::parse(&block.list()?).map(Some).map_err(|what| Problem { line: block.line(), what })
}

fn parse_catalogs(text: &str) -> Result<Catalogs, Problem> {
    let blocks = yaml::blocks(text)?;
    let mut catalogs = blocks.get("catalogs").map(yaml::Block::maps).transpose()?.unwrap_or_default();
    if let Some(block) = blocks.get("catalog") {
        catalogs.insert(DEFAULT.to_owned(), block.map()?);
    }
    Ok(catalogs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_catalogs_are_read_apart() {
        let text = "packages:\n  - 'libs/*'\ncatalog:\n  a: ^1\ncatalogs:\n  old:\n    a: ^0.1\n";
        assert!(parse_globs(text).unwrap().unwrap().take("libs/x"));
        let catalogs = parse_catalogs(text).unwrap();
        assert_eq!(catalogs[DEFAULT]["a"], "^1");
        assert_eq!(catalogs["old"]["a"], "^0.1");
        assert!(parse_globs("nodeLinker: node-modules\ncatalog: odd\n").unwrap().is_none());
        assert_eq!(parse_globs("packages: no list").unwrap_err().line, 1);
        assert_eq!(parse_catalogs("packages: no list\ncatalog: no map").unwrap_err().line, 2);
    }
}
