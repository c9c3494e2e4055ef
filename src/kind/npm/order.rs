//! The order in which the packages of an artifact are published: each after those that it depends on, so that no
//! installer sees one whose dependency is yet to come.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Whose absence an installer would notice.
const MEMBERS: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

/// The names of the packages that the manifest makes an installer look for.
pub(super) fn needed(manifest: &Map<String, Value>) -> Vec<String> {
    let members = MEMBERS.iter().filter_map(|member| manifest.get(*member)?.as_object()).flatten();
    let names = members.map(|(name, specifier)| {
        let alias = specifier.as_str().and_then(|specifier| specifier.strip_prefix("npm:"));
        let Some(alias) = alias else {
            return name.clone();
        };
        match alias.rfind('@') {
            Some(at) if at > 0 => alias.get(..at).unwrap_or_default().to_owned(),
            _ => alias.to_owned(),
        }
    });
    names.collect()
}

/// Puts `items` into an order in which each comes after those that it needs, and which is otherwise the one in which
/// they came. `name` tells what an item is called, `needs` the names that it needs. A circle is cut where it is
/// entered.
pub(super) fn sorted<T>(items: Vec<T>, name: impl Fn(&T) -> &str, needs: impl Fn(&T) -> &[String]) -> Vec<T> {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        by_name.entry(name(item)).or_default().push(at);
    }
    let mut before: Vec<Vec<usize>> = items
        .iter()
        .map(|item| {
            let mut before: Vec<usize> =
                needs(item).iter().filter_map(|need| by_name.get(need.as_str())).flatten().copied().collect();
            // The last is looked at first.
            before.sort_unstable_by(|one, other| other.cmp(one));
            before.dedup();
            before
        })
        .collect();
    let mut entered = vec![false; items.len()];
    let mut order = Vec::with_capacity(items.len());
    for at in 0..items.len() {
        // A stack of our own: a chain may be as long as the list.
        let mut stack = vec![at];
        while let Some(at) = stack.last().copied() {
            if let Some(entered) = entered.get_mut(at) {
                *entered = true;
            }
            let next = before.get_mut(at).and_then(|before| {
                while let Some(next) = before.pop() {
                    if entered.get(next) == Some(&false) {
                        return Some(next);
                    }
                }
                None
            });
            if let Some(next) = next {
                stack.push(next);
            } else {
                stack.pop();
                order.push(at);
            }
        }
    }
    // One that was done before is met again as the beginning of its own chain.
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|at| items.get_mut(at).and_then(Option::take)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn order(packages: &[(&str, &[&str])]) -> String {
        let packages: Vec<(String, Vec<String>)> = packages
            .iter()
            .map(|(name, needs)| ((*name).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect()))
            .collect();
        let sorted = sorted(packages, |package| &package.0, |package| &package.1);
        sorted.into_iter().map(|package| package.0).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_package_comes_after_what_it_needs_and_else_where_it_was() {
        assert_eq!(order(&[("a", &["c"]), ("b", &[]), ("c", &["d", "gone"]), ("d", &[])]), "d c a b");
        assert_eq!(order(&[("b", &[]), ("a", &[])]), "b a");
        assert_eq!(order(&[("x", &["c", "b"]), ("b", &[]), ("c", &[])]), "b c x");
        // Two versions of one package: both first.
        assert_eq!(order(&[("a", &["b"]), ("b", &[]), ("b", &[])]), "b b a");
    }

    #[test]
    fn circles_are_cut_where_they_are_entered() {
        assert_eq!(order(&[("a", &["a"])]), "a");
        assert_eq!(order(&[("a", &["b"]), ("b", &["a"])]), "b a");
        assert_eq!(order(&[("b", &["a"]), ("a", &["b"])]), "a b");
        assert_eq!(order(&[("a", &["b"]), ("b", &["c"]), ("c", &["a", "d"]), ("d", &[])]), "d c b a");
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let count = 100_000;
        let chain: Vec<(String, Vec<String>)> =
            (0..count).map(|at| (at.to_string(), vec![(at + 1).to_string()])).collect();
        let sorted = sorted(chain, |package| &package.0, |package| &package.1);
        assert_eq!(sorted.first().unwrap().0, (count - 1).to_string());
        assert_eq!(sorted.last().unwrap().0, "0");
    }

    #[test]
    fn another_name_for_a_package_is_seen_through() {
        let Value::Object(manifest) = json!({
            "dependencies": {"x": "npm:@s/a@^1", "b": "^1"},
            "peerDependencies": {"y": "npm:c"},
            "devDependencies": {"d": "1"}
        }) else {
            panic!("an object")
        };
        assert_eq!(needed(&manifest), ["@s/a", "b", "c"]);
    }
}
