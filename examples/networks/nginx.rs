//! A real nginx before the local Artifactory: TLS, and whatever else a scenario's directives say.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::process::Process;
use crate::stack::tls::{Authority, Certified, Offered};

/// What its log says of each request, in this order.
const LOGGED: &str = "$server_protocol|$status|$request_method|$request_uri|$ssl_protocol|$ssl_client_verify|\
                      $ssl_client_i_dn|$sent_http_content_encoding|$connection";

/// What is to be between the function and Artifactory.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Its certificate, and those between that and a root, in PEM.
    certificates: String,
    key: String,
    offered: Offered,
    /// Further directives of the whole of HTTP, and of the server.
    http: String,
    server: String,
    /// The root that its clients' certificates come from.
    clients: String,
    /// The way to Artifactory; `UPSTREAM` stands for its address.
    way: String,
}

impl Site {
    /// One that lets everything through.
    pub(crate) fn of(certified: &Certified, offered: Offered) -> Self {
        Self {
            certificates: certified.pem.clone(),
            key: certified.key_pem(),
            offered,
            http: String::new(),
            server: String::new(),
            clients: String::new(),
            way: "location / { proxy_pass http://UPSTREAM; }".to_owned(),
        }
    }

    /// With these directives for the whole of HTTP.
    pub(crate) fn http(self, directives: &str) -> Self {
        Self { http: directives.to_owned(), ..self }
    }

    /// With these directives for the server.
    pub(crate) fn server(self, directives: &str) -> Self {
        Self { server: directives.to_owned(), ..self }
    }

    /// With this way to Artifactory.
    pub(crate) fn way(self, location: &str) -> Self {
        Self { way: location.to_owned(), ..self }
    }

    /// Letting in clients with a certificate of this authority's alone.
    pub(crate) fn of_clients(self, authority: &Authority) -> Self {
        let server = "ssl_verify_client on; ssl_client_certificate FOLDER/clients.pem;".to_owned();
        Self { clients: authority.pem(), server, ..self }
    }

    /// Without the certificates between its own and the root.
    pub(crate) fn without_those_between(mut self) -> Self {
        const END: &str = "-----END CERTIFICATE-----\n";
        let own = self.certificates.find(END).map_or(0, |at| at + END.len());
        self.certificates.truncate(own);
        self
    }
}

/// One request as it was logged.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) protocol: String,
    pub(crate) status: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) tls: String,
    /// What nginx made of the client's certificate, and who had issued that.
    pub(crate) client: String,
    pub(crate) issuer: String,
    pub(crate) encoding: String,
    pub(crate) connection: String,
}

/// A running nginx; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Nginx(Process);

impl Nginx {
    pub(crate) async fn start(site: &Site, upstream: SocketAddr) -> Self {
        let configure = |folder: &Path, address: SocketAddr| {
            for (file, text) in
                [("chain.pem", &site.certificates), ("key.pem", &site.key), ("clients.pem", &site.clients)]
            {
                fs::write(folder.join(file), text).expect("the folder is ours");
            }
            fs::write(folder.join("nginx.conf"), configuration(site, folder, address, upstream))
                .expect("the folder is ours");
            let folder = folder.to_str().expect("temporary folders have names of ASCII");
            // One process, so that ending it leaves none behind.
            let first = "daemon off; master_process off; error_log stderr;";
            ["-p", folder, "-c", "nginx.conf", "-g", first].map(ToOwned::to_owned).into()
        };
        Self(Process::start("nginx", configure).await)
    }

    /// `https://NAME:PORT`.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("https://{name}:{}", self.address().port())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Every request so far.
    pub(crate) fn log(&self) -> Vec<Logged> {
        self.0.read("access").lines().map(logged).collect()
    }
}

fn logged(line: &str) -> Logged {
    let mut fields = line.split('|').map(ToOwned::to_owned);
    let mut next = || fields.next().expect("nginx logs all that it is told to");
    Logged {
        protocol: next(),
        status: next(),
        method: next(),
        path: next(),
        tls: next(),
        client: next(),
        issuer: next(),
        encoding: next(),
        connection: next(),
    }
}

fn configuration(site: &Site, folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let Site { offered, http, server, way, .. } = site;
    let two = if *offered == Offered::OneAndTwo { " http2" } else { "" };
    let text = format!(
        "pid pid;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path bodies; proxy_temp_path proxied;
    fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    log_format line '{LOGGED}';
    access_log access line;
    {http}
    server {{
        listen {address} ssl{two};
        ssl_certificate FOLDER/chain.pem;
        ssl_certificate_key FOLDER/key.pem;
        {server}
        {way}
    }}
}}
"
    );
    let folder = folder.to_str().expect("temporary folders have names of ASCII");
    text.replace("FOLDER", folder).replace("UPSTREAM", &upstream.to_string())
}
