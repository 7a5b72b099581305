//! Who wrote an entry, and when (RFC 4512 section 3.4).

use std::time::SystemTime;

use crate::entry::{Attribute, Entry};
use crate::mapping::time::generalized_time;

/// Who makes a change, and when.
#[derive(Clone, Debug)]
pub struct Stamp {
    author: Vec<u8>,
    time: Vec<u8>,
}

impl Stamp {
    /// A change by the entry of this DN, now.
    pub fn now(author: &str) -> Self {
        Self {
            author: author.as_bytes().to_vec(),
            time: generalized_time(SystemTime::now()).into_bytes(),
        }
    }

    /// Says who created an entry and when, unless the attributes say it.
    pub fn created(&self, attributes: &mut Vec<Attribute>) {
        for (name, value) in [
            ("createTimestamp", &self.time),
            ("modifyTimestamp", &self.time),
            ("creatorsName", &self.author),
            ("modifiersName", &self.author),
        ] {
            let there = attributes
                .iter()
                .any(|attribute| attribute.description.eq_ignore_ascii_case(name));
            if !there {
                attributes.push(Attribute {
                    description: name.to_owned(),
                    values: vec![value.clone()],
                });
            }
        }
    }

    /// Says who changed an entry and when.
    pub(super) fn modified(&self, entry: &mut Entry) {
        entry.set("modifyTimestamp", vec![self.time.clone()]);
        entry.set("modifiersName", vec![self.author.clone()]);
    }
}
