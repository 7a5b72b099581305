//! LDIF content records (RFC 2849).
