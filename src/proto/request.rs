//! Requests, decoded from exactly one frame and borrowing from it.
//!
//! Values, passwords and names stay the octets that were sent: what they must be is for the
//! operation to say, with a result code that tells.

mod attributes;
mod filter;
mod update;

use thiserror::Error;

pub(super) use self::filter::decode as decode_filter;

pub use self::{
    attributes::AttributeList,
    filter::{AttributeValueAssertion, Filter, MAX_FILTER_DEPTH, Substring},
    update::{
        AddRequest, Change, ChangeOperation, ModifyDnRequest, ModifyRequest, PartialAttribute,
    },
};
use super::{Control, MessageId, control};
use crate::ber::{self, BerError, Element, Reader, Tag};

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
    Add(AddRequest<'a>),
    /// The DN of the entry, as sent.
    Delete(&'a [u8]),
    Modify(ModifyRequest<'a>),
    ModifyDn(ModifyDnRequest<'a>),
    Compare(CompareRequest<'a>),
    Abandon(MessageId),
    Extended(ExtendedRequest<'a>),
}

impl Operation<'_> {
    /// The tag of the request.
    pub fn tag(&self) -> Tag {
        match self {
            Self::Bind(_) => tag::BIND,
            Self::Unbind => tag::UNBIND,
            Self::Search(_) => tag::SEARCH,
            Self::Add(_) => tag::ADD,
            Self::Delete(_) => tag::DELETE,
            Self::Modify(_) => tag::MODIFY,
            Self::ModifyDn(_) => tag::MODIFY_DN,
            Self::Compare(_) => tag::COMPARE,
            Self::Abandon(_) => tag::ABANDON,
            Self::Extended(_) => tag::EXTENDED,
        }
    }
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
    pub attributes: AttributeList<'a>,
}

/// The scope of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SearchScope {
    BaseObject,
    SingleLevel,
    WholeSubtree,
    /// draft-sermersheim-ldap-subordinate-scope: the subtree without its top.
    Subordinates,
}

/// When aliases are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DerefAliases {
    Never,
    InSearching,
    FindingBaseObject,
    Always,
}

/// CompareRequest (RFC 4511 section 4.10).
#[derive(Debug, PartialEq, Eq)]
pub struct CompareRequest<'a> {
    /// The entry's DN, as sent.
    pub entry: &'a [u8],
    /// What is asserted of it.
    pub assertion: AttributeValueAssertion<'a>,
}

/// ExtendedRequest (RFC 4511 section 4.12).
#[derive(PartialEq, Eq)]
pub struct ExtendedRequest<'a> {
    /// The operation's OID, as sent.
    pub name: &'a [u8],
    /// What it carries.
    pub value: Option<&'a [u8]>,
}

impl std::fmt::Debug for ExtendedRequest<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The value of a password modification is a secret.
        write!(formatter, "ExtendedRequest({})", self.name.escape_ascii())
    }
}

/// Decodes one request.
///
/// `frame` is exactly one LDAPMessage as cut by [`super::frame::next`]; the result borrows from it.
/// Trailing components of sequences are ignored, as RFC 4511 section 4 asks. An Unbind is one
/// whatever it carries.
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
    let tag = message.peek();
    let operation = message.element().map_err(|error| DecodeError {
        id: Some(id),
        operation: tag,
        reason: error.into(),
    })?;
    // Whatever comes with it: the client wants to end (RFC 4511 section 4.3).
    if operation.tag == tag::UNBIND {
        return Ok(Request {
            id,
            operation: Operation::Unbind,
            controls: Vec::new(),
        });
    }
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
        None => {
            message.refuse(ber::context(0))?;
            Vec::new()
        }
    };
    message.skip_trailing()?;
    let operation = match operation.tag {
        tag::BIND => Operation::Bind(bind(operation.reader())?),
        tag::SEARCH => Operation::Search(search(operation.reader())?),
        tag::ABANDON => {
            let abandoned = operation.integer()?;
            let abandoned = i32::try_from(abandoned).map_err(|_| Reason::MessageId(abandoned))?;
            Operation::Abandon(MessageId(abandoned))
        }
        tag::ADD => Operation::Add(update::add(operation.reader())?),
        tag::DELETE => Operation::Delete(operation.contents),
        tag::MODIFY => Operation::Modify(update::modify(operation.reader())?),
        tag::MODIFY_DN => Operation::ModifyDn(update::modify_dn(operation.reader())?),
        tag::COMPARE => Operation::Compare(compare(operation.reader())?),
        tag::EXTENDED => Operation::Extended(extended(operation.reader())?),
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
            let mechanism = sasl.octets()?;
            let credentials = sasl
                .optional(ber::OCTET_STRING)?
                .map(|element| element.contents);
            sasl.skip_trailing()?;
            Authentication::Sasl {
                mechanism,
                credentials,
            }
        }
        tag if is_choice_beyond(tag, &[0, 3]) => Authentication::Other(tag),
        _ => return Err(Reason::Authentication),
    };
    request.skip_trailing()?;
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
    let size_limit = count(&mut request, "sizeLimit")?;
    let time_limit = count(&mut request, "timeLimit")?;
    let types_only = request.boolean()?;
    let filter = filter::decode(request.element()?)?;
    let attributes = AttributeList::decode(request.expect(ber::SEQUENCE)?)?;
    request.skip_trailing()?;
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

fn compare(mut request: Reader<'_>) -> Result<CompareRequest<'_>, Reason> {
    let entry = request.octets()?;
    let assertion = filter::assertion(request.expect(ber::SEQUENCE)?)?;
    request.skip_trailing()?;
    Ok(CompareRequest { entry, assertion })
}

fn extended(mut request: Reader<'_>) -> Result<ExtendedRequest<'_>, Reason> {
    let name = request.expect(ber::context(0))?.contents;
    let value = request
        .optional(ber::context(1))?
        .map(|element| element.contents);
    // A value in the wrong form must not be taken for none.
    request.refuse(ber::context_constructed(1))?;
    request.skip_trailing()?;
    Ok(ExtendedRequest { name, value })
}

/// INTEGER (0 .. maxInt) with maxInt = 2^31-1.
pub(super) fn count(request: &mut Reader<'_>, name: &'static str) -> Result<u32, Reason> {
    let value = request.integer()?;
    i32::try_from(value)
        .ok()
        .and_then(|value| u32::try_from(value).ok())
        .ok_or(Reason::Enumerated(name, value))
}

/// Whether a tag is that of an alternative added to a CHOICE by a later version, rather than one
/// of the `known` numbers in a wrong form.
fn is_choice_beyond(tag: Tag, known: &[u8]) -> bool {
    tag & 0xc0 == ber::context(0) && !known.contains(&(tag & 0x1f))
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
    /// The message id of an operation that is not answered yet.
    #[error("message id {0} is that of an operation under way")]
    MessageIdInUse(MessageId),
    /// A value outside of its enumeration or range.
    #[error("{0} has no value {1}")]
    Enumerated(&'static str, i64),
    /// The value of a control.
    #[error("{0}")]
    Control(&'static str),
    /// The filter's structure.
    #[error("malformed filter: {0}")]
    Filter(&'static str),
    /// The filter nests too deep.
    #[error("filter nested deeper than {MAX_FILTER_DEPTH}")]
    FilterDepth,
    /// The choice of authentication is malformed.
    #[error("malformed choice of authentication")]
    Authentication,
    /// The tag of no request.
    #[error("unknown operation {0:#04x}")]
    UnknownOperation(Tag),
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
