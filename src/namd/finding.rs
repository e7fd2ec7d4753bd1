//! What is said about a configuration: one finding per thing, with its place.

use serde::{Deserialize, Serialize};

use super::text::{Range, Span};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The job would certainly fail, or cannot be made as it stands: blocks.
    Error,
    /// Something may go wrong or could not be determined: does not block.
    Warning,
    /// Worth knowing.
    Information,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident => $word:literal,)*) => {
        /// What kind of thing a finding is about; the word is stable on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// The stable word for this kind, in camelCase.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }
        }

        #[cfg(test)]
        const ALL: &[Code] = &[$(Code::$name,)*];
    };
}

codes! {
    /// A file that NAMD will open is not there.
    InputMissing => "inputMissing",
    /// A directory stands where a file is named.
    InputIsDirectory => "inputIsDirectory",
    /// A file is there but cannot be read by this user.
    InputUnreadable => "inputUnreadable",
    /// A file is empty, or its size is impossible for what it should be.
    InputBroken => "inputBroken",
    /// The configuration overwrites a file it also reads.
    InputOverwritten => "inputOverwritten",
    /// A name or condition is decided only when the job runs.
    NotStatic => "notStatic",
    /// An absolute path is uploaded and rewritten, or cannot be.
    AbsolutePath => "absolutePath",
    /// An absolute path is not on this machine and is left as it is.
    OnClusterOnly => "onClusterOnly",
    /// Output goes to an absolute path, outside the job's directory.
    AbsoluteOutput => "absoluteOutput",
    /// Nothing in the file runs or minimizes.
    NoRun => "noRun",
    /// A directory for output is not there and will be made.
    OutputDirectoryMissing => "outputDirectoryMissing",
    /// A file name holds bytes that are not UTF-8.
    NonUtf8FileName => "nonUtf8FileName",
    /// A file sources itself, directly or through others.
    SourceCycle => "sourceCycle",
    /// The script is too long to follow to its end.
    BudgetExceeded => "budgetExceeded",
    /// Tcl cannot read the text: an unbalanced brace, quote or bracket.
    Syntax => "syntax",
    /// A byte order mark opens the file; Tcl takes it for a command.
    ByteOrderMark => "byteOrderMark",
    /// A keyword is set twice, which NAMD refuses.
    DuplicateKeyword => "duplicateKeyword",
    /// A word that is neither a command nor a keyword of NAMD 3.0.
    UnknownKeyword => "unknownKeyword",
    /// A keyword has no effect because what it belongs to is off.
    IgnoredKeyword => "ignoredKeyword",
    /// A keyword NAMD insists on is not set.
    RequiredMissing => "requiredMissing",
    /// A value is not of the kind its keyword takes.
    InvalidValue => "invalidValue",
    /// Two settings contradict each other.
    Conflict => "conflict",
    /// A keyword is read before it is set.
    ReadBeforeSet => "readBeforeSet",
    /// A keyword cannot be changed after the first run.
    NotSettable => "notSettable",
    /// A variable is read that was never set.
    UndefinedVariable => "undefinedVariable",
    /// A command has the wrong number or kind of arguments.
    WrongArguments => "wrongArguments",
    /// A number of steps is not a multiple of stepspercycle.
    StepsNotMultiple => "stepsNotMultiple",
    /// The script ends itself with an error, or a Tcl command fails.
    ScriptError => "scriptError",
    /// A program is run by the script; what it reads is not known.
    ProgramNotFollowed => "programNotFollowed",
    /// A Tcl package or library is loaded on the cluster.
    PackageNotFollowed => "packageNotFollowed",
}

/// One thing to say about a configuration, with the place it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What kind of thing it is.
    pub code: Code,
    /// What happened, why, and what to do.
    pub message: String,
    /// The file it is about, as a path relative to the configuration's directory or absolute.
    pub file: String,
    /// Bytes of that file it is about.
    pub span: Span,
    /// The same as an editor counts.
    pub range: Range,
}

impl Finding {
    /// A finding about the configuration as a whole, or about something beside it.
    pub fn of_config(severity: Severity, code: Code, message: String) -> Self {
        let (file, span, range) = (String::new(), Span::default(), Range::default());
        Self {
            severity,
            code,
            message,
            file,
            span,
            range,
        }
    }

    /// Whether it is about a file that NAMD will open.
    pub fn is_about_input(&self) -> bool {
        matches!(
            self.code,
            Code::InputMissing | Code::InputIsDirectory | Code::InputUnreadable
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_code_is_the_one_on_the_wire() {
        for code in ALL {
            let wire = serde_json::to_value(code).unwrap();
            assert_eq!(wire.as_str(), Some(code.as_str()));
        }
    }
}
