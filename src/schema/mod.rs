//! Attribute types, object classes, syntaxes and matching rules (RFC 4512, RFC 4517).
