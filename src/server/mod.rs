//! Serving LDAP.
