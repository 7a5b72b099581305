//! BER as LDAP uses it (RFC 4511 section 5.1).
