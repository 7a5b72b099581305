//! Values of the controls that stand on searches alone.

use super::value::{octets_of, whole};
use crate::{
    ber,
    proto::request::{self, Filter, Reason, count},
};

/// realSearchControlValue (RFC 2696 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PagedResults<'a> {
    /// Entries wanted in this page; 0 with a cookie ends the search.
    pub size: u32,
    /// What the last page came with; empty for the first.
    pub cookie: &'a [u8],
}

/// One key of a sort (RFC 2891 section 1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SortKey<'a> {
    /// The attribute description.
    pub attribute: &'a [u8],
    /// The ordering rule; `None` for the attribute's own.
    pub ordering_rule: Option<&'a [u8]>,
    /// Whether the greatest come first.
    pub reverse: bool,
}

/// VirtualListViewRequest (draft-ietf-ldapext-ldapv3-vlv-09 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VirtualListView<'a> {
    /// Entries wanted before the target.
    pub before: u32,
    /// Entries wanted after the target.
    pub after: u32,
    /// Which entry the window is around.
    pub target: Target<'a>,
    /// What an earlier answer came with.
    pub context: Option<&'a [u8]>,
}

/// The entry a window is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target<'a> {
    /// By its place in a list that the client takes to be `content_count` long.
    Offset {
        /// From 1 on.
        offset: u32,
        /// 0 where the client does not know.
        content_count: u32,
    },
    /// The first whose first sort key is not below this.
    AtLeast(&'a [u8]),
}

/// DerefSpec (draft-masarati-ldap-deref-00 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DerefSpec<'a> {
    /// The attribute whose DNs are followed.
    pub attribute: &'a [u8],
    /// The attributes wanted of their entries.
    pub attributes: Vec<&'a [u8]>,
}

/// syncRequestValue (RFC 4533 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SyncRequest<'a> {
    /// Whether it ends.
    pub mode: SyncMode,
    /// Up to where the client has everything.
    pub cookie: Option<&'a [u8]>,
    /// Whether a client that is too far behind wants everything instead of an error.
    pub reload_hint: bool,
}

/// The mode of a [`SyncRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum SyncMode {
    RefreshOnly,
    RefreshAndPersist,
}

/// PersistentSearch (draft-ietf-ldapext-psearch-03 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PersistentSearch {
    /// The kinds of change wanted: 1 add, 2 delete, 4 modify, 8 modDN.
    pub change_types: u32,
    /// Whether entries are left out that are not changed.
    pub changes_only: bool,
    /// Whether entries carry an entry change notification.
    pub return_entry_changes: bool,
}

/// How AD's extended DN control writes identities (MS-ADTS section 3.1.1.3.4.1.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedDnForm {
    /// As hexadecimal digits.
    Hexadecimal,
    /// As a GUID and a SID are written for people.
    Text,
}

pub(super) fn paged_results(value: Option<&[u8]>) -> Result<PagedResults<'_>, Reason> {
    let mut page = whole(value, ber::SEQUENCE)?.reader();
    let found = PagedResults {
        size: count(&mut page, "size")?,
        cookie: page.octets()?,
    };
    page.skip_trailing()?;
    Ok(found)
}

pub(super) fn sort_keys(value: Option<&[u8]>) -> Result<Vec<SortKey<'_>>, Reason> {
    let mut list = whole(value, ber::SEQUENCE)?.reader();
    let mut keys = Vec::new();
    while !list.is_empty() {
        let mut key = list.expect(ber::SEQUENCE)?.reader();
        keys.push(SortKey {
            attribute: key.octets()?,
            ordering_rule: key
                .optional(ber::context(0))?
                .map(|element| element.contents),
            reverse: match key.optional(ber::context(1))? {
                Some(element) => element.boolean()?,
                None => false,
            },
        });
        key.skip_trailing()?;
    }
    if keys.is_empty() {
        return Err(Reason::Control("there is no sort key"));
    }
    Ok(keys)
}

pub(super) fn virtual_list_view(value: Option<&[u8]>) -> Result<VirtualListView<'_>, Reason> {
    let mut view = whole(value, ber::SEQUENCE)?.reader();
    let before = count(&mut view, "beforeCount")?;
    let after = count(&mut view, "afterCount")?;
    let choice = view.element()?;
    let target = match choice.tag {
        tag if tag == ber::context_constructed(0) => {
            let mut by_offset = choice.reader();
            let target = Target::Offset {
                offset: count(&mut by_offset, "offset")?,
                content_count: count(&mut by_offset, "contentCount")?,
            };
            by_offset.skip_trailing()?;
            target
        }
        tag if tag == ber::context(1) => Target::AtLeast(choice.contents),
        _ => {
            return Err(Reason::Control(
                "its target is neither an offset nor a value",
            ));
        }
    };
    let context = view
        .optional(ber::OCTET_STRING)?
        .map(|element| element.contents);
    view.skip_trailing()?;
    Ok(VirtualListView {
        before,
        after,
        target,
        context,
    })
}

pub(super) fn deref(value: Option<&[u8]>) -> Result<Vec<DerefSpec<'_>>, Reason> {
    let mut list = whole(value, ber::SEQUENCE)?.reader();
    let mut specs: Vec<DerefSpec<'_>> = Vec::new();
    while !list.is_empty() {
        let mut spec = list.expect(ber::SEQUENCE)?.reader();
        let attribute = spec.octets()?;
        let attributes = octets_of(spec.expect(ber::SEQUENCE)?.reader())?;
        spec.skip_trailing()?;
        specs.push(DerefSpec {
            attribute,
            attributes,
        });
    }
    if specs.is_empty() {
        return Err(Reason::Control("there is nothing to follow"));
    }
    Ok(specs)
}

pub(super) fn sync_request(value: Option<&[u8]>) -> Result<SyncRequest<'_>, Reason> {
    let mut request = whole(value, ber::SEQUENCE)?.reader();
    let mode = match request.enumerated()? {
        1 => SyncMode::RefreshOnly,
        3 => SyncMode::RefreshAndPersist,
        other => return Err(Reason::Enumerated("mode", other)),
    };
    let cookie = request
        .optional(ber::OCTET_STRING)?
        .map(|element| element.contents);
    let reload_hint = match request.optional(ber::BOOLEAN)? {
        Some(element) => element.boolean()?,
        None => false,
    };
    request.skip_trailing()?;
    Ok(SyncRequest {
        mode,
        cookie,
        reload_hint,
    })
}

pub(super) fn persistent(value: Option<&[u8]>) -> Result<PersistentSearch, Reason> {
    let mut search = whole(value, ber::SEQUENCE)?.reader();
    let found = PersistentSearch {
        change_types: count(&mut search, "changeTypes")?,
        changes_only: search.boolean()?,
        return_entry_changes: search.boolean()?,
    };
    search.skip_trailing()?;
    if found.change_types == 0 || found.change_types > 15 {
        return Err(Reason::Enumerated(
            "changeTypes",
            i64::from(found.change_types),
        ));
    }
    Ok(found)
}

/// No value means hexadecimal, like flag 0.
pub(super) fn extended_dn(value: Option<&[u8]>) -> Result<ExtendedDnForm, Reason> {
    if value.is_none_or(<[u8]>::is_empty) {
        return Ok(ExtendedDnForm::Hexadecimal);
    }
    let mut flags = whole(value, ber::SEQUENCE)?.reader();
    let form = match flags.integer()? {
        0 => ExtendedDnForm::Hexadecimal,
        1 => ExtendedDnForm::Text,
        other => return Err(Reason::Enumerated("flag", other)),
    };
    flags.skip_trailing()?;
    Ok(form)
}

/// ValuesReturnFilter: items of a filter, none of them nested (RFC 3876 section 2).
pub(super) fn matched_values(value: Option<&[u8]>) -> Result<Vec<Filter<'_>>, Reason> {
    let mut list = whole(value, ber::SEQUENCE)?.reader();
    let mut items = Vec::new();
    while !list.is_empty() {
        let item = request::decode_filter(list.element()?)?;
        if matches!(item, Filter::And(_) | Filter::Or(_) | Filter::Not(_)) {
            return Err(Reason::Control("its items must not be nested"));
        }
        if matches!(
            item,
            Filter::Extensible {
                dn_attributes: true,
                ..
            }
        ) {
            return Err(Reason::Control("its items have no dnAttributes"));
        }
        items.push(item);
    }
    if items.is_empty() {
        return Err(Reason::Control("there is no item"));
    }
    Ok(items)
}
