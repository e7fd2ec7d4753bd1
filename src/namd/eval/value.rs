//! What a word comes to: a known string, or the reason why it is not known.

use std::rc::Rc;

use super::{Code, Place};

/// The value of a Tcl word or variable, as far as it can be told beforehand.
#[derive(Debug, Clone)]
pub(in crate::namd) enum Value {
    /// It is this string.
    Known {
        /// The string.
        text: Rc<str>,
        /// Where it is written word for word in braces: scripts keep their places.
        code: Option<Code>,
    },
    /// It is decided only when the job runs.
    Unknown(Rc<Why>),
}

/// Why something is not known beforehand.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::namd) struct Why {
    /// Completes "cannot be determined, because …".
    pub reason: String,
    /// The value with `*` for what is not known, when part of it is.
    pub pattern: Option<String>,
    /// It follows from an error already reported.
    pub failed: bool,
}

impl Value {
    /// A known string.
    pub(in crate::namd) fn known(text: impl Into<Rc<str>>) -> Self {
        Self::Known {
            text: text.into(),
            code: None,
        }
    }

    /// The empty string, which most commands give.
    pub(in crate::namd) fn empty() -> Self {
        Self::known("")
    }

    /// `1` or `0`.
    pub(in crate::namd) fn truth(yes: bool) -> Self {
        Self::known(if yes { "1" } else { "0" })
    }

    /// Not known, for this reason.
    pub(in crate::namd) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown(Rc::new(Why {
            reason: reason.into(),
            pattern: None,
            failed: false,
        }))
    }

    /// Not known because of an error that was reported.
    pub(in crate::namd) fn failed() -> Self {
        Self::Unknown(Rc::new(Why {
            reason: "it follows from an error reported above".into(),
            pattern: None,
            failed: true,
        }))
    }

    /// The string, if it is known.
    pub(in crate::namd) fn text(&self) -> Option<&str> {
        match self {
            Self::Known { text, .. } => Some(text),
            Self::Unknown(_) => None,
        }
    }

    /// The string with `*` for what is not known of it.
    pub(in crate::namd) fn pattern(&self) -> &str {
        match self {
            Self::Known { text, .. } => text,
            Self::Unknown(why) => why.pattern.as_deref().unwrap_or("*"),
        }
    }

    /// Where the value is written in braces, if it is.
    pub(in crate::namd) fn code(&self) -> Option<Code> {
        match self {
            Self::Known { code, .. } => *code,
            Self::Unknown(_) => None,
        }
    }

    /// Whether both are surely the same.
    pub(in crate::namd) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Known { text: a, .. }, Self::Known { text: b, .. }) => a == b,
            (Self::Unknown(a), Self::Unknown(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Puts the pieces of a word together.
pub(in crate::namd) fn concatenate(pieces: &[Value]) -> Value {
    if let [only] = pieces {
        return only.clone();
    }
    let mut text = String::new();
    let mut cause: Option<&Rc<Why>> = None;
    for piece in pieces {
        text.push_str(piece.pattern());
        if let Value::Unknown(why) = piece
            && (cause.is_none() || why.failed)
        {
            cause = Some(why);
        }
    }
    match cause {
        None => Value::known(text),
        Some(why) => Value::Unknown(Rc::new(Why {
            reason: why.reason.clone(),
            pattern: Some(text),
            failed: why.failed,
        })),
    }
}

/// One argument of a command that is being run.
#[derive(Debug, Clone)]
pub(in crate::namd) struct Arg {
    /// What it comes to.
    pub value: Value,
    /// The word as it is written, or the word that brought it here.
    pub place: Place,
    /// Set if the word is literal: its value stands in the file as it is.
    pub literal: Option<Literal>,
}

/// A word whose value can be changed by changing the file at one place.
#[derive(Debug, Clone, Copy)]
pub(in crate::namd) struct Literal {
    /// The content without delimiters, in the file of the argument's place.
    pub content: super::super::text::Span,
    /// How the word is written.
    pub quote: super::super::tcl::Quote,
}

impl Arg {
    /// An argument that is not written anywhere by itself.
    pub(in crate::namd) fn made(value: Value, place: Place) -> Self {
        Self {
            value,
            place,
            literal: None,
        }
    }

    /// Its string, if known.
    pub(in crate::namd) fn text(&self) -> Option<&str> {
        self.value.text()
    }
}

/// The strings of all arguments, or why one of them is not known.
pub(in crate::namd) fn texts(args: &[Arg]) -> Result<Vec<&str>, Rc<Why>> {
    args.iter()
        .map(|arg| match &arg.value {
            Value::Known { text, .. } => Ok(&**text),
            Value::Unknown(why) => Err(Rc::clone(why)),
        })
        .collect()
}
