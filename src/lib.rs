//! Publishes what CodePipeline builds to JFrog Artifactory, from one Lambda function.

pub mod registry {
    //! Artifactory over HTTP.
    pub mod url;
}
