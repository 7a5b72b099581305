//! Virtual list view (draft-ietf-ldapext-ldapv3-vlv-09): a window of the sorted entries.
//!
//! A search that fails by it has the result code virtualListViewError, and the response control says
//! why:
//!
//! | because | virtualListViewResult |
//! | --- | --- |
//! | no sort control | sortControlMissing |
//! | offset 0 | offsetRangeError |
//! | a value that is none of the first sort key | inappropriateMatching |
//! | a context, of which none is ever given out | protocolError |
//! | what prevents sorting | as the sort control says |
//!
//! Each request sorts anew: nothing is kept between two windows.

use std::ops::Range;

use crate::{
    ber::{self, write_integer, write_nested},
    directory::{Order, Snapshot},
    proto::{
        LdapResult, ResultCode,
        control::{Target, VirtualListView, oid},
        response::ResponseControl,
    },
};

/// A window of a list that is not sorted yet.
#[derive(Debug)]
pub(super) struct View {
    before: usize,
    after: usize,
    target: Place,
    /// From 1 on, once the list is there; 0 in an empty one.
    position: usize,
    count: usize,
}

#[derive(Debug)]
enum Place {
    Offset { offset: u64, of: u64 },
    AtLeast(Vec<u8>),
}

impl View {
    /// Checks a request.
    ///
    /// # Errors
    /// The virtualListViewResult.
    pub(super) fn new(
        request: &VirtualListView<'_>,
        order: &Order,
        snapshot: &Snapshot,
    ) -> Result<Self, ResultCode> {
        if request.context.is_some_and(|context| !context.is_empty()) {
            return Err(ResultCode::PROTOCOL_ERROR);
        }
        let target = match request.target {
            Target::Offset { offset: 0, .. } => return Err(ResultCode::OFFSET_RANGE_ERROR),
            Target::Offset {
                offset,
                content_count,
            } => Place::Offset {
                offset: offset.into(),
                of: content_count.into(),
            },
            Target::AtLeast(value) => Place::AtLeast(
                order
                    .prefix(snapshot.schema(), value)
                    .ok_or(ResultCode::INAPPROPRIATE_MATCHING)?,
            ),
        };
        Ok(Self {
            before: request.before as usize,
            after: request.after as usize,
            target,
            position: 0,
            count: 0,
        })
    }

    /// What the key of the target is not before.
    pub(super) fn prefix(&self) -> &[u8] {
        match &self.target {
            Place::Offset { .. } => &[],
            Place::AtLeast(prefix) => prefix,
        }
    }

    /// The part of a list that is wanted; `place` is that of [`View::prefix`] in it.
    pub(super) fn place(&mut self, count: usize, place: usize) -> Range<usize> {
        self.count = count;
        self.position = match self.target {
            Place::AtLeast(_) => place + 1,
            Place::Offset { offset, of } => scaled(offset, of, count),
        };
        let target = self.position.saturating_sub(1);
        let start = target.saturating_sub(self.before);
        let end = target
            .saturating_add(self.after)
            .saturating_add(1)
            .min(count);
        start..end.max(start)
    }

    pub(super) fn control(&self) -> ResponseControl {
        response(self.position, self.count, ResultCode::SUCCESS)
    }
}

/// "Si = Sc * (Ci / Cc) ... rounded to the nearest integer", and its special cases (section 5).
fn scaled(offset: u64, of: u64, count: usize) -> usize {
    let own = count as u64;
    let place = match (offset, of) {
        (offset, of) if offset == of => own,
        (offset, 0) => offset,
        (1, _) => 1,
        // Both are below 2^31, and so is the number of entries.
        (offset, of) => own.saturating_mul(offset).saturating_add(of / 2) / of,
    };
    // An offset past the end is the end, and an empty list has no first entry either.
    usize::try_from(place.max(1).min(own)).unwrap_or(count)
}

/// The result and the control of a search that fails by its view.
pub(super) fn failure(code: ResultCode) -> (LdapResult, ResponseControl) {
    let why = match code {
        ResultCode::SORT_CONTROL_MISSING => "a virtual list view needs a sort control",
        ResultCode::OFFSET_RANGE_ERROR => "offsets of a virtual list view count from 1",
        ResultCode::PROTOCOL_ERROR => "this server has given out no such context",
        ResultCode::INAPPROPRIATE_MATCHING => {
            "the value or the attribute cannot be compared by the first sort key's rule"
        }
        ResultCode::ADMIN_LIMIT_EXCEEDED => "there are too many entries: make the filter narrower",
        ResultCode::UNWILLING_TO_PERFORM => "this is not sorted, or not by these keys",
        _ => "the entries cannot be sorted",
    };
    (
        LdapResult::new(ResultCode::VIRTUAL_LIST_VIEW_ERROR, why),
        response(0, 0, code),
    )
}

/// VirtualListViewResponse (section 6.2).
fn response(position: usize, count: usize, code: ResultCode) -> ResponseControl {
    let integer = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
    let mut value = Vec::new();
    write_nested(&mut value, ber::SEQUENCE, |out| {
        write_integer(out, ber::INTEGER, integer(position));
        write_integer(out, ber::INTEGER, integer(count));
        write_integer(out, ber::ENUMERATED, i64::from(code.0));
    });
    ResponseControl {
        oid: oid::VLV_RESPONSE,
        value: Some(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_ratios_with_special_cases() {
        for (offset, of, count, expected) in [
            (1, 0, 7, 1),
            (3, 0, 7, 3),
            (9, 0, 7, 7),
            (1, 5, 7, 1),
            (1, 1, 7, 7),
            (5, 5, 7, 7),
            (2, 4, 100, 50),
            (1, 3, 100, 1),
            (2, 3, 100, 67),
            (2, 200, 10, 1),
            (10, 5, 7, 7),
            (3, 0, 0, 0),
            (1, 1, 0, 0),
            (1, 9, 0, 0),
            (i32::MAX as u64, i32::MAX as u64 - 1, 100_000, 100_000),
        ] {
            assert_eq!(
                scaled(offset, of, count),
                expected,
                "{offset}/{of} of {count}"
            );
        }
    }

    #[test]
    fn windows_end_where_the_list_does() {
        let view = |before, after, offset| View {
            before,
            after,
            target: Place::Offset { offset, of: 0 },
            position: 0,
            count: 0,
        };
        for (before, after, offset, count, expected) in [
            (0, 2, 1, 7, 0..3),
            (2, 2, 1, 7, 0..3),
            (2, 2, 4, 7, 1..6),
            (9, 9, 4, 7, 0..7),
            (1, 1, 7, 7, 5..7),
            (usize::MAX, usize::MAX, 3, 7, 0..7),
            (2, 2, 1, 0, 0..0),
        ] {
            assert_eq!(view(before, after, offset).place(count, 0), expected);
        }
        let mut past = view(2, 2, 1);
        past.target = Place::AtLeast(Vec::new());
        assert_eq!(past.place(7, 7), 5..7);
        assert_eq!(past.position, 8);
    }
}
