//! DNs that carry identities, the way AD writes them (MS-ADTS section 3.1.1.3.4.1.5).

use super::{EntryId, snapshot::Snapshot};
use crate::{mapping::sid::Sid, proto::control::ExtendedDnForm};

/// Appends `<GUID=...>;` and, of an entry that has one, `<SID=...>;`.
pub(super) fn write_identities(
    snapshot: &Snapshot,
    id: EntryId,
    form: ExtendedDnForm,
    out: &mut Vec<u8>,
) {
    let Some(entry) = snapshot.entry(id) else {
        return;
    };
    out.extend_from_slice(b"<GUID=");
    match form {
        ExtendedDnForm::Hexadecimal => write_hex(&entry.uuid.to_bytes_le(), out),
        ExtendedDnForm::Text => out.extend_from_slice(entry.uuid.to_string().as_bytes()),
    }
    out.extend_from_slice(b">;");
    let Some(sid) = snapshot.sid(id) else { return };
    out.extend_from_slice(b"<SID=");
    match (form, Sid::from_bytes(sid)) {
        (ExtendedDnForm::Text, Ok(sid)) => out.extend_from_slice(sid.to_string().as_bytes()),
        _ => write_hex(sid, out),
    }
    out.extend_from_slice(b">;");
}

fn write_hex(octets: &[u8], out: &mut Vec<u8>) {
    let digit =
        |value: u8| char::from_digit(u32::from(value), 16).map_or(b'0', |digit| digit as u8);
    for octet in octets {
        out.extend_from_slice(&[digit(octet >> 4), digit(octet & 0xf)]);
    }
}
