//! Artifactory over HTTP.

mod body;
mod error;
mod http;
mod reply;
mod retry;
pub mod url;

pub use error::{At, Class, NetworkError, Purpose, RegistryError, Seen};
pub use http::{Http, HttpError};
pub use retry::Pacing;
