//! What was published, installed by npm and by its lock file alone. `make npm-clients` does the same with every package
//! manager and from a real registry.

use std::path::Path;

use crate::clients::{Client, PACKAGES, Place, installs, refuses, workspace};
use crate::scene::stack;
use crate::stack::{PASSWORD, REPOSITORY, USER};

#[tokio::test]
async fn a_lock_file_holds_what_was_published_and_refuses_what_was_changed() {
    let stack = stack().await;
    stack.forgive_passwords();
    stack.publish(workspace("hello")).await;
    let registry = stack.artifactory.npm_registry(REPOSITORY);
    let place = Place { registry: &registry, user: USER, password: PASSWORD };
    let app = installs(Client::Npm, Path::new(""), place).await;

    let other = crate::scene::stack().await;
    other.publish(workspace("goodbye")).await;
    for (_, _, path) in PACKAGES {
        stack.artifactory.put_file(REPOSITORY, path, other.artifactory.file(REPOSITORY, path).unwrap());
    }
    refuses(Client::Npm, &app).await;
}
