//! Entries by what they are, whatever their names: AD's names of the form `<GUID=...>` and
//! `<SID=...>` (MS-ADTS section 3.1.1.3.1.2.4), and exact values.

use roaring::RoaringBitmap;
use thiserror::Error;
use uuid::Uuid;

use super::{EntryId, postings::Postings, snapshot::Snapshot};
use crate::{mapping::sid::Sid, schema::AttributeId};

/// What an entry stays, however it is renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// An objectGUID, or the entryUUID of a local entry.
    Guid(Uuid),
    /// An objectSid.
    Sid(Sid),
}

/// A name in angle brackets that is none of AD's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidIdentity {
    /// Neither text with hyphens nor the octets in hexadecimal digits.
    #[error("not a GUID: expected 8-4-4-4-12 hexadecimal digits, or its 16 octets as 32 of them")]
    Guid,
    /// Neither `S-1-...` nor the octets in hexadecimal digits.
    #[error("not a SID: expected S-1-..., or its octets in hexadecimal digits")]
    Sid,
    /// Another word before the equals sign, or none.
    #[error("expected <GUID=...> or <SID=...>")]
    Form,
}

impl Identity {
    /// Reads a name in angle brackets; `None` where it is not in them, so that it may be a DN.
    ///
    /// # Errors
    /// [`InvalidIdentity`] with what was expected.
    pub fn parse(text: &str) -> Option<Result<Self, InvalidIdentity>> {
        let inner = text.strip_prefix('<')?.strip_suffix('>')?;
        Some(match inner.split_once('=') {
            Some((kind, value)) if kind.eq_ignore_ascii_case("GUID") => {
                guid(value).map(Self::Guid).ok_or(InvalidIdentity::Guid)
            }
            Some((kind, value)) if kind.eq_ignore_ascii_case("SID") => {
                sid(value).map(Self::Sid).ok_or(InvalidIdentity::Sid)
            }
            _ => Err(InvalidIdentity::Form),
        })
    }
}

/// With hyphens as text, without them as the octets.
fn guid(text: &str) -> Option<Uuid> {
    let uuid = Uuid::parse_str(text).ok()?;
    match text.len() {
        36 => Some(uuid),
        32 => Some(Uuid::from_bytes_le(*uuid.as_bytes())),
        _ => None,
    }
}

fn sid(text: &str) -> Option<Sid> {
    if let Ok(sid) = text.parse() {
        return Some(sid);
    }
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16)?.try_into().ok())
        .collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else {
        return None;
    };
    let octets: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
    Sid::from_bytes(&octets).ok()
}

impl Snapshot {
    /// The entries of an identity, served or not; a SID may be that of more than one.
    pub fn identified(&self, identity: &Identity) -> RoaringBitmap {
        match identity {
            Identity::Guid(uuid) => self.id_of(*uuid).into_iter().map(|id| id.0).collect(),
            Identity::Sid(sid) => self.equal(self.known.object_sid, &sid.to_bytes()),
        }
    }

    /// The entries that have this value, served or not, through the equality index.
    pub fn equal(&self, attribute: AttributeId, value: &[u8]) -> RoaringBitmap {
        let rule = self.schema.attribute_type(attribute).equality;
        let wanted = rule.and_then(|rule| {
            let wanted = rule.normalize_assertion(&self.schema, value).ok()?;
            Some((rule, wanted))
        });
        let Some((rule, wanted)) = wanted else {
            return RoaringBitmap::new();
        };
        let has_it = |id: &EntryId| {
            self.entry(*id).is_some_and(|entry| {
                let mut values = entry.attributes.values(attribute);
                values.any(|own| {
                    rule.normalize(&self.schema, own)
                        .is_ok_and(|own| own == wanted)
                })
            })
        };
        self.index
            .equality(attribute, &wanted)
            .into_iter()
            .flat_map(Postings::iter)
            .filter(has_it)
            .map(|id| id.0)
            .collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_text_with_hyphens_and_octets_without() {
        let uuid = Uuid::parse_str("37f4308d-1ab0-4c5b-8f0e-102132435465").unwrap();
        for name in [
            "<GUID=37f4308d-1ab0-4c5b-8f0e-102132435465>",
            "<guid=37F4308D-1AB0-4C5B-8F0E-102132435465>",
            "<GUID=8d30f437b01a5b4c8f0e102132435465>",
        ] {
            assert_eq!(Identity::parse(name), Some(Ok(Identity::Guid(uuid))));
        }
        for name in [
            "<GUID=>",
            "<GUID=37f4>",
            "<GUID={37f4308d-1ab0-4c5b-8f0e-102132435465}>",
        ] {
            assert_eq!(
                Identity::parse(name),
                Some(Err(InvalidIdentity::Guid)),
                "{name}"
            );
        }
    }

    #[test]
    fn sids_are_text_and_octets() {
        let sid: Sid = "S-1-5-32-544".parse().unwrap();
        for name in [
            "<SID=S-1-5-32-544>",
            "<sid=01020000000000052000000020020000>",
        ] {
            assert_eq!(Identity::parse(name), Some(Ok(Identity::Sid(sid.clone()))));
        }
        for name in [
            "<SID=>",
            "<SID=S-1>",
            "<SID=0102>",
            "<SID=010>",
            "<SID=\u{e9}>",
        ] {
            assert_eq!(
                Identity::parse(name),
                Some(Err(InvalidIdentity::Sid)),
                "{name}"
            );
        }
    }

    #[test]
    fn other_brackets_are_refused_and_other_names_left_alone() {
        for name in ["<>", "<GUID>", "<WKGUID=a,dc=x>", "<X=1>"] {
            assert_eq!(
                Identity::parse(name),
                Some(Err(InvalidIdentity::Form)),
                "{name}"
            );
        }
        for name in ["", "dc=x", "<GUID=1", "S-1-5-32-544"] {
            assert_eq!(Identity::parse(name), None, "{name}");
        }
    }
}
