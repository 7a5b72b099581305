//! What is found wrong in a configuration file.

use std::{fmt, path::PathBuf};

/// One thing wrong, or worth knowing, at one place of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The configuration file.
    pub file: PathBuf,
    /// The line, from 1 on; `None` where it is about the file as a whole.
    pub line: Option<usize>,
    /// The key with the tables above it, e.g. `source[0].poll`; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What is allowed instead.
    pub allowed: Option<String>,
    /// The known word nearest to an unknown one.
    pub nearest: Option<String>,
}

/// `FILE:LINE: KEY: what is wrong; allowed: ...; did you mean "..."?`
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(formatter, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(formatter, " {}:", self.key)?;
        }
        write!(formatter, " {}", self.problem)?;
        if let Some(allowed) = &self.allowed {
            write!(formatter, "; allowed: {allowed}")?;
        }
        if let Some(nearest) = &self.nearest {
            write!(formatter, "; did you mean \"{nearest}\"?")?;
        }
        Ok(())
    }
}

/// Every error of a configuration file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Finding>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, finding) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
