//! Cancel (RFC 3909).
//!
//! | because | result code |
//! | --- | --- |
//! | the operation was outstanding, and is answered with canceled | success |
//! | nothing of that number is outstanding | noSuchOperation |
//! | it is the number of the request itself | cannotCancel |
//!
//! Binds, StartTLS and updates are done before the next request is read, so that they are never
//! found outstanding.

use super::super::{Call, Outstanding};
use crate::{
    ber::{self, BerError, Reader},
    proto::{
        LdapResult, MessageId, ResultCode,
        request::ExtendedRequest,
        response::{self, write_result},
    },
};

/// Answers the operation that is to be canceled; gives the result of the request, and which
/// operation to drop.
pub(super) fn cancel(
    call: &Call<'_>,
    outstanding: Outstanding<'_>,
    request: &ExtendedRequest<'_>,
    out: &mut Vec<u8>,
) -> (LdapResult, Option<MessageId>) {
    let result = |code, text: &str| (LdapResult::new(code, text), None);
    let Ok(number) = cancel_id(request.value.unwrap_or_default()) else {
        return result(
            ResultCode::PROTOCOL_ERROR,
            "Cancel carries the number of an operation",
        );
    };
    if number == i64::from(call.id.0) {
        return result(ResultCode::CANNOT_CANCEL, "a Cancel cannot be canceled");
    }
    let target = i32::try_from(number).map(MessageId).ok();
    match target.filter(|target| outstanding.contains(*target)) {
        Some(target) => {
            let canceled = LdapResult::new(ResultCode::CANCELED, "");
            write_result(out, target, response::tag::SEARCH_DONE, &canceled, &[]);
            (LdapResult::SUCCESS, Some(target))
        }
        None => result(
            ResultCode::NO_SUCH_OPERATION,
            "no operation of this number is outstanding",
        ),
    }
}

/// cancelRequestValue.
fn cancel_id(value: &[u8]) -> Result<i64, BerError> {
    Reader::new(value).expect(ber::SEQUENCE)?.reader().integer()
}
