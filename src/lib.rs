//! Publishes what CodePipeline builds to JFrog Artifactory, from one Lambda function.

pub mod archive;
pub mod credential;
pub mod deadline;
pub mod kind;
pub mod package;
pub mod plan;
pub mod registry;
pub mod step;
