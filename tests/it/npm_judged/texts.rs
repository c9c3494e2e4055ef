//! Texts and values of manifests of which each once was, or might be, read in another way by us than by npm.

/// Addresses and shorthands of repositories.
#[rustfmt::skip]
pub(super) const ADDRESSES: &[&str] = &["acme/left", "acme/left#v1", "acme/left.git", "github:acme/left", "github:acme/left#semver:^1", "gitlab:a/b", "gitlab:a/b/c#x", "bitbucket:a/b", "gist:abc", "gist:user/abc", "gist:abc#x", "sourcehut:~a/b", "https://git.sr.ht/~a/b", "https://github.com/a/b", "https://github.com/a/b.git", "https://github.com/a/b/", "https://github.com/a/b/tree/x/y", "https://github.com/a/b/tree/x", "https://github.com/a/b/blob/x", "http://github.com/a/b", "https://www.github.com/a/b", "git://github.com/a/b", "git://github.com/a/b.git#x", "git+https://github.com/a/b.git", "git+ssh://git@github.com/a/b.git", "git+ssh://git@github.com:a/b.git", "ssh://git@github.com/a/b", "ssh://git@github.com:22/a/b", "git@github.com:a/b.git", "git@github.com:a/b.git#x", "git@gitlab.com:a/b/c.git", "https://gitlab.com/a/b", "https://gitlab.com/a/b/c/d.git", "https://gitlab.com/a/b/-/tree/x", "https://gitlab.com/a/b/archive.tar.gz", "https://bitbucket.org/a/b", "https://bitbucket.org/a/b/get/x", "git://bitbucket.org/a/b", "https://gist.github.com/abc", "https://gist.github.com/u/abc", "https://gist.github.com/u/abc/raw", "git@gist.github.com:abc.git", "git://gist.github.com/abc.git", "https://example.com/a/b", "git+https://example.com/a/b.git", "svn://x/y", "", "   ", "a", "a/b/c", "/a/b", "./a", "~/a", "@a/b", "a/b c", "a/b#c d", "a/b#%20", "a/b#%zz", "github:a%2fb/c", "github:a/b%20c", "https://u:p@github.com/a/b", "https://u@github.com/a/b#x", "https://:p@github.com/a/b", "https://github.com/a/b?x=y", "https://github.com/a/b?x=y#z", "HTTPS://GITHUB.COM/A/B", "https://github.com:443/a/b", "https://github.com:8080/a/b", "github.com/a/b", "github.com:a/b", "git@github.com/a/b", "git+http://github.com/a/b", "git+git://github.com/a/b", "github:user:pw@a/b", "github:a", "a/b@c", "a:b/c", "file:../x", "npm:x@1", "workspace-x/y", "https://github.com/a/b.git/", "https://github.com//a/b", "https://github.com/a//b", "git@github.com:a/b/c.git", "https://codeload.github.com/a/b", "https://raw.github.com/a/b", "github:a/.git", "a/.git", "a/b.git.git", "https://gitlab.com/a.git", "https://github.com/a/b#", "https://github.com/%61/b", "https://github.com/ä/b", "ä/b", "https://github.com/a/b/issues#x", "ssh://github.com/a/b", "git+ssh://github.com/a/b", "git+ssh://x@github.com/a/b", "git://u:p@github.com/a/b", "gitlab:u:p@a/b", "gitlab:a", "bitbucket:a", "gist:a/b/c", "gist:", "github:", "https://git.sr.ht/~a/b.git", "https://git.sr.ht/~a/b/archive", "git@git.sr.ht:~a/b", "git+ssh://git@git.sr.ht/~a/b", "http://gitlab.com/a/b", "http://bitbucket.org/a/b", "https://gitlab.com/a/b?x", "https://gitlab.com/a/b/", "gitlab:a/b.git", "a/b?c", "a b/c", "https://github.com/a/b\n", " https://github.com/a/b", "https://github.com/ a/b", "[x]/y", "a/[b]", "a/b;c", "a/b^c", "a/b|c", "a/\"b\"", "git@github.com:22/a/b", "git@github.com:~a/b", "github:@a/b", "github:/a/b", "github://a/b", "github:a/b/", "HTTP://github.com/a/b", "a//b", "a/b/", "-/b", "a/b#", "#a/b", "a/b#c#d", "a/b:c"];

/// Names of files that are a read-me, or only look like one.
#[rustfmt::skip]
pub(super) const READ_MES: &[&str] = &["README", "readme", "README.md", "Readme.md", "README.MD", "README.markdown", "README.mdown", "README.mkd", "README.txt", "README.rst", "README.", "README.zh.md", "readme.md.bak", "README.html", "README/x.md", "docs/README.md", "README.a", "README.down"];

/// Texts of read-mes.
#[rustfmt::skip]
pub(super) const TEXTS: &[&str] = &["# T", "\n\n# T\n\n## x\n\ntext here", "text\r\nmore\r\n\r\nx", "<p>\n<b>x</b>\n</p>", "", "   ", "\u{feff}# T\n\nbody", "T\n===\n\nbody", "#T\nbody", "![x](y)\n\nbody", "\n", "a\n\tb\n \nc", "#\n#\n#", "a\u{2028}b\n\nc", "\u{0}x"];

/// People in one line.
#[rustfmt::skip]
pub(super) const PEOPLE: &[&str] = &["Ann <a@b>\n", "", "# x\n", "\r\n\r\nBob\r\n", "  # c\nX (y)\n", "a\rb", "\u{feff}Ann", "A\u{2028}B", "A <b> <c> (d) (e) f", "<<x>>", "((x))", "A <b(c)> (d<e>)"];

/// People as objects.
#[rustfmt::skip]
pub(super) const PERSONS: &[&str] = &["{\"name\": \"x\", \"email\": \"e\", \"url\": \"u\", \"mail\": \"m\", \"web\": \"w\"}", "{\"mail\": \"m\", \"web\": \"w\"}", "{\"name\": \"\"}", "{\"name\": 7, \"email\": 8}", "{\"name\": null, \"url\": true}", "{\"name\": [\"a\", \"b\"]}", "{\"name\": {}}"];

/// Scripts.
#[rustfmt::skip]
pub(super) const SCRIPTS: &[&str] = &["node_modules/.bin/x", "./node_modules/.bin/x", ".\\node_modules\\.bin\\x", "node_modules/xbin/y", "../node_modules/.bin/x", " node_modules/.bin/x", "node_modules/.bin", "node_modules/.bin/", "a && node_modules/.bin/x", "./node_modules/.bin/node_modules/.bin/x"];

/// Where bugs are told.
#[rustfmt::skip]
pub(super) const BUGS: &[&str] = &["\"x@y.z\"", "\"x@y\"", "\"http://x\"", "\"x\"", "\"@.\"", "\"a@b.c http://x\"", "\"mailto:a@b\"", "\"x y@z.w\"", "\"https://x y\"", "{\"url\": \"x\"}", "{\"url\": \"http://x\", \"email\": \"a@b.c\"}", "{\"name\": \"http://n\", \"web\": \"http://w\"}", "{\"web\": \"http://w\", \"name\": \"http://n\"}", "{\"url\": \"http://u\", \"web\": \"http://w\"}", "{\"web\": \"\", \"url\": \"http://u\"}", "{\"email\": 7}", "{\"url\": \"http://x\", \"x\": 1}", "{\"url\": \"http://u\", \"name\": 7}"];

/// Home pages.
#[rustfmt::skip]
pub(super) const HOMEPAGES: &[&str] = &["x", "x.y/z", "http://x", "//x", "/x", "mailto:x", "x:y", "localhost:80", "http://", "https://x y", "a b", "http:x", "HTTP://X", "javascript:1", "www.x.com#y", "  http://x  "];

/// Keywords.
#[rustfmt::skip]
pub(super) const KEYWORDS: &[&str] = &["\"a,b\"", "\"a, b\"", "\"a,  b,c\"", "\"a,\\nb\"", "\", a\"", "\"a, \"", "\"\"", "\"a b c\"", "\",\"", "\" , \"", "\"a,\u{a0}b\"", "[\"a\", \"\", 7, \"b\"]", "[\" a \"]"];

/// Dependencies in a list or in one text.
#[rustfmt::skip]
pub(super) const DEPENDENCIES: &[&str] = &["a", "a@1", "a @1", "a @ 1", "a>=1", "a >= 1", "@s/a@1", "a:@1", "a:>1", "a  b", "a,b", "a\nb", "a@", "a=1", "a<2", " a@1 ", "a@b@c", ""];

/// Paths of commands and manuals.
#[rustfmt::skip]
pub(super) const PATHS: &[&str] = &["./a", "a/", "/a", "../a", "a/../b", "..\\a", "C:\\a", "a:b", "", ".", "./", "a//b", " a", "a ", "bin", "é"];

/// Folders of commands and manuals.
#[rustfmt::skip]
pub(super) const FOLDERS: &[&str] = &["bin", "./bin", "/bin", "bin/", "../bin", ".", "./", "bin/sub", "x", "a:b", ""];

/// Members as they stand in a file.
#[rustfmt::skip]
pub(super) const RAW: &[&str] = &["\"x\":1.0", "\"x\":1e3", "\"x\":1e21", "\"x\":123456789012345678901234567890", "\"x\":12345678901234567", "\"x\":0.1e-7", "\"x\":-0", "\"x\":-0.0", "\"x\":1e400", "\"x\":1E5", "\"x\":\"\\ud83d\\ude00\"", "\"x\":\"\\ud800\"", "\"x\":\"\\u0000\"", "\"__proto__\":{\"a\":1}", "\"x\":{\"__proto__\":1}", "\"constructor\":1", "\"x\":1,\"x\":2", "\"scripts\":{\"a\":\"1\",\"a\":\"2\"}", "\"1\":1,\"0\":2", "\"x\":[[[[]]]]", "\"toString\":\"x\"", "\"hasOwnProperty\":1", "\"_x\":{\"y\":1},\"x\":{\"_y\":1}", "\"name \":1", "\"x\":\"\u{2028}\"", "\"x\":\"\u{7f}\""];

/// Names of packages.
#[rustfmt::skip]
pub(super) const NAMES: &[&str] = &["A", "UPPER", "a~b", "a'b", "a!b", "a(b)", "a*b", "@s/_x", "@s/-x", "@.s/x", "@_s/x", "@-s/x", "@S/X", "fs", "http", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "@ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss/x", " a ", "a..b", "a.", "..a", "@s/a..b", "@s/node_modules", "@node_modules/x", "node_modules", "favicon.ico", "@s/favicon.ico", "a+b", "a,b", "a&b", "a=b", "a;b", "a$b", "a@b", "@s/a@b", "a%b", "a:b", "@/b", "@a/", "@a", "a/b", "a\tb", "é", "@é/x", "~a", "-a", "_a", ".a", "1", "0", "a-", "@s/~x", "constructor", "__proto__", "hasOwnProperty", "latest", "@s/..", "@../x", "@./x", "@~s/x"];

/// Versions.
#[rustfmt::skip]
pub(super) const VERSIONS: &[&str] = &["v1.2.3", "=1.2.3", " 1.2.3 ", "1.2.3+b", "01.02.03", "1.2.3beta", "1.2.3-", "1.2.3-01", "1.2.3-a.01", "1.2", "1", "x", "1.2.3.4", "1.2.34.5", "v 1.2.3", "= v1.2.3", "==1.2.3", "vv1.2.3", "1.2.3 beta", "1.2.3-beta+x.y", "1.2.3-+", "1.2.3+", "1.2.3-a_b", "9007199254740992.0.0", "9007199254740991.0.0", "1.2.3-9007199254740992", "1.2.3-09007199254740993", "1.2.3--", "1.2.3-0", "1.2.3-00", "1.2.3-a-", "1.2.3-A", "V1.2.3", "1.2.3\n", "\u{feff}1.2.3", "1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1.2.3-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ">1.2.3", "1.2.3 - 2", "1.2.3||2", "1.2.3alpha.1", "1.2.3.beta", "1.02.3", "1.2.3-1.02", "00.0.0", "1.2.3+b+c", "1.2.3-é", "-1.2.3", "+1.2.3", "1.-2.3", "1.2.3+01", "1.2.3-0a", "1.2.3rc1", "1.2.30rc1", "1.2.3.a", "1.2.10", "1.2.0010", "1.2.3-1a.01"];

/// Members that npm, or another tool, knows.
#[rustfmt::skip]
pub(super) const MEMBERS: &[&str] = &["dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "bundleDependencies", "bundledDependencies", "bin", "main", "browser", "man", "scripts", "exports", "types", "typings", "directories", "publishConfig", "repository", "repositories", "keywords", "author", "contributors", "maintainers", "description", "homepage", "bugs", "engines", "dist", "readme", "readmeFilename", "license", "licence", "modules", "funding", "gypfile", "gitHead", "overrides", "config", "os", "cpu", "deprecated", "tag", "files", "workspaces", "private"];

/// Values for any of them.
#[rustfmt::skip]
pub(super) const VALUES: &[&str] = &["null", "true", "false", "0", "7", "\"\"", "\"text\"", "[]", "[1, null, {}]", "[\"a\"]", "[[]]", "{}", "{\"x\": 1}", "{\"x\": null}", "{\"a\": \"b\"}", "{\"url\": 7}", "{\"url\": \"x\"}", "{\"name\": \"n\"}"];

/// Members, and files beside the manifest, that add members.
#[rustfmt::skip]
pub(super) const BESIDE: &[(&str, &[&str])] = &[
    ("{}", &["index.d.ts="]),
    ("{\"main\": \"lib\"}", &["lib.d.ts="]),
    ("{\"main\": \"./lib/x\"}", &["lib/x.d.ts="]),
    ("{\"main\": \"lib/x.mjs\"}", &["lib/x.d.ts="]),
    ("{\"main\": \"lib/x.min.js\"}", &["lib/x.min.d.ts="]),
    ("{\"main\": \"../x.js\"}", &["x.d.ts="]),
    ("{\"main\": \"/x.js\"}", &["x.d.ts="]),
    ("{\"main\": \"x.\"}", &["x.d.ts="]),
    ("{\"main\": \".x\"}", &[".x.d.ts="]),
    ("{\"main\": \"lib/\"}", &["lib.d.ts=", "lib/index.d.ts="]),
    ("{\"main\": \".\"}", &["index.d.ts=", "..d.ts="]),
    ("{\"main\": \"./\"}", &["index.d.ts="]),
    ("{\"types\": null}", &["index.d.ts="]),
    ("{\"typings\": \"\"}", &["index.d.ts="]),
    ("{\"main\": \"index.d.ts\"}", &["index.d.d.ts=", "index.d.ts="]),
    ("{\"main\": \"a/../index.js\"}", &["index.d.ts="]),
    ("{}", &["index.d.ts/x="]),
    ("{\"main\": \"index.cjs\"}", &["index.d.cts=", "index.d.ts="]),
    ("{}", &["x.gyp="]),
    ("{}", &["X.GYP="]),
    ("{}", &[".gyp="]),
    ("{}", &[".x.gyp="]),
    ("{}", &["a/x.gyp="]),
    ("{\"scripts\": {\"install\": \"\"}}", &["x.gyp="]),
    ("{\"scripts\": {\"preinstall\": \"y\"}}", &["x.gyp="]),
    ("{\"gypfile\": true}", &["x.gyp="]),
    ("{\"gypfile\": 0}", &["x.gyp="]),
    ("{\"gypfile\": false}", &["x.gyp="]),
    ("{}", &["x.gyp/y="]),
    ("{\"scripts\": {\"start\": \"\"}}", &["server.js="]),
    ("{}", &["server.js/x="]),
    ("{}", &["Server.js="]),
    ("{\"scripts\": {\"start\": 7}}", &["server.js="]),
    ("{\"scripts\": {\"install\": 7}}", &["x.gyp="]),
    ("{\"scripts\": null}", &["server.js=", "x.gyp="]),
    ("{\"scripts\": []}", &["server.js="]),
    ("{\"scripts\": {}}", &["server.js="]),
];
