//! Inputs with which something did not hold once.

/// For which function, and the bytes.
pub(crate) const FOUND: &[(&str, &[u8])] = &[];
