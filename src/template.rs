//! Placeholders in `TargetPath` and `Properties`: `{pipeline}`, `{execution}`, `{stage}`, `{action}`, `{name}`,
//! `{version}`, `{file}`, `{dir}`. A value can never add structure: what would is refused.

use std::fmt;

use thiserror::Error;

use crate::job::PipelineRun;

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// The pipeline's name.
    Pipeline,
    /// Id of the pipeline's execution.
    Execution,
    /// The stage's name.
    Stage,
    /// The action's name.
    Action,
    /// The package's name.
    Name,
    /// The package's version.
    Version,
    /// The published file's name.
    File,
    /// The folder of the artifact that the file comes from.
    Dir,
}

const NAMES: [(&str, Placeholder); 8] = [
    ("pipeline", Placeholder::Pipeline),
    ("execution", Placeholder::Execution),
    ("stage", Placeholder::Stage),
    ("action", Placeholder::Action),
    ("name", Placeholder::Name),
    ("version", Placeholder::Version),
    ("file", Placeholder::File),
    ("dir", Placeholder::Dir),
];

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, placeholder)| placeholder == self).map_or("?", |(name, _)| name);
        write!(f, "{{{name}}}")
    }
}

/// Why a text with placeholders cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A name in braces that is no placeholder.
    #[error(
        "has an unknown placeholder {{{0}}}; known are {{pipeline}}, {{execution}}, {{stage}}, {{action}}, {{name}}, {{version}}, {{file}}, {{dir}}"
    )]
    Unknown(String),
    /// A `{` without its `}`.
    #[error("has a '{{' without its '}}'")]
    Unclosed,
    /// Nothing is known that the placeholder could stand for.
    #[error("uses {0}, which is not known here")]
    NoValue(Placeholder),
    /// A value that would change the structure around it.
    #[error("uses {placeholder}, whose value {value:?} has ';', '=', '..' or a control character in it")]
    Unsafe {
        /// The placeholder.
        placeholder: Placeholder,
        /// Its value.
        value: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole(Placeholder),
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// What the placeholders of one published file stand for.
#[derive(Debug, Clone, Copy)]
pub struct FileFacts<'a> {
    /// The package's name, once it has one.
    pub name: Option<&'a str>,
    /// The package's version, where it has one.
    pub version: Option<&'a str>,
    /// The file's name.
    pub file: &'a str,
    /// The folder of the artifact that it comes from, where it comes from one.
    pub dir: Option<&'a str>,
}

impl Template {
    /// Parses a text.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            let known = NAMES.iter().find(|(known, _)| *known == name);
            let (_, placeholder) = known.ok_or_else(|| TemplateError::Unknown(name.chars().take(40).collect()))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Hole(*placeholder));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// Fills in what is the same for the whole job.
    pub fn for_run(self, run: &PipelineRun) -> Result<Self, TemplateError> {
        let fill = |piece| {
            let Piece::Hole(placeholder) = piece else { return Ok(piece) };
            let value = match placeholder {
                Placeholder::Pipeline => run.pipeline.as_deref(),
                Placeholder::Execution => run.execution.as_deref(),
                Placeholder::Stage => run.stage.as_deref(),
                Placeholder::Action => run.action.as_deref(),
                Placeholder::Name | Placeholder::Version | Placeholder::File | Placeholder::Dir => return Ok(piece),
            };
            checked(placeholder, value).map(Piece::Text)
        };
        self.0.into_iter().map(fill).collect::<Result<_, _>>().map(Self)
    }

    /// Fills in the rest for one file.
    pub fn for_file(&self, facts: &FileFacts<'_>) -> Result<String, TemplateError> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Hole(placeholder) => {
                    let value = match placeholder {
                        Placeholder::Name => facts.name,
                        Placeholder::Version => facts.version,
                        Placeholder::File => Some(facts.file),
                        Placeholder::Dir => facts.dir,
                        Placeholder::Pipeline | Placeholder::Execution | Placeholder::Stage | Placeholder::Action => {
                            None
                        }
                    };
                    filled.push_str(&checked(*placeholder, value)?);
                }
            }
        }
        Ok(filled)
    }
}

fn checked(placeholder: Placeholder, value: Option<&str>) -> Result<String, TemplateError> {
    let value = value.ok_or(TemplateError::NoValue(placeholder))?;
    if value.contains([';', '=']) || value.contains("..") || value.chars().any(char::is_control) {
        return Err(TemplateError::Unsafe { placeholder, value: value.to_owned() });
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: FileFacts<'static> =
        FileFacts { name: Some("@a/b"), version: Some("1.0.0"), file: "b.tgz", dir: Some("lib") };

    fn fill(text: &str, pipeline: &str) -> Result<String, TemplateError> {
        let run = PipelineRun { pipeline: Some(pipeline.to_owned()), ..PipelineRun::default() };
        Template::parse(text)?.for_run(&run)?.for_file(&FACTS)
    }

    #[test]
    fn placeholders_are_filled() {
        assert_eq!(fill("{pipeline}/{name}-{version}/{dir}/{file}!", "web").unwrap(), "web/@a/b-1.0.0/lib/b.tgz!");
        assert_eq!(fill("plain }", "web").unwrap(), "plain }");
    }

    #[test]
    fn a_value_cannot_add_structure() {
        for pipeline in ["a;b=c", "a=b", "../x", "a\nb"] {
            assert!(matches!(fill("{pipeline}", pipeline), Err(TemplateError::Unsafe { .. })), "{pipeline:?}");
        }
        assert_eq!(fill("{stage}", "web"), Err(TemplateError::NoValue(Placeholder::Stage)));
        assert_eq!(fill("{branch}", "web"), Err(TemplateError::Unknown("branch".to_owned())));
        assert_eq!(fill("a{b", "web"), Err(TemplateError::Unclosed));
    }
}
