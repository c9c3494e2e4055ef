//! People of the manifest: `Name <mail> (address)` becomes an object.

use serde_json::{Map, Value, json};

use super::js;

/// Brings `author`, `maintainers` and `contributors` into the form of objects.
pub(super) fn normalise(data: &mut Map<String, Value>) {
    if let Some(author) = data.get_mut("author").filter(|author| js::truthy(Some(author))) {
        *author = person(author);
    }
    for member in ["maintainers", "contributors"] {
        if let Some(Value::Array(people)) = data.get_mut(member) {
            for one in people {
                *one = person(one);
            }
        }
    }
}

fn person(value: &Value) -> Value {
    let written = match value {
        Value::String(text) => text.clone(),
        other => {
            let member = |names: [&str; 2]| {
                let found = names.iter().filter_map(|name| other.get(name)).find(|value| js::truthy(Some(value)));
                found.map(js::text)
            };
            let mut text = member(["name", "name"]).unwrap_or_default();
            if let Some(email) = member(["email", "mail"]) {
                text = format!("{text} <{email}>");
            }
            if let Some(url) = member(["url", "web"]) {
                text = format!("{text} ({url})");
            }
            text
        }
    };
    let mut person = Map::new();
    let name = js::trim(written.split(['(', '<']).next().unwrap_or_default());
    if !name.is_empty() {
        person.insert("name".to_owned(), json!(name));
    }
    if let Some(email) = between(&written, '<', '>') {
        person.insert("email".to_owned(), json!(email));
    }
    if let Some(url) = between(&written, '(', ')') {
        person.insert("url".to_owned(), json!(url));
    }
    Value::Object(person)
}

/// The first text between two brackets that holds neither of them.
fn between(text: &str, open: char, close: char) -> Option<&str> {
    text.match_indices(open).find_map(|(at, _)| {
        let rest = text.get(at + open.len_utf8()..)?;
        let end = rest.find([open, close])?;
        let inner = rest.get(..end)?;
        (!inner.is_empty() && rest.get(end..)?.starts_with(close)).then_some(inner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_taken_apart() {
        for (written, expected) in [
            (
                json!("Ann Lee <ann@acme.example> (https://acme.example)"),
                json!({"name": "Ann Lee", "email": "ann@acme.example", "url": "https://acme.example"}),
            ),
            (json!("Ann"), json!({"name": "Ann"})),
            (json!("<ann@acme.example>"), json!({"email": "ann@acme.example"})),
            (json!({"name": "Ann", "mail": "a@b.c", "twitter": "x"}), json!({"name": "Ann", "email": "a@b.c"})),
            (json!(7), json!({})),
        ] {
            assert_eq!(person(&written), expected, "{written}");
        }
    }
}
