//! Properties of a file: in the path that it is put to (matrix parameters), or set after it is stored, for types whose own
//! API has no place for them (`PUT api/storage/{repository}/{path}?properties=…`, "Set Item Properties" of Artifactory's
//! REST API).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use reqwest::header::HeaderMap;

use super::Registry;
use super::budget::Budget;
use super::error::{Purpose, RegistryError};
use super::url::{RepoKey, encode_segment};
use super::wire::{Request, Text};
use crate::deadline::Deadline;
use crate::step::PlannedFile;

/// Characters that structure a list of properties; in a value they need a backslash.
const STRUCTURE: &str = ",\\|=;";

impl Registry {
    /// Sets the file's planned properties; does nothing where there are none.
    pub async fn set_properties(
        &self,
        repository: &RepoKey,
        file: &PlannedFile,
        deadline: Deadline,
    ) -> Result<(), RegistryError> {
        if file.properties.is_empty() {
            return Ok(());
        }
        let path = format!("api/storage/{repository}/{}", file.path.encoded());
        let request = Request {
            purpose: Purpose::Properties,
            method: Method::PUT,
            path: &path,
            url: format!("{}?properties={}&recursive=0", self.base.join(&path), encoded(&file.properties)),
            headers: HeaderMap::new(),
            payload: None,
        };
        self.read(request, &Text, &mut Budget::new(self.wire.pacing, deadline)).await.map(drop)
    }
}

fn encoded(properties: &[(String, Vec<String>)]) -> String {
    let value = |value: &String| {
        let mut escaped = String::with_capacity(value.len());
        for character in value.chars() {
            if STRUCTURE.contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        encode_segment(&escaped)
    };
    let pair = |(key, values): &(String, Vec<String>)| {
        format!("{}={}", encode_segment(key), values.iter().map(value).collect::<Vec<_>>().join(","))
    };
    properties.iter().map(pair).collect::<Vec<_>>().join(";")
}

/// Everything but what no form encoding touches. Above all `+`, which would be a blank.
const IN_MATRIX: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Properties as matrix parameters, to be put behind the encoded path ("Using Properties in Deployment and Resolution" of
/// Artifactory's documentation): keys and values form-encoded, a parameter for each value. A comma would part values, and
/// a backslash makes it a plain one, as JFrog's clients send it.
pub(super) fn matrix(properties: &[(String, Vec<String>)]) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, IN_MATRIX).to_string();
    let literal = |value: &String| encoded(&value.replace('\\', "\\\\").replace(',', "\\,"));
    let pairs = properties.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    pairs.flat_map(|(key, value)| [";".to_owned(), encoded(key), "=".to_owned(), literal(value)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_add_values_or_pairs() {
        let properties = [
            ("team".to_owned(), vec!["web".to_owned(), "a,b".to_owned()]),
            ("note".to_owned(), vec!["x=1;y|z\\ü".to_owned()]),
        ];
        assert_eq!(encoded(&properties), "team=web,a%5C%2Cb;note=x%5C%3D1%5C%3By%5C%7Cz%5C%5C%C3%BC");
    }

    #[test]
    fn matrix_parameters_hold_any_value() {
        let properties = [
            ("team".to_owned(), vec!["web".to_owned(), "a,b".to_owned()]),
            ("note".to_owned(), vec!["x=1;y|z\\ü/+ %".to_owned()]),
        ];
        let expected = ";team=web;team=a%5C%2Cb;note=x%3D1%3By%7Cz%5C%5C%C3%BC%2F%2B%20%25";
        assert_eq!(matrix(&properties), expected);
        assert_eq!(matrix(&[]), "");
    }
}
