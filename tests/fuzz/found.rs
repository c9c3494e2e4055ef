//! Inputs with which something did not hold once.

/// For which function, and the bytes.
pub(crate) fn found() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        // Alternatives few by number and large by size: a rule took hundreds of megabytes.
        ("patterns", ["x".repeat(4_000).as_str(), "{1..1000}"].concat().into_bytes()),
        // Brackets without their ends before alternatives: quadratic time, for each of them.
        ("patterns", ["[".repeat(700).as_str(), "{1..9}{0..9}"].concat().into_bytes()),
    ]
}
