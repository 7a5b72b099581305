//! LDAP messages (RFC 4511).
