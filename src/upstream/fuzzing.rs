//! Ways for the fuzz targets to decoders that nobody else needs from outside.

use bytes::BytesMut;

use super::{
    DirSyncObject, LinkValue, dirsync,
    message::{Message, decode_entry},
};

/// Reads octets as any answer of a domain controller: a result, an entry, an object of DirSync.
pub fn read_answer(frame: &[u8]) {
    if let Ok(message) = Message::decode(frame)
        && let Ok(response) = message.response()
    {
        for control in response.controls {
            let _ = dirsync::decode_control(&control.value.unwrap_or_default());
        }
    }
    if let Ok(entry) = decode_entry(BytesMut::from(frame)) {
        for (_, values) in &entry.attributes {
            for value in values {
                let _ = LinkValue::from_value(value);
            }
        }
        let links = ["member".to_owned(), "manager".to_owned()];
        let _ = DirSyncObject::from_entry(entry, &links);
    }
}
