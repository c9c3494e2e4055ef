//! What names of files say: which are made by repositories and not by builds, which are archives, and in which order the
//! files of a version are published.

/// What repositories and resolvers put beside the files themselves. Checksums go along in headers, and Artifactory makes
/// the metadata itself.
pub(super) fn is_sidecar(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let made = [".md5", ".sha1", ".sha256", ".sha512", ".lastupdated"];
    made.iter().any(|end| lower.ends_with(end))
        || name.starts_with("maven-metadata") && extension(name) == "xml"
        || ["_remote.repositories", "_maven.repositories", "resolver-status.properties"].contains(&name)
}

/// What builds leave in their output folder under a name that begins like an artifact's: `spring-boot-maven-plugin` keeps
/// the jar that it has repackaged.
pub(super) fn is_left_over(rest: &str) -> bool {
    rest.ends_with(".original")
}

/// How the names of archives end in which there may be coordinates.
pub(super) const ARCHIVES: [&str; 5] = [".jar", ".war", ".ear", ".rar", ".aar"];

/// Whether it is an archive of the zip format, in which there may be coordinates.
pub(super) fn is_archive(name: &str) -> bool {
    ARCHIVES.iter().any(|ending| ending.strip_prefix('.') == Some(extension(name)))
}

/// Whether it is a version's main file: without a classifier, and neither its POM nor what describes or signs another.
pub(super) fn is_main(rest: &str) -> bool {
    rest.starts_with('.') && place(rest) == Place::Main
}

/// The order in which the files of a version are published. Who finds the POM finds everything that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Main,
    Classified,
    /// Gradle's module metadata.
    Module,
    Signature,
    Pom,
}

/// The place of the file whose name goes on like this behind artifact and version.
pub(super) fn place(rest: &str) -> Place {
    match rest {
        ".pom" => Place::Pom,
        _ if matches!(extension(rest), "asc" | "sigstore") || rest.ends_with(".sigstore.json") => Place::Signature,
        ".module" => Place::Module,
        _ if rest.starts_with('-') => Place::Classified,
        _ => Place::Main,
    }
}

/// What follows on the last dot.
pub(super) fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_are_known_by_their_names() {
        for name in [
            "lib-1.0.jar.sha1",
            "lib-1.0.jar.asc.md5",
            "lib-1.0.pom.sha512",
            "maven-metadata.xml",
            "maven-metadata-local.xml",
            "_remote.repositories",
            "lib-1.0.pom.lastUpdated",
        ] {
            assert!(is_sidecar(name), "{name}");
        }
        for name in ["lib-1.0.jar", "lib-1.0.jar.asc", "lib-1.0.module", "maven-metadata-tool-1.0.jar"] {
            assert!(!is_sidecar(name), "{name}");
        }
    }

    #[test]
    fn the_pom_comes_last() {
        let mut rests =
            [".pom", ".pom.asc", "-sources.jar", ".module", ".jar.asc", ".jar", ".tar.gz", "-sources.jar.asc"];
        rests.sort_by_key(|rest| (place(rest), *rest));
        let expected =
            [".jar", ".tar.gz", "-sources.jar", ".module", "-sources.jar.asc", ".jar.asc", ".pom.asc", ".pom"];
        assert_eq!(rests, expected);
        assert!(is_main(".war") && !is_main(".pom") && !is_main("-all.jar") && !is_main(".module"));
    }
}
