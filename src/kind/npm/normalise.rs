//! The manifest as it is sent: `package.json` with the repairs that npm makes at publishing, so that installers and
//! the registry find each member in the form that they expect. The archive keeps the file as it is.

use serde_json::{Map, Value, json};
use url::Url;

use super::super::PackageError;
use super::beside::Beside;
use super::hosted::Hosted;
use super::manifest::Identity;
use super::{bins, dependencies, js, people, readme};

/// From what the manifest was read: npm repairs a folder's once more than an archive's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A folder, packed here.
    Folder,
    /// A ready archive.
    Archive,
}

impl Origin {
    /// How often what can be repaired is.
    fn repairs(self) -> usize {
        match self {
            Self::Folder => 2,
            Self::Archive => 1,
        }
    }
}

/// The manifest to send.
pub(super) fn normalise(
    mut data: Map<String, Value>,
    identity: &Identity,
    beside: &dyn Beside,
    origin: Origin,
) -> Result<Map<String, Value>, PackageError> {
    data.retain(|key, _| !key.starts_with('_'));
    data.insert("name".to_owned(), json!(identity.name));
    data.insert("version".to_owned(), json!(identity.version.to_string()));
    data.insert("_id".to_owned(), json!(identity.coordinates().to_string()));
    dependencies::bundled(&mut data, origin);
    scripts(&mut data, beside, origin);
    authors(&mut data, beside)?;
    readme::fill(&mut data, beside)?;
    bins::manuals(&mut data, beside);
    bins::normalise(&mut data, beside);
    types(&mut data, beside);
    // What npm repairs in a folder it normalises once more.
    for _ in 0..origin.repairs() {
        repository(&mut data);
        dependencies::normalise(&mut data);
    }
    description(&mut data);
    if js::truthy(data.get("modules")) {
        data.shift_remove("modules");
    }
    list_of_texts(&mut data, "files");
    bugs(&mut data);
    if let Some(Value::String(words)) = data.get("keywords") {
        let words = keywords(words);
        data.insert("keywords".to_owned(), words);
    }
    list_of_texts(&mut data, "keywords");
    dependencies::add_bundled(&mut data);
    homepage(&mut data);
    people::normalise(&mut data);
    data.values_mut().for_each(plain_numbers);
    Ok(data)
}

/// Whole numbers are written without a fraction, as every number of JavaScript is a double.
fn plain_numbers(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number.as_f64().filter(|double| double.fract() == 0.0 && double.abs() < EXACT);
            if let Some(whole) = whole.and_then(|whole| format!("{whole:.0}").parse::<i64>().ok()) {
                *value = json!(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_numbers),
        Value::Object(members) => members.values_mut().for_each(plain_numbers),
        _ => {}
    }
}

/// Scripts that are no text go, a path to `node_modules/.bin` is cut off; a `*.gyp` file and a `server.js` add the
/// script that npm would run.
fn scripts(data: &mut Map<String, Value>, beside: &dyn Beside, origin: Origin) {
    if origin == Origin::Folder {
        clean_scripts(data);
    }
    let has =
        |data: &Map<String, Value>, name: &str| js::truthy(data.get("scripts").and_then(|scripts| scripts.get(name)));
    let add = |data: &mut Map<String, Value>, name: &str, command: &str| {
        if !js::truthy(data.get("scripts")) {
            data.insert("scripts".to_owned(), json!({}));
        }
        // What is no object keeps no member.
        if let Some(Value::Object(scripts)) = data.get_mut("scripts") {
            scripts.insert(name.to_owned(), json!(command));
        }
    };
    // As npm's search finds them: in their own letter case, and none with a leading dot. Folders count.
    let is_gyp =
        |name: &str| !name.starts_with('.') && name.rsplit_once('.').is_some_and(|(_, suffix)| suffix == "gyp");
    if !has(data, "install")
        && !has(data, "preinstall")
        && data.get("gypfile") != Some(&json!(false))
        && beside.files().any(|file| is_gyp(file.split('/').next().unwrap_or_default()))
    {
        add(data, "install", "node-gyp rebuild");
        data.insert("gypfile".to_owned(), json!(true));
    }
    if !has(data, "start") && beside.has("server.js") {
        add(data, "start", "node server.js");
    }
    clean_scripts(data);
}

fn clean_scripts(data: &mut Map<String, Value>) {
    let clean = |script: &mut Value| {
        if let Some(rest) = script.as_str().and_then(without_bin_folder) {
            *script = json!(rest);
        }
    };
    match data.get_mut("scripts") {
        Some(Value::Object(scripts)) => {
            scripts.retain(|_, script| script.is_string());
            scripts.values_mut().for_each(clean);
        }
        // A hole of a list is written as null.
        Some(Value::Array(scripts)) => {
            scripts.iter_mut().filter(|script| !script.is_string()).for_each(|script| *script = Value::Null);
            scripts.iter_mut().for_each(clean);
        }
        None | Some(Value::Null) => {}
        Some(_) => {
            data.shift_remove("scripts");
        }
    }
}

fn without_bin_folder(script: &str) -> Option<String> {
    let slash = |text: &'_ str| text.strip_prefix(['/', '\\']).map(str::to_owned);
    let inner = script.strip_prefix('.').and_then(slash).unwrap_or_else(|| script.to_owned());
    let inner = slash(inner.strip_prefix("node_modules")?)?;
    // npm's pattern takes any character where it means the dot.
    let mut characters = inner.chars();
    characters.next()?;
    slash(characters.as_str().strip_prefix("bin")?)
}

/// Contributors out of the file `AUTHORS`, a line each.
fn authors(data: &mut Map<String, Value>, beside: &dyn Beside) -> Result<(), PackageError> {
    if js::truthy(data.get("contributors")) {
        return Ok(());
    }
    if let Some(text) = beside.text("AUTHORS")? {
        let lines: Vec<&str> =
            text.split('\n').map(js::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        data.insert("contributors".to_owned(), json!(lines));
    }
    Ok(())
}

/// The declarations that lie next to the main file.
fn types(data: &mut Map<String, Value>, beside: &dyn Beside) {
    if data.contains_key("types") || data.contains_key("typings") {
        return;
    }
    let main = match data.get("main") {
        Some(Value::String(main)) if !main.is_empty() => main.as_str(),
        main if js::truthy(main) => return,
        _ => "index.js",
    };
    let Some(stem) = without_suffix(main) else {
        return;
    };
    let declarations = format!("{stem}.d.ts");
    if beside.has(&js::segments(&declarations).join("/")) {
        data.insert("types".to_owned(), json!(format!("./{declarations}")));
    }
}

/// The path without the suffix of its last name, as Node takes it apart and puts it together again; `None` where it
/// leads out of the package.
fn without_suffix(path: &str) -> Option<String> {
    let plain = path.trim_end_matches('/');
    let (folder, file) = plain.rsplit_once('/').unwrap_or((".", plain));
    let stem = match file.rfind('.') {
        None | Some(0) => file,
        Some(_) if file == ".." => file,
        Some(dot) => file.get(..dot).unwrap_or(file),
    };
    let mut names: Vec<&str> = Vec::new();
    for name in folder.split('/').chain([stem]) {
        match name {
            "" | "." => {}
            ".." if path.starts_with('/') || !names.is_empty() => {
                names.pop();
            }
            ".." => return None,
            name => names.push(name),
        }
    }
    let joined = names.join("/");
    match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => Some(format!("/{joined}")),
        (false, true) => Some(".".to_owned()),
        (false, false) => Some(joined),
    }
}

fn repository(data: &mut Map<String, Value>) {
    let several = js::truthy(data.get("repositories"));
    if several {
        let first = match data.get("repositories") {
            Some(Value::String(text)) => text.chars().next().map(|letter| json!(letter)),
            Some(Value::Array(list)) => list.first().cloned(),
            Some(Value::Object(members)) => members.get("0").cloned(),
            _ => None,
        };
        match first {
            Some(first) => data.insert("repository".to_owned(), first),
            None => data.shift_remove("repository"),
        };
    }
    let Some(repository) = data.get_mut("repository").filter(|value| js::truthy(Some(value))) else {
        return;
    };
    let was_object = repository.is_object();
    if let Value::String(url) = repository {
        *repository = json!({"type": "git", "url": url});
    }
    if let Some(Value::String(url)) = repository.get_mut("url")
        && let Some(hosted) = Hosted::parse(url)
    {
        *url = hosted.url();
    }
    // In npm the first of several and the one are the same object.
    if several && was_object {
        let repository = repository.clone();
        if let Some(first) = data.get_mut("repositories").and_then(|list| list.get_mut(0)) {
            *first = repository;
        }
    }
}

fn hosted(data: &Map<String, Value>) -> Option<Hosted> {
    data.get("repository")?.get("url")?.as_str().and_then(Hosted::parse)
}

fn description(data: &mut Map<String, Value>) {
    if data.get("description").is_some_and(|value| js::truthy(Some(value)) && !value.is_string()) {
        data.shift_remove("description");
    }
    if !js::truthy(data.get("description"))
        && let Some(Value::String(text)) = data.get("readme")
        && text != readme::NONE
        && !text.is_empty()
    {
        let paragraph = readme::first_paragraph(text);
        data.insert("description".to_owned(), json!(paragraph));
    }
}

fn bugs(data: &mut Map<String, Value>) {
    let is_email = |text: &str| text.find('@').is_some_and(|at| text.rfind('.').is_some_and(|dot| at < dot));
    let is_url = |text: &str| Url::parse(text).is_ok();
    let normal = match data.get("bugs") {
        bugs if !js::truthy(bugs) => match hosted(data).and_then(|hosted| hosted.bugs()) {
            Some(url) => json!({"url": url}),
            None => return,
        },
        Some(Value::String(text)) if is_email(text) => json!({"email": text}),
        Some(Value::String(text)) if is_url(text) => json!({"url": text}),
        // Neither: npm complains and keeps the text, whose members do not exist.
        Some(Value::Object(bugs)) => {
            let text = |name: &str| bugs.get(name).and_then(Value::as_str);
            let mut normal = Map::new();
            // The last of the misnamed ones counts, and before the one that is named right.
            let misnamed = bugs.iter().rfind(|(name, _)| matches!(name.as_str(), "name" | "web"));
            let url = misnamed.map_or_else(|| text("url"), |(_, url)| url.as_str());
            if let Some(url) = url.filter(|url| is_url(url)) {
                normal.insert("url".to_owned(), json!(url));
            }
            if let Some(email) = text("email").filter(|email| is_email(email)) {
                normal.insert("email".to_owned(), json!(email));
            }
            Value::Object(normal)
        }
        _ => json!({}),
    };
    if normal.as_object().is_some_and(Map::is_empty) {
        data.shift_remove("bugs");
    } else {
        data.insert("bugs".to_owned(), normal);
    }
}

fn homepage(data: &mut Map<String, Value>) {
    if !js::truthy(data.get("homepage"))
        && let Some(hosted) = hosted(data)
    {
        data.insert("homepage".to_owned(), json!(hosted.docs()));
    }
    match data.get("homepage") {
        Some(Value::String(text)) if !text.is_empty() && Url::parse(text).is_err() => {
            let address = format!("http://{text}");
            data.insert("homepage".to_owned(), json!(address));
        }
        Some(value) if js::truthy(Some(value)) && !value.is_string() => {
            data.shift_remove("homepage");
        }
        _ => {}
    }
}

/// A list with its empty and non-text members dropped; dropped whole where it is no list.
fn list_of_texts(data: &mut Map<String, Value>, name: &str) {
    match data.get_mut(name) {
        Some(Value::Array(items)) => items.retain(|item| item.as_str().is_some_and(|text| !text.is_empty())),
        value if js::truthy(value.as_deref()) => {
            data.shift_remove(name);
        }
        _ => {}
    }
}

/// Words of a text, separated by a comma and white space.
fn keywords(text: &str) -> Value {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(',') {
        word.push_str(before);
        let trimmed = after.trim_start_matches(js::blank);
        if trimmed.len() == after.len() {
            word.push(',');
        } else {
            words.push(std::mem::take(&mut word));
        }
        rest = trimmed;
    }
    word.push_str(rest);
    words.push(word);
    json!(words)
}
