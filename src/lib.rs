//! Publishes what CodePipeline builds to JFrog Artifactory, from one Lambda function.

pub mod archive;
pub mod kind;
#[cfg(test)]
#[path = "../tests/make.rs"]
mod make;
pub mod package;
pub mod plan;
pub mod registry {
    //! Artifactory over HTTP.
    pub mod url;
}
pub mod step;
