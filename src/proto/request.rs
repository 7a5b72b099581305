//! Requests, decoded from exactly one frame and borrowing from it.
//!
//! Search and Bind are decoded here, so that assertion values and passwords may be any octets;
//! the other operations go through `ldap3_proto`.

use bytes::BytesMut;
use ldap3_proto::proto::LdapOp;
use thiserror::Error;
use tokio_util::codec::Decoder;

use super::{Control, MessageId, control};
use crate::ber::{self, BerError, Element, Reader, Tag};

/// Nesting of a filter beyond which a search is refused.
pub const MAX_FILTER_DEPTH: usize = 100;

/// The tags of the request operations (RFC 4511 section 4.2 and following).
pub mod tag {
    use crate::ber::{Tag, application, application_primitive};

    /// BindRequest.
    pub const BIND: Tag = application(0);
    /// UnbindRequest.
    pub const UNBIND: Tag = application_primitive(2);
    /// SearchRequest.
    pub const SEARCH: Tag = application(3);
    /// ModifyRequest.
    pub const MODIFY: Tag = application(6);
    /// AddRequest.
    pub const ADD: Tag = application(8);
    /// DelRequest.
    pub const DELETE: Tag = application_primitive(10);
    /// ModifyDNRequest.
    pub const MODIFY_DN: Tag = application(12);
    /// CompareRequest.
    pub const COMPARE: Tag = application(14);
    /// AbandonRequest.
    pub const ABANDON: Tag = application_primitive(16);
    /// ExtendedRequest.
    pub const EXTENDED: Tag = application(23);
}

/// One LDAPMessage with a request.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    /// The client's number for it.
    pub id: MessageId,
    /// What is asked.
    pub operation: Operation<'a>,
    /// The controls, known and unknown, in order.
    pub controls: Vec<Control<'a>>,
}

/// The request operations.
#[derive(Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Operation<'a> {
    Bind(BindRequest<'a>),
    Unbind,
    Search(SearchRequest<'a>),
    Compare(CompareRequest),
    Abandon(MessageId),
    Extended(ExtendedRequest),
    /// Add, Delete, Modify or ModifyDN.
    Update(UpdateRequest),
}

/// BindRequest (RFC 4511 section 4.2).
#[derive(Debug, PartialEq, Eq)]
pub struct BindRequest<'a> {
    /// The protocol version the client speaks.
    pub version: i64,
    /// The name to bind as: a DN, or one of the forms AD takes.
    pub name: &'a [u8],
    /// The proof.
    pub authentication: Authentication<'a>,
}

/// AuthenticationChoice.
#[derive(PartialEq, Eq)]
pub enum Authentication<'a> {
    /// A password, any octets.
    Simple(&'a [u8]),
    /// A SASL mechanism with its credentials.
    Sasl {
        /// The mechanism's name.
        mechanism: &'a [u8],
        /// What the client sends with it.
        credentials: Option<&'a [u8]>,
    },
    /// A choice this version does not know.
    Other(Tag),
}

impl std::fmt::Debug for Authentication<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Simple(_) => "Simple(..)",
            Self::Sasl { .. } => "Sasl(..)",
            Self::Other(_) => "Other",
        })
    }
}

/// SearchRequest (RFC 4511 section 4.5.1).
#[derive(Debug, PartialEq)]
pub struct SearchRequest<'a> {
    /// The DN to search from, as sent.
    pub base_object: &'a [u8],
    /// How far below it.
    pub scope: SearchScope,
    /// Whether aliases are followed.
    pub deref_aliases: DerefAliases,
    /// The client's wish in entries, 0 meaning none.
    pub size_limit: u32,
    /// The client's wish in seconds, 0 meaning none.
    pub time_limit: u32,
    /// Whether values are left out.
    pub types_only: bool,
    /// What must hold of an entry.
    pub filter: Filter<'a>,
    /// The attribute descriptions wanted, as sent; none means all user attributes.
    pub attributes: Vec<&'a [u8]>,
}

/// The scope of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SearchScope {
    BaseObject,
    SingleLevel,
    WholeSubtree,
    /// draft-sermersheim-ldap-subordinate-scope: the subtree without its top.
    Subordinates,
}

/// When aliases are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DerefAliases {
    Never,
    InSearching,
    FindingBaseObject,
    Always,
}

/// A filter as received (RFC 4511 section 4.5.1.7).
#[derive(Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Filter<'a> {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Equality(AttributeValueAssertion<'a>),
    Substrings {
        attribute: &'a [u8],
        pieces: Vec<Substring<'a>>,
    },
    GreaterOrEqual(AttributeValueAssertion<'a>),
    LessOrEqual(AttributeValueAssertion<'a>),
    Present(&'a [u8]),
    Approximate(AttributeValueAssertion<'a>),
    Extensible {
        rule: Option<&'a [u8]>,
        attribute: Option<&'a [u8]>,
        value: &'a [u8],
        dn_attributes: bool,
    },
    /// A kind of filter this version does not know: evaluates to Undefined.
    Unknown,
}

/// AttributeValueAssertion (RFC 4511 section 4.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeValueAssertion<'a> {
    /// The attribute description.
    pub attribute: &'a [u8],
    /// The assertion value, any octets.
    pub value: &'a [u8],
}

/// One piece of a substring filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Substring<'a> {
    Initial(&'a [u8]),
    Any(&'a [u8]),
    Final(&'a [u8]),
}

/// CompareRequest (RFC 4511 section 4.10).
#[derive(Debug, PartialEq, Eq)]
pub struct CompareRequest {
    /// The entry.
    pub dn: String,
    /// The attribute description.
    pub attribute: String,
    /// The assertion value.
    pub value: Vec<u8>,
}

/// ExtendedRequest (RFC 4511 section 4.12).
#[derive(PartialEq, Eq)]
pub struct ExtendedRequest {
    /// The operation's OID.
    pub oid: String,
    /// What it carries.
    pub value: Option<Vec<u8>>,
}

impl std::fmt::Debug for ExtendedRequest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value of a password modification is a secret.
        write!(formatter, "ExtendedRequest({})", self.oid)
    }
}

/// A request to change an entry.
#[derive(Debug, PartialEq, Eq)]
pub struct UpdateRequest {
    /// Which of the four operations.
    pub kind: UpdateKind,
    /// The entry.
    pub dn: String,
}

/// The operations that change entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum UpdateKind {
    Add,
    Delete,
    Modify,
    ModifyDn,
}

/// Decodes one request.
///
/// `frame` is exactly one LDAPMessage as cut by [`super::frame::next`]; the result borrows from it.
/// Trailing components of sequences are ignored, as RFC 4511 section 4 asks.
///
/// # Errors
/// [`DecodeError`] with the message id and operation where they could still be read.
pub fn decode(frame: &[u8]) -> Result<Request<'_>, DecodeError> {
    let mut message = Reader::new(frame)
        .expect(ber::SEQUENCE)
        .map_err(DecodeError::before_id)?
        .reader();
    let id =
        message
            .integer()
            .map_err(DecodeError::before_id)
            .and_then(|id| match i32::try_from(id) {
                Ok(id) if id > 0 => Ok(MessageId(id)),
                _ => Err(DecodeError {
                    id: None,
                    operation: None,
                    reason: Reason::MessageId(id),
                }),
            })?;
    let operation = message.element().map_err(|error| DecodeError {
        id: Some(id),
        operation: None,
        reason: error.into(),
    })?;
    decode_rest(id, operation, message).map_err(|reason| DecodeError {
        id: Some(id),
        operation: Some(operation.tag),
        reason,
    })
}

fn decode_rest<'a>(
    id: MessageId,
    operation: Element<'a>,
    mut message: Reader<'a>,
) -> Result<Request<'a>, Reason> {
    let controls = match message.optional(ber::context_constructed(0))? {
        Some(list) => control::decode_list(list.reader())?,
        None => Vec::new(),
    };
    while !message.is_empty() {
        message.element()?;
    }
    let operation = match operation.tag {
        tag::BIND => Operation::Bind(bind(operation.reader())?),
        tag::SEARCH => Operation::Search(search(operation.reader())?),
        tag::UNBIND => Operation::Unbind,
        tag::ABANDON => {
            let abandoned = operation.integer()?;
            let abandoned = i32::try_from(abandoned).map_err(|_| Reason::MessageId(abandoned))?;
            Operation::Abandon(MessageId(abandoned))
        }
        tag::COMPARE | tag::EXTENDED | tag::ADD | tag::DELETE | tag::MODIFY | tag::MODIFY_DN => {
            other(id, &operation)?
        }
        unknown => return Err(Reason::UnknownOperation(unknown)),
    };
    Ok(Request {
        id,
        operation,
        controls,
    })
}

fn bind(mut request: Reader<'_>) -> Result<BindRequest<'_>, Reason> {
    let version = request.integer()?;
    let name = request.octets()?;
    let choice = request.element()?;
    let authentication = match choice.tag {
        tag if tag == ber::context(0) => Authentication::Simple(choice.contents),
        tag if tag == ber::context_constructed(3) => {
            let mut sasl = choice.reader();
            Authentication::Sasl {
                mechanism: sasl.octets()?,
                credentials: sasl
                    .optional(ber::OCTET_STRING)?
                    .map(|element| element.contents),
            }
        }
        tag => Authentication::Other(tag),
    };
    skip_trailing(request)?;
    Ok(BindRequest {
        version,
        name,
        authentication,
    })
}

fn search(mut request: Reader<'_>) -> Result<SearchRequest<'_>, Reason> {
    let base_object = request.octets()?;
    let scope = match request.enumerated()? {
        0 => SearchScope::BaseObject,
        1 => SearchScope::SingleLevel,
        2 => SearchScope::WholeSubtree,
        3 => SearchScope::Subordinates,
        other => return Err(Reason::Enumerated("scope", other)),
    };
    let deref_aliases = match request.enumerated()? {
        0 => DerefAliases::Never,
        1 => DerefAliases::InSearching,
        2 => DerefAliases::FindingBaseObject,
        3 => DerefAliases::Always,
        other => return Err(Reason::Enumerated("derefAliases", other)),
    };
    let size_limit = limit(&mut request, "sizeLimit")?;
    let time_limit = limit(&mut request, "timeLimit")?;
    let types_only = request.boolean()?;
    let filter = filter(request.element()?, MAX_FILTER_DEPTH)?;
    let mut list = request.expect(ber::SEQUENCE)?.reader();
    // An attribute description with its header takes some ten octets.
    let mut attributes = Vec::with_capacity(list.remaining() / 10);
    while !list.is_empty() {
        attributes.push(list.octets()?);
    }
    skip_trailing(request)?;
    Ok(SearchRequest {
        base_object,
        scope,
        deref_aliases,
        size_limit,
        time_limit,
        types_only,
        filter,
        attributes,
    })
}

/// INTEGER (0 .. maxInt) with maxInt = 2^31-1.
fn limit(request: &mut Reader<'_>, name: &'static str) -> Result<u32, Reason> {
    let value = request.integer()?;
    i32::try_from(value)
        .ok()
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(Reason::Enumerated(name, value))
}

fn filter(element: Element<'_>, depth: usize) -> Result<Filter<'_>, Reason> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Reason::FilterDepth);
    };
    Ok(match element.tag {
        0xa0 => Filter::And(filter_set(element, depth)?),
        0xa1 => Filter::Or(filter_set(element, depth)?),
        0xa2 => {
            let mut inner = element.reader();
            let negated = filter(inner.element()?, depth)?;
            if !inner.is_empty() {
                return Err(Reason::Filter("more than one filter inside a not"));
            }
            Filter::Not(Box::new(negated))
        }
        0xa3 => Filter::Equality(assertion(element)?),
        0xa4 => substrings(element)?,
        0xa5 => Filter::GreaterOrEqual(assertion(element)?),
        0xa6 => Filter::LessOrEqual(assertion(element)?),
        0x87 => Filter::Present(element.contents),
        0xa8 => Filter::Approximate(assertion(element)?),
        0xa9 => extensible(element)?,
        // "The type of filtering requested is not implemented": Undefined (section 4.5.1.7).
        tag if tag & 0xc0 == 0x80 => Filter::Unknown,
        _ => return Err(Reason::Filter("not a filter")),
    })
}

fn filter_set(element: Element<'_>, depth: usize) -> Result<Vec<Filter<'_>>, Reason> {
    let mut reader = element.reader();
    let mut parts = Vec::new();
    while !reader.is_empty() {
        parts.push(filter(reader.element()?, depth)?);
    }
    Ok(parts)
}

fn assertion(element: Element<'_>) -> Result<AttributeValueAssertion<'_>, Reason> {
    let mut reader = element.reader();
    let assertion = AttributeValueAssertion {
        attribute: reader.octets()?,
        value: reader.octets()?,
    };
    skip_trailing(reader)?;
    Ok(assertion)
}

fn substrings(element: Element<'_>) -> Result<Filter<'_>, Reason> {
    let mut reader = element.reader();
    let attribute = reader.octets()?;
    let mut list = reader.expect(ber::SEQUENCE)?.reader();
    let mut pieces = Vec::new();
    while !list.is_empty() {
        let piece = list.element()?;
        let last_is_final = matches!(pieces.last(), Some(Substring::Final(_)));
        pieces.push(match piece.tag {
            0x80 if pieces.is_empty() => Substring::Initial(piece.contents),
            0x81 if !last_is_final => Substring::Any(piece.contents),
            0x82 if !last_is_final => Substring::Final(piece.contents),
            _ => return Err(Reason::Filter("substrings out of order")),
        });
    }
    if pieces.is_empty() {
        return Err(Reason::Filter("no substrings"));
    }
    skip_trailing(reader)?;
    Ok(Filter::Substrings { attribute, pieces })
}

fn extensible(element: Element<'_>) -> Result<Filter<'_>, Reason> {
    let mut reader = element.reader();
    let rule = reader.optional(0x81)?.map(|element| element.contents);
    let attribute = reader.optional(0x82)?.map(|element| element.contents);
    let value = reader.expect(0x83)?.contents;
    let dn_attributes = match reader.optional(0x84)? {
        Some(element) => element.boolean()?,
        None => false,
    };
    if rule.is_none() && attribute.is_none() {
        return Err(Reason::Filter(
            "extensible match with neither attribute nor rule",
        ));
    }
    skip_trailing(reader)?;
    Ok(Filter::Extensible {
        rule,
        attribute,
        value,
        dn_attributes,
    })
}

fn skip_trailing(mut reader: Reader<'_>) -> Result<(), Reason> {
    while !reader.is_empty() {
        reader.element()?;
    }
    Ok(())
}

/// Decodes an operation through `ldap3_proto`, whose tag was checked before.
///
/// It gets the message without controls: it would refuse those it knows but finds malformed.
fn other<'a>(id: MessageId, operation: &Element<'_>) -> Result<Operation<'a>, Reason> {
    let mut message = Vec::with_capacity(operation.contents.len() + 16);
    ber::write_nested(&mut message, ber::SEQUENCE, |out| {
        ber::write_integer(out, ber::INTEGER, i64::from(id.0));
        ber::write_octets(out, operation.tag, operation.contents);
    });
    let length = message.len();
    let mut buffer = BytesMut::from(message.as_slice());
    let decoded = ldap3_proto::LdapCodec::new(Some(length), None)
        .decode(&mut buffer)
        .ok()
        .flatten()
        .ok_or(Reason::Malformed)?;
    Ok(match decoded.op {
        LdapOp::CompareRequest(compare) => Operation::Compare(CompareRequest {
            dn: compare.dn,
            attribute: compare.atype,
            value: compare.val,
        }),
        LdapOp::ExtendedRequest(extended) => Operation::Extended(ExtendedRequest {
            oid: extended.name,
            value: extended.value,
        }),
        LdapOp::AddRequest(add) => update(UpdateKind::Add, add.dn),
        LdapOp::DelRequest(dn) => update(UpdateKind::Delete, dn),
        LdapOp::ModifyRequest(modify) => update(UpdateKind::Modify, modify.dn),
        LdapOp::ModifyDNRequest(modify_dn) => update(UpdateKind::ModifyDn, modify_dn.dn),
        _ => return Err(Reason::Malformed),
    })
}

fn update<'a>(kind: UpdateKind, dn: String) -> Operation<'a> {
    Operation::Update(UpdateRequest { kind, dn })
}

/// A request that could not be decoded.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct DecodeError {
    /// The message id, where it was legible.
    pub id: Option<MessageId>,
    /// The operation's tag, where it was legible.
    pub operation: Option<Tag>,
    /// What is wrong.
    pub reason: Reason,
}

impl DecodeError {
    fn before_id(error: BerError) -> Self {
        Self {
            id: None,
            operation: None,
            reason: error.into(),
        }
    }
}

/// What is wrong with a request.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The encoding.
    #[error(transparent)]
    Ber(#[from] BerError),
    /// A message id out of 1 to 2^31-1.
    #[error("message id {0} is not in 1 to 2147483647")]
    MessageId(i64),
    /// A value outside of its enumeration or range.
    #[error("{0} has no value {1}")]
    Enumerated(&'static str, i64),
    /// The filter's structure.
    #[error("malformed filter: {0}")]
    Filter(&'static str),
    /// The filter nests too deep.
    #[error("filter nested deeper than {MAX_FILTER_DEPTH}")]
    FilterDepth,
    /// The tag of no request.
    #[error("unknown operation {0:#04x}")]
    UnknownOperation(Tag),
    /// The contents of an operation.
    #[error("malformed request")]
    Malformed,
}

#[cfg(test)]
mod tests;
