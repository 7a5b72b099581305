//! The controls that are known here: where they may stand, and what they say.

use thiserror::Error;

use super::{
    Control, DerefSpec, ExtendedDnForm, PagedResults, PersistentSearch, SortKey, SyncRequest,
    VirtualListView, oid, search, value,
};
use crate::{
    ber::Tag,
    proto::request::{
        Filter, Reason,
        tag::{ADD, BIND, COMPARE, DELETE, EXTENDED, MODIFY, MODIFY_DN, SEARCH},
    },
};

/// The controls of one request, decoded; those that were not sent are `None` or `false`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RequestControls<'a> {
    /// Referral objects are entries like others.
    pub manage_dsa_it: bool,
    /// No continuation references are wanted.
    pub domain_scope: bool,
    /// Only the authority for an entry may answer.
    pub dont_use_copy: bool,
    /// Deleted entries are wanted too.
    pub show_deleted: bool,
    /// What lies below goes too.
    pub tree_delete: bool,
    /// The state of the password is wanted.
    pub password_policy: bool,
    /// Only subentries are wanted (`true`) or none (`false`).
    pub subentries: Option<bool>,
    /// How DNs are written.
    pub extended_dn: Option<ExtendedDnForm>,
    /// The authzId of RFC 4513 section 5.2.1.8 to act as; empty for anonymous.
    pub proxied_authorization: Option<&'a [u8]>,
    /// What must hold of the entry.
    pub assertion: Option<Filter<'a>>,
    /// Which values are wanted: those any of these items holds of.
    pub matched_values: Option<Vec<Filter<'a>>>,
    /// The attributes wanted of the entry as it was.
    pub pre_read: Option<Vec<&'a [u8]>>,
    /// The attributes wanted of the entry as it became.
    pub post_read: Option<Vec<&'a [u8]>>,
    /// A page of the answer.
    pub paged: Option<PagedResults<'a>>,
    /// The order of the answer, and whether it is critical.
    pub sort: Option<(Vec<SortKey<'a>>, bool)>,
    /// A window of the sorted answer.
    pub vlv: Option<VirtualListView<'a>>,
    /// Which attributes are followed, for which attributes of their targets, and whether it is
    /// critical.
    pub deref: Option<(Vec<DerefSpec<'a>>, bool)>,
    /// Content synchronisation.
    pub sync: Option<SyncRequest<'a>>,
    /// A search that goes on with changes.
    pub persistent: Option<PersistentSearch>,
}

/// Each control with the operations it may stand on, by their tags.
const KNOWN: &[(&str, &[Tag])] = &[
    (
        oid::MANAGE_DSA_IT,
        &[SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN],
    ),
    (oid::PAGED_RESULTS, &[SEARCH]),
    (oid::SORT_REQUEST, &[SEARCH]),
    (oid::VLV_REQUEST, &[SEARCH]),
    (
        oid::ASSERTION,
        &[SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN],
    ),
    (oid::MATCHED_VALUES, &[SEARCH]),
    (oid::PRE_READ, &[DELETE, MODIFY, MODIFY_DN]),
    (oid::POST_READ, &[ADD, MODIFY, MODIFY_DN]),
    (
        oid::PROXIED_AUTHORIZATION,
        &[SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN, EXTENDED],
    ),
    (oid::SUBENTRIES, &[SEARCH]),
    (oid::DONT_USE_COPY, &[SEARCH, COMPARE]),
    // It may go with every request (draft-behera 10, section 6.1).
    (
        oid::PASSWORD_POLICY,
        &[
            BIND, SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN, EXTENDED,
        ],
    ),
    (oid::DEREF, &[SEARCH]),
    (oid::SYNC_REQUEST, &[SEARCH]),
    (oid::PERSISTENT_SEARCH, &[SEARCH]),
    (oid::TREE_DELETE, &[DELETE]),
    (
        oid::DOMAIN_SCOPE,
        &[SEARCH, COMPARE, ADD, DELETE, MODIFY, MODIFY_DN],
    ),
    (oid::EXTENDED_DN, &[SEARCH]),
    (oid::SHOW_DELETED, &[SEARCH]),
];

/// The controls that requests may carry, for the root DSE.
pub fn supported() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(oid, _)| *oid)
}

/// Whether a control may stand on an operation.
pub fn applies_to(oid: &[u8], operation: Tag) -> bool {
    KNOWN
        .iter()
        .any(|(known, operations)| known.as_bytes() == oid && operations.contains(&operation))
}

impl<'a> RequestControls<'a> {
    /// Those of a request without any.
    pub const NONE: &'static RequestControls<'static> = {
        static NONE: RequestControls<'static> = RequestControls {
            manage_dsa_it: false,
            domain_scope: false,
            dont_use_copy: false,
            show_deleted: false,
            tree_delete: false,
            password_policy: false,
            subentries: None,
            extended_dn: None,
            proxied_authorization: None,
            assertion: None,
            matched_values: None,
            pre_read: None,
            post_read: None,
            paged: None,
            sort: None,
            vlv: None,
            deref: None,
            sync: None,
            persistent: None,
        };
        &NONE
    };

    /// Decodes the controls of an operation; what is neither known nor critical is passed over.
    ///
    /// # Errors
    /// [`ControlError`] for a critical control that is not known on this operation, one that is
    /// malformed, and one that is there twice (RFC 4511 section 4.1.11).
    pub fn decode(operation: Tag, controls: &[Control<'a>]) -> Result<Self, ControlError> {
        let mut decoded = Self::default();
        for (position, control) in controls.iter().enumerate() {
            if !applies_to(control.oid, operation) {
                if control.criticality {
                    return Err(ControlError::Unavailable(name(control.oid)));
                }
                continue;
            }
            let earlier = controls.iter().take(position);
            if earlier.into_iter().any(|other| other.oid == control.oid) {
                return Err(ControlError::Twice(name(control.oid)));
            }
            decoded
                .take(control)
                .map_err(|reason| ControlError::Malformed {
                    oid: name(control.oid),
                    reason,
                })?;
        }
        Ok(decoded)
    }

    fn take(&mut self, control: &Control<'a>) -> Result<(), Reason> {
        let value = control.value;
        // OIDs are ASCII; anything else was passed over.
        match std::str::from_utf8(control.oid).unwrap_or_default() {
            oid::MANAGE_DSA_IT => self.manage_dsa_it = value::absent(value)?,
            oid::DOMAIN_SCOPE => self.domain_scope = true,
            oid::SHOW_DELETED => self.show_deleted = true,
            oid::TREE_DELETE => self.tree_delete = value::absent(value)?,
            oid::PASSWORD_POLICY => self.password_policy = value::absent(value)?,
            oid::DONT_USE_COPY => {
                value::critical(control)?;
                self.dont_use_copy = value::absent(value)?;
            }
            oid::SUBENTRIES => self.subentries = Some(value::boolean(value)?),
            oid::EXTENDED_DN => self.extended_dn = Some(search::extended_dn(value)?),
            oid::PROXIED_AUTHORIZATION => {
                value::critical(control)?;
                self.proxied_authorization = Some(value::present(value)?);
            }
            oid::ASSERTION => self.assertion = Some(value::filter(value)?),
            oid::MATCHED_VALUES => self.matched_values = Some(search::matched_values(value)?),
            oid::PRE_READ => self.pre_read = Some(value::list(value)?),
            oid::POST_READ => self.post_read = Some(value::list(value)?),
            oid::PAGED_RESULTS => self.paged = Some(search::paged_results(value)?),
            oid::SORT_REQUEST => {
                self.sort = Some((search::sort_keys(value)?, control.criticality));
            }
            oid::VLV_REQUEST => self.vlv = Some(search::virtual_list_view(value)?),
            oid::DEREF => self.deref = Some((search::deref(value)?, control.criticality)),
            oid::SYNC_REQUEST => self.sync = Some(search::sync_request(value)?),
            oid::PERSISTENT_SEARCH => self.persistent = Some(search::persistent(value)?),
            _ => {}
        }
        Ok(())
    }
}

fn name(oid: &[u8]) -> String {
    String::from_utf8_lossy(oid).into_owned()
}

/// Why a request cannot be worked on under its controls.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ControlError {
    /// It is critical, and not known on this operation.
    #[error("the critical control {0} is not supported for this operation")]
    Unavailable(String),
    /// Its value has not the form it must have.
    #[error("the control {oid} is malformed: {reason}")]
    Malformed {
        /// Which one.
        oid: String,
        /// What is wrong.
        reason: Reason,
    },
    /// It is there more than once.
    #[error("the control {0} is there twice")]
    Twice(String),
}
