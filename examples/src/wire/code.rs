//! The codes of the framework (`ret` of a response).

use std::fmt;

/// A code of the framework; 0 is success.
///
/// Those below 100 come from servers, the others from clients. Codes that are
/// not named here are kept as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub i32);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// What the code says, in a few words.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    _ => "another error",
                }
            }
        }
    };
}

codes! {
    /// No error of the framework (there may be one of the business).
    OK = 0, "success";
    /// The server cannot decode the request.
    SERVER_DECODE = 1, "request cannot be decoded";
    /// The server cannot encode the response.
    SERVER_ENCODE = 2, "response cannot be encoded";
    /// There is no such service here.
    NO_SERVICE = 11, "no such service";
    /// The service has no such method.
    NO_METHOD = 12, "no such method";
    /// The server's own time for the request is over.
    SERVER_TIMEOUT = 21, "server timeout";
    /// The server has too much to do.
    SERVER_OVERLOAD = 22, "server overloaded";
    /// The caller calls too often.
    SERVER_LIMITED = 23, "limited by the server";
    /// The time that the caller gave is over.
    FULL_LINK_TIMEOUT = 24, "full-link timeout";
    /// The server failed: a handler panicked, the server is stopping, or too many
    /// replies are unread to keep this one.
    SERVER_SYSTEM = 31, "server failure";
    /// The caller is not who it says it is.
    SERVER_AUTH = 41, "not authorised";
    /// The request breaks a rule.
    SERVER_VALIDATE = 51, "request not valid";
    /// No answer came in time.
    CLIENT_TIMEOUT = 101, "client timeout";
    /// The server cannot be reached.
    CLIENT_CONNECT = 111, "cannot connect";
    /// The client cannot encode the request.
    CLIENT_ENCODE = 121, "request cannot be encoded";
    /// The client cannot decode the response.
    CLIENT_DECODE = 122, "response cannot be decoded";
    /// The client holds the call back.
    CLIENT_LIMITED = 123, "limited by the client";
    /// The client holds the call back because its server is overloaded.
    CLIENT_OVERLOAD = 124, "client overloaded";
    /// There is nowhere to send the call.
    CLIENT_ROUTE = 131, "no route";
    /// The connection broke.
    CLIENT_NET = 141, "network failure";
    /// The call was cancelled.
    CLIENT_CANCELLED = 161, "cancelled";
    /// What came from the server is no frame.
    CLIENT_READ_FRAME = 171, "no frame";
    /// Not told.
    UNKNOWN = 999, "unknown";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.text())
    }
}

impl From<Code> for i32 {
    fn from(code: Code) -> Self {
        code.0
    }
}

impl From<i32> for Code {
    fn from(number: i32) -> Self {
        Self(number)
    }
}
