//! Names of extended operations (RFC 4511 section 4.12) and of features.

/// StartTLS (RFC 4511 section 4.14).
pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
/// Who am I? (RFC 4532).
pub const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";
/// Password Modify (RFC 3062).
pub const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
/// Cancel (RFC 3909).
pub const CANCEL: &str = "1.3.6.1.1.8";
/// Notice of Disconnection (RFC 4511 section 4.4.1).
pub const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// Sync Info, an intermediate response (RFC 4533 section 2.5).
pub const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";

/// All operational attributes by `+` (RFC 3673).
pub const FEATURE_ALL_OPERATIONAL: &str = "1.3.6.1.4.1.4203.1.5.1";
/// All attributes of an object class by `@` (RFC 4529).
pub const FEATURE_BY_CLASS: &str = "1.3.6.1.4.1.4203.1.5.2";
/// True and false filters (RFC 4526).
pub const FEATURE_TRUE_FALSE: &str = "1.3.6.1.4.1.4203.1.5.3";
/// Increments by Modify (RFC 4525).
pub const FEATURE_MODIFY_INCREMENT: &str = "1.3.6.1.1.14";
