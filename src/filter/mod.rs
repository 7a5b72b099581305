//! Search filters (RFC 4511 section 4.5.1.7, RFC 4515).
