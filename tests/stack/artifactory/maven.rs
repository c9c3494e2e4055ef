//! What repositories with Maven's layout do beyond plain files: a POM has to lie where it says, snapshots get names by the
//! repository's behaviour, metadata is calculated whenever it is read.

use std::collections::{BTreeMap, BTreeSet};

use quick_xml::Reader;
use quick_xml::events::Event;

use super::config::{PomChecks, Repository, Snapshots};
use super::dates;
use super::reply::Refusal;
use super::state::{Digests, State};

/// Whether a repository has Maven's layout.
pub(super) fn is_laid_out(repository: &Repository) -> bool {
    ["maven", "gradle", "ivy", "sbt"].contains(&repository.package_type.as_str())
}

/// The path taken apart by the layout `maven-2-default`.
struct Place<'p> {
    group: &'p str,
    artifact: &'p str,
    version: &'p str,
    name: &'p str,
}

impl<'p> Place<'p> {
    fn of(path: &'p str) -> Option<Self> {
        let (rest, name) = path.rsplit_once('/')?;
        let (rest, version) = rest.rsplit_once('/')?;
        let (group, artifact) = rest.rsplit_once('/')?;
        name.starts_with(&format!("{artifact}-")).then_some(Self { group, artifact, version, name })
    }

    /// `1.0` of `1.0-SNAPSHOT`.
    fn base(&self) -> Option<&'p str> {
        self.version.strip_suffix("-SNAPSHOT")
    }

    /// What stands for `SNAPSHOT` in the name, and what follows on it.
    fn build(&self) -> Option<(Option<(String, u64)>, &'p str)> {
        let rest = self.name.strip_prefix(&format!("{}-{}-", self.artifact, self.base()?))?;
        if let Some(rest) = rest.strip_prefix("SNAPSHOT") {
            return Some((None, rest));
        }
        let (when, rest) = rest.split_at_checked(15)?;
        let rest = rest.strip_prefix('-')?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, rest) = rest.split_at_checked(end)?;
        Some((Some((when.to_owned(), number.parse().ok()?)), rest))
    }
}

/// The stamp of its build in a path that has one, and the path with `SNAPSHOT` in its place.
pub(crate) fn unstamped(path: &str) -> Option<(String, String)> {
    let place = Place::of(path)?;
    let (build, rest) = place.build()?;
    let (when, number) = build?;
    let Place { group, artifact, version, .. } = place;
    Some((format!("{when}-{number}"), format!("{group}/{artifact}/{version}/{artifact}-{version}{rest}")))
}

/// Refuses a POM that says another place than the one that it is put to.
pub(super) fn check_pom(repository: &Repository, path: &str, content: &[u8]) -> Result<(), Refusal> {
    if !is_laid_out(repository)
        || repository.pom_checks == PomChecks::Suppressed
        || !path.to_lowercase().ends_with(".pom")
    {
        return Ok(());
    }
    let refuse = |why: String| {
        let text =
            format!("The target deployment path '{path}' does not match the POM's expected path prefix '{why}'.");
        Err(Refusal::new(409, text))
    };
    let Some(said) = coordinates(content) else { return refuse("of a POM that can be read".to_owned()) };
    let [group, artifact, version] = said;
    let expected = format!("{}/{artifact}/{version}/", group.replace('.', "/"));
    if path.starts_with(&expected) { Ok(()) } else { refuse(expected) }
}

/// Group, artifact and version of a POM, from its parent where it does not say them.
fn coordinates(pom: &[u8]) -> Option<[String; 3]> {
    let mut reader = Reader::from_str(std::str::from_utf8(pom).ok()?);
    let mut path: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned()),
            Event::End(_) => {
                path.pop();
            }
            Event::Text(text) => {
                found.entry(path.join("/")).or_default().push_str(text.decode().ok()?.trim());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let own = |name: &str| found.get(&format!("project/{name}")).filter(|text| !text.is_empty());
    let inherited = |name: &str| own(name).or_else(|| found.get(&format!("project/parent/{name}"))).cloned();
    Some([inherited("groupId")?, own("artifactId")?.clone(), inherited("version")?])
}

/// Under which name a file is stored: in a repository that keeps one build, as `-SNAPSHOT`; in one that names builds
/// itself, a file that came without a stamp gets that of the newest build, or of another one where that has such a file
/// or its POM already.
pub(super) fn stored_as(state: &State, key: &str, path: &str) -> String {
    let Some(repository) = state.repositories.get(key).filter(|repository| is_laid_out(repository)) else {
        return path.to_owned();
    };
    let Some(place) = Place::of(path) else { return path.to_owned() };
    let Some((build, rest)) = place.build() else { return path.to_owned() };
    let Place { group, artifact, version, .. } = &place;
    let base = place.base().unwrap_or_default();
    let named = |stamp: &str| format!("{group}/{artifact}/{version}/{artifact}-{base}-{stamp}{rest}");
    match (repository.snapshots, build) {
        (Snapshots::NonUnique, _) => named("SNAPSHOT"),
        (Snapshots::Unique, None) => {
            let builds = builds(state, key, &format!("{group}/{artifact}/{version}"));
            let newest = builds.iter().next_back();
            let joins =
                newest.filter(|(_, rests)| !rests.contains(rest) && (rest == ".pom" || !rests.contains(".pom")));
            match (joins, newest) {
                (Some(((number, when), _)), _) => named(&format!("{when}-{number}")),
                (None, newest) => {
                    let number = newest.map_or(0, |((number, _), _)| *number) + 1;
                    named(&format!("{}-{number}", dates::stamp(state.now())))
                }
            }
        }
        (Snapshots::Unique | Snapshots::Deployer, _) => path.to_owned(),
    }
}

/// The builds of a snapshot, by number and moment, each with how the names of its files end.
fn builds(state: &State, key: &str, folder: &str) -> BTreeMap<(u64, String), BTreeSet<String>> {
    let mut builds: BTreeMap<(u64, String), BTreeSet<String>> = BTreeMap::new();
    for (_, path) in state.files.keys().filter(|(own, path)| own == key && path.starts_with(&format!("{folder}/"))) {
        let Some((Some((when, number)), rest)) = Place::of(path).and_then(|place| place.build()) else { continue };
        builds.entry((number, when)).or_default().insert(rest.to_owned());
    }
    builds
}

/// A document that is calculated when it is read, or the checksum of one.
pub(super) fn calculated(state: &State, places: &[String], path: &str) -> Option<String> {
    let (of, checksum) = match path.rsplit_once('.') {
        Some((of, kind @ ("sha1" | "md5" | "sha256"))) => (of, Some(kind)),
        _ => (path, None),
    };
    let folder = of.strip_suffix("/maven-metadata.xml")?;
    let key = places.iter().find(|key| state.repositories.get(*key).is_some_and(is_laid_out))?;
    let document = snapshot_metadata(state, key, folder).or_else(|| artifact_metadata(state, key, folder))?;
    let digests = Digests::of(document.as_bytes());
    Some(match checksum {
        None => document,
        Some("sha1") => digests.sha1,
        Some("md5") => digests.md5,
        Some(_) => digests.sha256,
    })
}

/// `group/artifact/maven-metadata.xml`: which versions there are.
fn artifact_metadata(state: &State, key: &str, folder: &str) -> Option<String> {
    let (group, artifact) = folder.rsplit_once('/')?;
    let mut versions: Vec<(u64, String)> = Vec::new();
    for ((own, path), file) in &state.files {
        let Some(place) = Place::of(path).filter(|_| own == key) else { continue };
        let is_new = !versions.iter().any(|(_, version)| version == place.version);
        if place.group == group && place.artifact == artifact && is_new {
            versions.push((file.created, place.version.to_owned()));
        }
    }
    versions.sort();
    let (updated, latest) = versions.last()?.clone();
    let release = versions.iter().rev().map(|(_, version)| version).find(|version| !version.ends_with("-SNAPSHOT"));
    let release = release.map(|version| format!("<release>{version}</release>")).unwrap_or_default();
    let all: Vec<String> = versions.iter().map(|(_, version)| format!("<version>{version}</version>")).collect();
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata><groupId>{}</groupId><artifactId>{artifact}</artifactId>\
         <versioning><latest>{latest}</latest>{release}<versions>{}</versions><lastUpdated>{}</lastUpdated>\
         </versioning></metadata>\n",
        group.replace('/', "."),
        all.concat(),
        dates::stamp(updated).replace('.', ""),
    ))
}

/// `group/artifact/version/maven-metadata.xml` of a snapshot: its newest build, and the newest of each of its files.
fn snapshot_metadata(state: &State, key: &str, folder: &str) -> Option<String> {
    let (rest, version) = folder.rsplit_once('/')?;
    let (group, artifact) = rest.rsplit_once('/')?;
    let base = version.strip_suffix("-SNAPSHOT")?;
    let builds = builds(state, key, folder);
    let ((number, when), _) = builds.iter().next_back()?;
    let mut files: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for ((number, when), rests) in &builds {
        files.extend(rests.iter().map(|rest| (rest.as_str(), (*number, when.as_str()))));
    }
    let files = files.into_iter().map(|(rest, (number, when))| {
        let (classifier, extension) = match rest.strip_prefix('-').and_then(|rest| rest.split_once('.')) {
            Some((classifier, extension)) => (format!("<classifier>{classifier}</classifier>"), extension),
            None => (String::new(), rest.trim_start_matches('.')),
        };
        format!(
            "<snapshotVersion>{classifier}<extension>{extension}</extension><value>{base}-{when}-{number}</value>\
             <updated>{}</updated></snapshotVersion>",
            when.replace('.', "")
        )
    });
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<metadata modelVersion=\"1.1.0\"><groupId>{}</groupId>\
         <artifactId>{artifact}</artifactId><version>{version}</version><versioning><snapshot>\
         <timestamp>{when}</timestamp><buildNumber>{number}</buildNumber></snapshot><lastUpdated>{}</lastUpdated>\
         <snapshotVersions>{}</snapshotVersions></versioning></metadata>\n",
        group.replace('/', "."),
        when.replace('.', ""),
        files.collect::<Vec<_>>().concat(),
    ))
}
