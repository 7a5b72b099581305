//! BER as LDAP uses it: definite lengths, one-octet tags (RFC 4511 section 5.1).

mod reader;
mod writer;

pub use reader::{BerError, BerErrorKind, Element, Reader, length_of};
pub use writer::{
    integer_len, tlv_len, write_boolean, write_header, write_integer, write_nested, write_octets,
};

/// A one-octet identifier: class, constructed bit and number.
pub type Tag = u8;

/// Universal BOOLEAN.
pub const BOOLEAN: Tag = 0x01;
/// Universal INTEGER.
pub const INTEGER: Tag = 0x02;
/// Universal OCTET STRING, primitive: LDAP forbids the constructed form.
pub const OCTET_STRING: Tag = 0x04;
/// Universal ENUMERATED.
pub const ENUMERATED: Tag = 0x0a;
/// Universal SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: Tag = 0x30;
/// Universal SET OF.
pub const SET: Tag = 0x31;

/// The tag `[number]` of the application class, constructed.
pub const fn application(number: u8) -> Tag {
    0x60 | number
}

/// The tag `[number]` of the application class, primitive.
pub const fn application_primitive(number: u8) -> Tag {
    0x40 | number
}

/// The context-specific tag `[number]`, primitive.
pub const fn context(number: u8) -> Tag {
    0x80 | number
}

/// The context-specific tag `[number]`, constructed.
pub const fn context_constructed(number: u8) -> Tag {
    0xa0 | number
}
