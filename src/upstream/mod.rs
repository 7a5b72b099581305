//! LDAP client towards domain controllers.
//!
//! [`Connection`] is one TLS connection with one operation at a time: what a domain controller
//! sends faster than it is used stays in its own socket, so nothing here can fill the memory.
//! Every wait has a limit, all of them in [`Timeouts`]. On top of it stand [`dirsync`], which reads
//! changes, [`DcFacts`], which says whom we talk to, and [`BindPool`], which proves passwords.

mod account;
mod address;
mod bind;
mod connection;
pub mod dirsync;
mod error;
mod extended_dn;
mod facts;
#[doc(hidden)]
pub mod fuzzing;
mod locate;
mod message;
mod pool;
mod search;
#[cfg(test)]
mod testing;
mod tls;

pub use account::ServiceAccount;
pub use address::{AddressError, Security, ServerAddress};
pub use bind::BindOutcome;
pub use connection::{Connection, Timeouts, Transport};
pub use dirsync::{DirSyncObject, DirSyncRequest, DirSyncRound};
pub use error::{Side, UpstreamError};
pub use extended_dn::{ExtendedDn, LinkValue};
pub use facts::{DcFacts, PasswordPolicy};
pub use locate::locate;
pub use message::ResponseControl;
pub use pool::{BindPool, PoolLimits};
pub use search::{SearchDone, SearchEntry, SearchRequest, SearchStream};
pub use tls::UpstreamTls;
