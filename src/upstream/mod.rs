//! LDAP client towards domain controllers.
