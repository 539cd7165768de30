//! How a request fails.

use std::fmt;

use crate::wire::Code;

/// What a caller is told instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// The framework's code (`ret`); [`Code::OK`] for a failure of the business.
    pub code: Code,
    /// The business's code (`func_ret`).
    pub func_code: i32,
    /// What went wrong, in words.
    pub message: String,
}

impl Failure {
    /// A failure of the business, with a code of its own.
    #[must_use]
    pub fn business(code: i32, message: impl Into<String>) -> Self {
        Self {
            code: Code::OK,
            func_code: code,
            message: message.into(),
        }
    }

    /// A failure of the framework.
    #[must_use]
    pub fn framework(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            func_code: 0,
            message: message.into(),
        }
    }

    /// The code it is counted by: the framework's, or else the business's.
    #[must_use]
    pub fn number(&self) -> i32 {
        if self.code == Code::OK {
            self.func_code
        } else {
            self.code.0
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Code::OK => write!(f, "business code {}: {}", self.func_code, self.message),
            code => write!(f, "{code}: {}", self.message),
        }
    }
}
