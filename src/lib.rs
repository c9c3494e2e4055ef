//! Publishes what CodePipeline builds to JFrog Artifactory, from one Lambda function.

pub mod access;
pub mod action;
pub mod answer;
pub mod apart;
pub mod archive;
pub mod aws;
pub mod bundle;
pub mod check;
pub mod client;
pub mod credential;
pub mod deadline;
pub mod doctor;
pub mod failure;
pub mod guard;
pub mod hand;
pub mod hold;
pub mod input;
pub mod invoke;
pub mod job;
pub mod kind;
pub mod lanes;
pub mod log;
pub mod look;
#[cfg(test)]
#[path = "../tests/make.rs"]
mod make;
pub mod metric;
pub mod package;
pub mod plan;
pub mod proxy;
pub mod publish;
pub mod registry;
pub mod report;
pub mod run;
pub mod settings;
pub mod snapshots;
pub mod stamp;
pub mod step;
pub mod stop;
pub mod tags;
pub mod template;
pub mod trigger;
pub mod trust;
pub mod turns;
pub mod worker;
pub mod xml;
