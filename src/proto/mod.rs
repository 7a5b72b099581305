//! LDAP messages (RFC 4511): frames, requests, responses.
//!
//! Performance critical: Search and Bind requests are decoded without copying, and responses are
//! appended to one buffer. Nothing here may lock, log, or allocate per attribute.

pub mod control;
pub mod extended;
pub mod frame;
pub mod password_modify;
pub mod password_policy;
pub mod request;
pub mod response;
mod result_code;

pub use control::{Control, RequestControls};
pub use request::{DecodeError, Operation, Request};
pub use response::LdapResult;
pub use result_code::ResultCode;

/// Identifies an operation within its connection (RFC 4511 section 4.1.1.1): 1 to 2^31-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub i32);

impl std::fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}
