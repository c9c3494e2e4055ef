//! Addresses of the git hosts that npm knows by name, and the forms in which it writes them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::js;

/// What JavaScript's `encodeURIComponent` leaves alone.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    GitHub,
    Bitbucket,
    GitLab,
    Gist,
    Sourcehut,
}

const HOSTS: [Host; 5] = [Host::GitHub, Host::Bitbucket, Host::GitLab, Host::Gist, Host::Sourcehut];

impl Host {
    fn shortcut(self) -> &'static str {
        match self {
            Self::GitHub => "github",
            Self::Bitbucket => "bitbucket",
            Self::GitLab => "gitlab",
            Self::Gist => "gist",
            Self::Sourcehut => "sourcehut",
        }
    }

    fn domain(self) -> &'static str {
        match self {
            Self::GitHub => "github.com",
            Self::Bitbucket => "bitbucket.org",
            Self::GitLab => "gitlab.com",
            Self::Gist => "gist.github.com",
            Self::Sourcehut => "git.sr.ht",
        }
    }

    fn speaks(self, scheme: &str) -> bool {
        match scheme {
            "https" | "git+ssh" => true,
            "ssh" | "git+https" => self != Self::Sourcehut,
            "git" => matches!(self, Self::GitHub | Self::Gist),
            "http" => self == Self::GitHub,
            _ => false,
        }
    }

    fn tree(self) -> &'static str {
        match self {
            Self::Bitbucket => "src",
            _ => "tree",
        }
    }
}

/// In which form an address was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Shortcut,
    Https,
    Http,
    Git,
    Ssh,
}

/// A repository at a known host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hosted {
    host: Host,
    user: Option<String>,
    project: String,
    login: Option<String>,
    committish: Option<String>,
    form: Form,
}

impl Hosted {
    /// The repository that an address or shorthand names, if its host is a known one.
    pub(super) fn parse(address: &str) -> Option<Self> {
        if address.is_empty() {
            return None;
        }
        let shorthand;
        let address = if is_shorthand(address) {
            shorthand = format!("github:{address}");
            shorthand.as_str()
        } else {
            address
        };
        let url = parse_url(address)?;
        if let Some(host) = HOSTS.into_iter().find(|host| host.shortcut() == url.scheme()) {
            return Self::from_shortcut(host, &url);
        }
        let domain = url.host_str()?;
        let domain = domain.strip_prefix("www.").unwrap_or(domain);
        let host = HOSTS.into_iter().find(|host| host.domain() == domain)?;
        if !host.speaks(url.scheme()) {
            return None;
        }
        Self::from_address(host, &url)
    }

    fn from_shortcut(host: Host, url: &Url) -> Option<Self> {
        let path = url.path();
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.split_once('@').map_or(path, |(_, rest)| rest);
        let (user, project) = match path.rsplit_once('/') {
            Some((user, project)) => (Some(decoded(user)?).filter(|user| !user.is_empty()), project),
            None => (None, path),
        };
        let project = decoded(project)?;
        Some(Self {
            host,
            user,
            project: project.strip_suffix(".git").unwrap_or(&project).to_owned(),
            login: None,
            committish: committish(url)?,
            form: Form::Shortcut,
        })
    }

    fn from_address(host: Host, url: &Url) -> Option<Self> {
        let path = url.path().strip_prefix('/')?;
        let mut pieces = path.split('/');
        let mut at = committish(url)?;
        let (user, project) = if host == Host::GitLab {
            if format!("/{path}").contains("/-/") || path.contains("/archive.tar.gz") {
                return None;
            }
            let (user, project) = path.rsplit_once('/')?;
            (Some(user), project)
        } else {
            let (user, project, next) = (pieces.next(), pieces.next(), pieces.next());
            match (host, next.filter(|next| !next.is_empty())) {
                (Host::GitHub, Some("tree")) => at = pieces.next().map(decoded_or_none)?,
                (Host::GitHub, Some(_))
                | (Host::Bitbucket, Some("get"))
                | (Host::Gist, Some("raw"))
                | (Host::Sourcehut, Some("archive")) => return None,
                _ => {}
            }
            match (host, user, project.filter(|project| !project.is_empty())) {
                (Host::Gist, Some(project), None) if !project.is_empty() => (None, project),
                (_, user, Some(project)) => (user, project),
                _ => return None,
            }
        };
        let project = project.strip_suffix(".git").unwrap_or(project);
        let user = user.filter(|user| !user.is_empty());
        if host != Host::Gist && (project.is_empty() || user.is_none()) {
            return None;
        }
        let (form, keeps_login) = match url.scheme() {
            "git+ssh" | "ssh" => (Form::Ssh, false),
            "git" => (Form::Git, true),
            "http" => (Form::Http, true),
            _ => (Form::Https, true),
        };
        let login = (keeps_login && !(url.username().is_empty() && url.password().is_none())).then(|| {
            let password = url.password().map(|password| format!(":{password}")).unwrap_or_default();
            format!("{}{password}", url.username())
        });
        Some(Self {
            host,
            user: match user {
                Some(user) => Some(decoded(user)?),
                None => None,
            },
            project: decoded(project)?,
            login,
            committish: at,
            form,
        })
    }

    /// The address as npm writes it in a dependency: in the form in which it was given.
    pub(super) fn specifier(&self) -> String {
        match self.form {
            Form::Shortcut => format!("{}:{}{}", self.host.shortcut(), self.path(), self.hash()),
            _ => self.url(),
        }
    }

    /// The address as npm writes it in `repository`: a shorthand becomes an https address.
    pub(super) fn url(&self) -> String {
        let (host, domain, path, hash) = (self.host, self.host.domain(), self.path(), self.hash());
        let login = match &self.login {
            Some(login) if host != Host::Gist => format!("{login}@"),
            _ => String::new(),
        };
        match (self.form, host) {
            (Form::Git, Host::GitHub) => format!("git://{login}{domain}/{path}.git{hash}"),
            (Form::Git, _) => format!("git://{domain}/{}.git{hash}", self.project),
            // A plain http address has no form of its own and is written for ssh.
            (Form::Ssh | Form::Http, Host::Gist) => format!("git+ssh://git@{domain}/{}.git{hash}", self.project),
            (Form::Ssh | Form::Http, _) => format!("git+ssh://git@{domain}/{path}.git{hash}"),
            (_, Host::Sourcehut) => format!("https://{domain}/{path}{hash}"),
            (_, Host::Gist) => format!("git+https://{domain}/{}.git{hash}", self.project),
            _ => format!("git+https://{login}{domain}/{path}.git{hash}"),
        }
    }

    /// Where problems are reported.
    pub(super) fn bugs(&self) -> Option<String> {
        match self.host {
            Host::Sourcehut => None,
            Host::Gist => Some(format!("https://{}/{}", self.host.domain(), self.project)),
            host => Some(format!("https://{}/{}/issues", host.domain(), self.path())),
        }
    }

    /// Where the read-me is shown.
    pub(super) fn docs(&self) -> String {
        let committish = self.committish.as_deref().map(|text| utf8_percent_encode(text, COMPONENT).to_string());
        let domain = self.host.domain();
        match (self.host, committish) {
            (Host::Gist, Some(committish)) => format!("https://{domain}/{}/{committish}", self.project),
            (Host::Gist, None) => format!("https://{domain}/{}", self.project),
            (host, Some(committish)) => {
                format!("https://{domain}/{}/{}/{committish}#readme", self.path(), host.tree())
            }
            (_, None) => format!("https://{domain}/{}#readme", self.path()),
        }
    }

    fn path(&self) -> String {
        match (self.host, &self.user) {
            (Host::Gist, _) => self.project.clone(),
            (_, Some(user)) => format!("{user}/{}", self.project),
            // What string templates make of an absent user.
            (_, None) => format!("null/{}", self.project),
        }
    }

    fn hash(&self) -> String {
        self.committish.as_deref().map(|text| format!("#{text}")).unwrap_or_default()
    }
}

/// As JavaScript's `decodeURIComponent`: a sign that stands for nothing is an error.
fn decoded(text: &str) -> Option<String> {
    let hexadecimal = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(hexadecimal) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(String::from)
}

fn decoded_or_none(text: &str) -> Option<String> {
    decoded(text).filter(|text| !text.is_empty())
}

#[expect(clippy::option_option, reason = "no fragment is fine, one that cannot be decoded is not")]
fn committish(url: &Url) -> Option<Option<String>> {
    match url.fragment() {
        None | Some("") => Some(None),
        Some(fragment) => decoded(fragment).map(Some),
    }
}

/// Whether a text is `user/project`, perhaps with `#committish`.
fn is_shorthand(text: &str) -> bool {
    let before = text.split_once('#').map_or(text, |(before, _)| before);
    // npm looks for the slash behind the sign as well.
    text.find('/').is_some_and(|slash| slash > 0)
        && before.matches('/').count() <= 1
        && !before.ends_with('/')
        && !text.starts_with('.')
        && !before.contains(|c: char| js::blank(c) || matches!(c, '@' | ':'))
}

/// Parses an address, also one in the form that ssh and git accept (`git@host:user/project`).
fn parse_url(text: &str) -> Option<Url> {
    const SCHEMES: [&str; 12] = [
        "git+ssh",
        "ssh",
        "git+https",
        "git",
        "http",
        "https",
        "git+http",
        "github",
        "bitbucket",
        "gitlab",
        "gist",
        "sourcehut",
    ];
    let corrected = match text.split_once(':') {
        Some((scheme, rest)) if !SCHEMES.contains(&scheme) && !rest.starts_with("//") => match text.find('@') {
            Some(at) if at > scheme.len() => format!("git+ssh://{text}"),
            Some(_) => text.to_owned(),
            None => format!("{scheme}://{rest}"),
        },
        Some(_) => text.to_owned(),
        None if text.contains('@') => format!("git+ssh://{text}"),
        // Without a scheme and without a user it is the path of nothing.
        None => return None,
    };
    Url::parse(&corrected).ok().or_else(|| {
        let (before, hash) = corrected.split_at(corrected.find('#').unwrap_or(corrected.len()));
        let mut before = before.to_owned();
        if let Some(colon) = before.rfind(':')
            && before.rfind('@').is_none_or(|at| colon > at)
        {
            before.replace_range(colon..=colon, "/");
        }
        if !before.contains(':') && !corrected.contains("//") {
            before.insert_str(0, "git+ssh://");
        }
        Url::parse(&format!("{before}{hash}")).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_written_as_npm_writes_them() {
        for (address, url) in [
            ("acme/left", "git+https://github.com/acme/left.git"),
            ("acme/left#v1", "git+https://github.com/acme/left.git#v1"),
            ("github:acme/left", "git+https://github.com/acme/left.git"),
            ("https://github.com/acme/left", "git+https://github.com/acme/left.git"),
            ("https://www.github.com/acme/left.git", "git+https://github.com/acme/left.git"),
            ("git+https://u:p@github.com/acme/left.git", "git+https://u:p@github.com/acme/left.git"),
            ("git@github.com:acme/left.git", "git+ssh://git@github.com/acme/left.git"),
            ("ssh://git@github.com/acme/left", "git+ssh://git@github.com/acme/left.git"),
            ("git://github.com/acme/left", "git://github.com/acme/left.git"),
            ("http://github.com/acme/left", "git+ssh://git@github.com/acme/left.git"),
            ("https://github.com/acme/left/tree/dev", "git+https://github.com/acme/left.git#dev"),
            ("gitlab:group/sub/left", "git+https://gitlab.com/group/sub/left.git"),
            ("https://gitlab.com/group/sub/left", "git+https://gitlab.com/group/sub/left.git"),
            ("bitbucket:acme/left", "git+https://bitbucket.org/acme/left.git"),
            ("gist:11081aaa281", "git+https://gist.github.com/11081aaa281.git"),
        ] {
            assert_eq!(Hosted::parse(address).expect(address).url(), url, "{address}");
        }
        for address in [
            "",
            "https://git.corp.example/acme/left.git",
            "./acme/left",
            "@acme/left",
            "^1.0.0",
            "https://github.com/acme",
            "https://github.com/acme/left/issues",
            "github.com/acme/left",
            "acme/left#%zz",
        ] {
            assert_eq!(Hosted::parse(address), None, "{address}");
        }
    }

    #[test]
    fn pages_and_specifiers() {
        let hosted = Hosted::parse("acme/left#feature/x").unwrap();
        assert_eq!(hosted.specifier(), "github:acme/left#feature/x");
        assert_eq!(hosted.bugs().unwrap(), "https://github.com/acme/left/issues");
        assert_eq!(hosted.docs(), "https://github.com/acme/left/tree/feature%2Fx#readme");
        let hosted = Hosted::parse("https://gist.github.com/acme/11081aaa281").unwrap();
        assert_eq!(hosted.docs(), "https://gist.github.com/11081aaa281");
    }
}
