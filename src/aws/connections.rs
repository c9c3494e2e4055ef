//! The HTTP client under all AWS clients: one pool of connections for the process, built anew after the process was
//! frozen, because the connections in it are dead by then and nobody has told it. Proxies are those of `HTTPS_PROXY`,
//! `HTTP_PROXY` and `NO_PROXY`.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::deadline::LastUse;

/// How long a connection may take to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
/// How long may be waited for the beginning of an answer. Like [`CONNECT`] it is the same for every call: connections
/// are shared only among calls with the same limits.
pub(super) const READ: Duration = Duration::from_secs(10);

/// The process's connections to AWS.
pub(super) struct Connections {
    warm: Mutex<Warm>,
}

struct Warm {
    client: SharedHttpClient,
    used: LastUse,
}

impl Connections {
    /// No connection yet. The system's certificates are read here, once, which takes its time.
    pub(super) fn new() -> Self {
        drop(connector(None, None));
        Self { warm: Mutex::new(Warm { client: client(), used: LastUse::now() }) }
    }
}

fn client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(connector)
}

fn connector(settings: Option<&HttpConnectorSettings>, components: Option<&RuntimeComponents>) -> Connector {
    let mut builder =
        Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).proxy_config(ProxyConfig::from_env());
    builder.set_connector_settings(settings.cloned());
    builder.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
    builder.build()
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let mut warm = self.warm.lock().unwrap_or_else(PoisonError::into_inner);
        if !warm.used.is_recent() {
            warm.client = client();
        }
        warm.client.http_connector(settings, components)
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connections to AWS")
    }
}
