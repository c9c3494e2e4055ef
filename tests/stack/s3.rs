//! S3 on 127.0.0.1: signatures, XML and chunked uploads by s3s, over a store of our own that is atomic,
//! checks session tokens, and knows who may reach what.

mod access;
mod content;
mod store;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_types::date_time::{DateTime, Format};
use bytes::Bytes;
use http_body_util::BodyExt;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};

pub(crate) use access::{FUNCTION_ACCESS_KEY_ID, FUNCTION_SECRET_ACCESS_KEY};

use super::http::{self, Door, Reply, Request, Server, Traffic};
use super::vault::Vault;
use access::Guard;
use store::{Operations, Store};

/// The name of this service in [`Traffic`].
pub(crate) const SERVICE: &str = "s3";

/// What a job's session is told about an object of its own that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Missing {
    #[default]
    NoSuchKey,
    /// As S3 answers a caller without the right to list the bucket.
    AccessDenied,
}

/// What a conditional delete of an object that does not exist answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MissingDelete {
    #[default]
    NoSuchKey,
    NoContent,
}

/// What can be switched.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) missing_for_jobs: Missing,
    pub(crate) delete_of_missing: MissingDelete,
    /// The next so many conditional writes and deletes meet another writer: 409, nothing done.
    pub(crate) conflicts: usize,
}

/// A running S3; dropping it stops it.
#[derive(Debug)]
pub(crate) struct S3 {
    server: Server,
    store: Arc<Store>,
}

impl S3 {
    /// Starts one whose journal bucket exists and is empty. Sessions come from `vault`.
    pub(crate) async fn start(traffic: Traffic, vault: Vault, journal_bucket: &str) -> Self {
        Self::start_on(0, traffic, vault, journal_bucket).await
    }

    /// As [`S3::start`], on a port of the caller's choice (0 is any).
    pub(crate) async fn start_on(port: u16, traffic: Traffic, vault: Vault, journal_bucket: &str) -> Self {
        let store = Arc::new(Store::new(vault.clock().clone()));
        store.create_bucket(journal_bucket);
        let guard = Guard { store: Arc::clone(&store), vault };
        let mut builder = S3ServiceBuilder::new(Operations(Arc::clone(&store)));
        builder.set_auth(guard.clone());
        builder.set_access(guard);
        // The stack's own check goes by S3's own clock.
        let mut config = S3Config::default();
        config.presigned_url_max_skew_time_secs = u32::MAX;
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        let service = builder.build();
        let clock = Arc::clone(&store);
        let server = Server::start_on(port, SERVICE, traffic, move |request| {
            let (service, clock) = (service.clone(), Arc::clone(&clock));
            async move { dated(answer(service, request).await, &clock) }
        });
        let server = server.await;
        Self { server, store }
    }

    /// The way in without a socket.
    pub(crate) fn door(&self) -> Door {
        self.server.door()
    }

    /// `http://127.0.0.1:PORT`; clients address buckets by path.
    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn switch(&self, change: impl FnOnce(&mut Behaviour)) {
        self.store.switch(change);
    }

    /// Puts an object there, making its bucket if need be.
    pub(crate) fn put(&self, bucket: &str, key: &str, content: impl Into<Bytes>) {
        self.store.put(bucket, key, content.into());
    }

    /// As [`S3::put`], for an object that is too large to be in memory: it stays in this file.
    pub(crate) fn put_file(&self, bucket: &str, key: &str, file: File) {
        self.store.put_file(bucket, key, file);
    }

    /// Sets its clock ahead of the machine's.
    pub(crate) fn run_ahead(&self, by: Duration) {
        self.store.run_ahead(by);
    }

    /// Makes an object look as if it had been written so much earlier.
    pub(crate) fn age(&self, bucket: &str, key: &str, by: Duration) {
        self.store.age(bucket, key, by);
    }

    pub(crate) fn create_bucket(&self, bucket: &str) {
        self.store.create_bucket(bucket);
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.store.get(bucket, key).map(|stored| stored.content.bytes())
    }

    pub(crate) fn etag(&self, bucket: &str, key: &str) -> Option<String> {
        self.store.get(bucket, key).map(|stored| stored.etag)
    }

    pub(crate) fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        self.store.keys(bucket, prefix)
    }

    pub(crate) fn remove(&self, bucket: &str, key: &str) -> Option<Bytes> {
        self.store.remove(bucket, key)
    }

    /// How many bytes of this object's content have been served since it was written.
    pub(crate) fn bytes_served(&self, bucket: &str, key: &str) -> u64 {
        self.store.get(bucket, key).map_or(0, |stored| stored.served)
    }
}

/// An answer with the time at which it was given, as S3 sends it.
fn dated(mut reply: Reply, store: &Store) -> Reply {
    let date = DateTime::from(store.date()).fmt(Format::HttpDate).expect("the stack's time is a date");
    reply.headers_mut().insert("date", date.parse().expect("a date is ASCII"));
    reply
}

async fn answer(service: S3Service, request: Request) -> Reply {
    let mut inner = hyper::Request::new(s3s::Body::from(request.body));
    *inner.method_mut() = request.method;
    let address = if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
    let Ok(address) = address.parse() else {
        return http::reply(400, &[], "");
    };
    *inner.uri_mut() = address;
    *inner.headers_mut() = request.headers;
    match service.call(inner).await {
        Ok(reply) => reply.map(BodyExt::boxed),
        Err(error) => http::reply(500, &[], format!("{error:?}")),
    }
}
