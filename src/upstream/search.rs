//! Searches: what is asked, and the entries as they come.

use std::time::Duration;

use ldap3_proto::{
    control::LdapControl,
    proto::{LdapDerefAliases, LdapFilter, LdapOp, LdapSearchRequest, LdapSearchScope},
};

use super::{
    Connection, UpstreamError,
    message::{self, Message, ResponseControl},
};
use crate::proto::{LdapResult, MessageId, response};

/// Leaves out the referrals to other naming contexts that end every subtree search.
const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const CHANGE_NOTIFICATION: &str = "1.2.840.113556.1.4.528";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// Longer than any process runs; a wait without limit.
const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);

/// One search (RFC 4511 section 4.5.1). Aliases are never followed, as AD has none.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    /// The base object: a DN, `<GUID=...>`, or empty for the root DSE.
    pub base: String,
    /// How far below the base.
    pub scope: LdapSearchScope,
    /// Which entries.
    pub filter: LdapFilter,
    /// Which attributes; none means all.
    pub attributes: Vec<String>,
    /// Controls in addition to the one that leaves out referrals.
    pub controls: Vec<LdapControl>,
    /// How long to wait for each message; `None` for [`super::Timeouts::answer`].
    pub answer_timeout: Option<Duration>,
}

impl SearchRequest {
    /// Reads one entry.
    pub fn base(base: impl Into<String>, attributes: &[&str]) -> Self {
        Self::new(base, LdapSearchScope::Base, any(), attributes)
    }

    /// Searches everything below and including the base.
    pub fn subtree(base: impl Into<String>, filter: LdapFilter, attributes: &[&str]) -> Self {
        Self::new(base, LdapSearchScope::Subtree, filter, attributes)
    }

    /// A search with the given scope.
    pub fn new(
        base: impl Into<String>,
        scope: LdapSearchScope,
        filter: LdapFilter,
        attributes: &[&str],
    ) -> Self {
        Self {
            base: base.into(),
            scope,
            filter,
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            controls: Vec::new(),
            answer_timeout: None,
        }
    }

    /// A search that never ends: one entry whenever something below `base` changes.
    ///
    /// Deletions may be missing, so it only tells when to look.
    pub fn change_notification(base: impl Into<String>) -> Self {
        let mut request = Self::subtree(base, any(), &["objectGUID"]);
        request.controls.push(unvalued(CHANGE_NOTIFICATION));
        request.answer_timeout = Some(FOR_EVER);
        request
    }

    /// Finds deleted objects, too.
    #[must_use]
    pub fn show_deleted(mut self) -> Self {
        self.controls.push(unvalued(SHOW_DELETED));
        self
    }

    /// Asks for DNs as `<GUID=...>;<SID=...>;DN` (see [`super::ExtendedDn`]).
    #[must_use]
    pub fn extended_dn(mut self) -> Self {
        self.controls.push(extended_dn_control());
        self
    }

    pub(super) fn described_base(&self) -> String {
        if self.base.is_empty() {
            "the root DSE".to_owned()
        } else {
            self.base.clone()
        }
    }

    pub(super) fn into_operation(self) -> (LdapOp, Vec<LdapControl>) {
        let mut controls = self.controls;
        // Samba refuses the pair of change notification and another control.
        if self.scope != LdapSearchScope::Base && controls.is_empty() {
            controls.push(LdapControl::Unknown {
                oid: DOMAIN_SCOPE.to_owned(),
                criticality: false,
                value: None,
            });
        }
        let operation = LdapOp::SearchRequest(LdapSearchRequest {
            base: self.base,
            scope: self.scope,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: self.filter,
            attrs: self.attributes,
        });
        (operation, controls)
    }
}

/// The control that asks for identities in DNs, in their text form (flag 1).
pub(super) fn extended_dn_control() -> LdapControl {
    LdapControl::Unknown {
        oid: EXTENDED_DN.to_owned(),
        criticality: true,
        // SEQUENCE { INTEGER 1 }
        value: Some(vec![0x30, 0x03, 0x02, 0x01, 0x01]),
    }
}

/// `(objectClass=*)`, which every entry matches.
pub(super) fn any() -> LdapFilter {
    LdapFilter::Present("objectClass".to_owned())
}

fn unvalued(oid: &str) -> LdapControl {
    LdapControl::Unknown {
        oid: oid.to_owned(),
        criticality: true,
        value: None,
    }
}

/// An entry as it came, with attributes that have no values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchEntry {
    /// Its DN.
    pub dn: String,
    /// Attribute descriptions and values. DirSync says by an empty set that an attribute is gone.
    pub attributes: Vec<(String, Vec<Vec<u8>>)>,
}

impl SearchEntry {
    /// The values of an attribute, compared without regard to case; none where it is absent.
    pub fn values(&self, description: &str) -> &[Vec<u8>] {
        self.attributes
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(description))
            .map(|(_, values)| values.as_slice())
            .unwrap_or_default()
    }

    /// The first value of an attribute.
    pub fn first(&self, description: &str) -> Option<&[u8]> {
        self.values(description).first().map(Vec::as_slice)
    }

    /// The first value of an attribute as text; `None` where it is not UTF-8.
    pub fn first_str(&self, description: &str) -> Option<&str> {
        std::str::from_utf8(self.first(description)?).ok()
    }
}

/// How a search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchDone {
    /// Its result; anything but success means that entries may be missing.
    pub result: LdapResult,
    /// The controls of SearchResultDone.
    pub controls: Vec<ResponseControl>,
}

impl SearchDone {
    /// The value of a control; `None` where it is absent or has none.
    pub fn control(&self, oid: &str) -> Option<&[u8]> {
        self.controls
            .iter()
            .find(|control| control.oid == oid)?
            .value
            .as_deref()
    }
}

/// The answer to a search while it comes.
///
/// Dropping it half-way leaves the connection unusable, since the rest of the answer is still on
/// its way.
#[derive(Debug)]
pub struct SearchStream<'a> {
    connection: &'a mut Connection,
    id: MessageId,
    patience: Duration,
    done: Option<SearchDone>,
}

impl<'a> SearchStream<'a> {
    pub(super) fn new(connection: &'a mut Connection, id: MessageId, patience: Duration) -> Self {
        Self {
            connection,
            id,
            patience,
            done: None,
        }
    }

    /// The next entry; `None` after the last one. References to other servers are passed over.
    ///
    /// Cancel safe: yes, nothing is lost.
    ///
    /// # Errors
    /// [`UpstreamError`] as to the connection; the entries so far must not be believed to be all.
    pub async fn next(&mut self) -> Result<Option<SearchEntry>, UpstreamError> {
        while self.done.is_none() {
            let frame = self
                .connection
                .next_frame(self.id, self.patience, "answer a search")
                .await?;
            let malformed =
                |problem: String| UpstreamError::protocol(self.connection.server(), problem);
            let message = Message::decode(&frame).map_err(|error| malformed(error.to_string()))?;
            match message.operation.tag {
                response::tag::SEARCH_ENTRY => {
                    return message::decode_entry(frame).map(Some).map_err(malformed);
                }
                response::tag::SEARCH_DONE => {
                    let response = message
                        .response()
                        .map_err(|error| malformed(error.to_string()))?;
                    self.connection.completed();
                    self.done = Some(SearchDone {
                        result: response.result,
                        controls: response.controls,
                    });
                }
                SEARCH_REFERENCE | INTERMEDIATE => {}
                tag => return Err(malformed(format!("operation {tag:#04x} in a search"))),
            }
        }
        Ok(None)
    }

    /// How the search ended; passes over entries not yet read.
    ///
    /// # Errors
    /// As [`SearchStream::next`].
    pub async fn finish(mut self) -> Result<SearchDone, UpstreamError> {
        while self.next().await?.is_some() {}
        self.done.ok_or_else(|| UpstreamError::Interrupted {
            server: self.connection.server().clone(),
        })
    }
}

/// SearchResultReference (RFC 4511 section 4.5.3).
const SEARCH_REFERENCE: crate::ber::Tag = crate::ber::application(19);
/// IntermediateResponse (RFC 4511 section 4.13).
const INTERMEDIATE: crate::ber::Tag = crate::ber::application(25);
