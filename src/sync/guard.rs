//! How far a source has come, and whether one may go on from there.
//!
//! A domain controller that was restored from a backup, or another one, answers an old cookie with
//! success and says nothing of what it left out. So the cookie is believed only together with the
//! facts it was given under.

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::upstream::{DcFacts, DirSyncRequest};

/// Raised when the meaning of what is stored changes, so that everything is fetched again.
const FORM: u32 = 1;

/// The position reached in the changes of a domain; part of the source's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Where to continue.
    pub(super) cookie: Cookie,
    /// The DNS name of the domain controller that gave it.
    pub(super) server: String,
    /// The identity of that controller's database.
    pub(super) invocation_id: String,
    /// The controller's latest change before the round.
    pub(super) highest_committed_usn: u64,
    /// When the round ended, in seconds since 1970.
    pub(super) last_success: u64,
    /// What was asked for, see [`fingerprint`].
    pub(super) asked: String,
}

/// A DirSync cookie; not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Cookie(pub(super) Vec<u8>);

/// Why everything is read again instead of the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nothing was read yet, or what was stored is damaged.
    NoPosition,
    /// The controller is another one, or its database was restored.
    OtherDatabase {
        /// The controller asked before.
        before: String,
    },
    /// The controller lost changes.
    WentBack {
        /// The highest number seen.
        before: u64,
        /// The highest number now.
        now: u64,
    },
    /// Deletions since then may be forgotten by now.
    TooOld,
    /// Other attributes are asked for now.
    AskedOtherwise,
    /// The controller does not take the cookie.
    Rejected(String),
    /// An administrator wants it.
    Requested,
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPosition => out.write_str("no position is stored"),
            Self::OtherDatabase { before } => {
                write!(
                    out,
                    "the position is of another database (that of {before})"
                )
            }
            Self::WentBack { before, now } => write!(
                out,
                "the domain controller went back from change {before} to {now}, as after a restored backup"
            ),
            Self::TooOld => out.write_str("the position is older than AD remembers deletions"),
            Self::AskedOtherwise => out.write_str("other attributes are replicated than before"),
            Self::Rejected(text) => write!(out, "the position was refused: {text}"),
            Self::Requested => out.write_str("it was asked for"),
        }
    }
}

/// The position to go on from, or why there is none.
pub(super) fn position<'a>(
    progress: Option<&'a Progress>,
    facts: &DcFacts,
    usn: u64,
    asked: &str,
    now: u64,
) -> Result<&'a Progress, Reason> {
    let progress = progress.ok_or(Reason::NoPosition)?;
    if progress.asked != asked {
        return Err(Reason::AskedOtherwise);
    }
    if progress.invocation_id != facts.invocation_id.to_string() {
        return Err(Reason::OtherDatabase {
            before: progress.server.clone(),
        });
    }
    if usn < progress.highest_committed_usn {
        return Err(Reason::WentBack {
            before: progress.highest_committed_usn,
            now: usn,
        });
    }
    let age = now.saturating_sub(progress.last_success);
    if age > trusted_for(facts.tombstone_lifetime).as_secs() {
        return Err(Reason::TooOld);
    }
    Ok(progress)
}

/// What is asked for in a few characters: any change of it needs everything again.
pub(super) fn fingerprint(request: &DirSyncRequest) -> String {
    let mut digest = Sha256::new();
    digest.update(FORM.to_be_bytes());
    // A domain made anew under the old name has another invocationId.
    digest.update(request.base.to_lowercase());
    digest.update(format!("{:?}", request.filter));
    let mut attributes: Vec<String> = request
        .attributes
        .iter()
        .map(|name| name.to_ascii_lowercase())
        .collect();
    attributes.sort_unstable();
    for attribute in attributes {
        digest.update(attribute);
        digest.update([0]);
    }
    let mut text = STANDARD.encode(digest.finalize());
    text.truncate(24);
    text
}

/// A tenth of the lifetime is kept for clocks that differ and for the time a round takes.
fn trusted_for(tombstone_lifetime: Duration) -> Duration {
    tombstone_lifetime / 10 * 9
}

impl fmt::Debug for Cookie {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} octets", self.0.len())
    }
}

impl Serialize for Cookie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Cookie {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Self).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

    use super::*;
    use crate::sync::fake::facts;

    const DAY: u64 = 24 * 60 * 60;

    fn progress() -> Progress {
        Progress {
            cookie: Cookie(vec![1, 2, 255]),
            server: "dc1.corp.example.com".to_owned(),
            invocation_id: facts().invocation_id.to_string(),
            highest_committed_usn: 100,
            last_success: 1_000 * DAY,
            asked: "this".to_owned(),
        }
    }

    #[test]
    fn it_survives_being_stored_and_hides_the_cookie() {
        let stored = serde_json::to_value(progress()).unwrap();
        assert_eq!(stored["cookie"], "AQL/");
        assert_eq!(
            serde_json::from_value::<Progress>(stored).unwrap(),
            progress()
        );
        assert!(format!("{:?}", progress()).contains("cookie: 3 octets"));
    }

    #[test]
    fn a_position_is_believed_only_with_the_facts_it_was_given_under() {
        let facts = facts();
        let known = progress();
        let at = |usn, asked, now| position(Some(&known), &facts, usn, asked, now);
        assert!(at(100, "this", 1_000 * DAY).is_ok());
        assert!(at(500, "this", 1_160 * DAY).is_ok());
        // A clock that was set back is no reason to read everything.
        assert!(at(100, "this", 0).is_ok());
        assert_eq!(at(100, "that", 0).unwrap_err(), Reason::AskedOtherwise);
        assert_eq!(
            at(99, "this", 1_000 * DAY).unwrap_err(),
            Reason::WentBack {
                before: 100,
                now: 99
            }
        );
        assert_eq!(at(100, "this", 1_163 * DAY).unwrap_err(), Reason::TooOld);
        assert_eq!(
            position(None, &facts, 100, "this", 0).unwrap_err(),
            Reason::NoPosition
        );
        let other = Progress {
            invocation_id: "other".to_owned(),
            ..progress()
        };
        assert!(matches!(
            position(Some(&other), &facts, 100, "this", 0),
            Err(Reason::OtherDatabase { .. })
        ));
    }

    #[test]
    fn the_order_and_case_of_attributes_do_not_matter() {
        let request = |names: &[&str]| fingerprint(&DirSyncRequest::new("DC=x", names, &[], "svc"));
        assert_eq!(request(&["mail", "sn"]), request(&["SN", "mail"]));
        assert_ne!(request(&["mail", "sn"]), request(&["mail"]));
    }
}
