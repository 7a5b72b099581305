//! tokenGroups: the groups an access check in AD counts (MS-ADTS section 3.1.1.4.5.19).

use roaring::RoaringBitmap;

use super::{EntryId, evaluate::integer, snapshot::Snapshot};

/// Which groups count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenScope {
    /// All security groups.
    All,
    /// Those known beyond their domain.
    GlobalAndUniversal,
}

/// groupType: the group is of use in access checks.
const SECURITY: i64 = 0x8000_0000;
/// groupType: global or universal.
const GLOBAL_OR_UNIVERSAL: i64 = 0x2 | 0x8;

/// The served security groups an entry with a SID is in, through its primary group and through
/// other security groups as well; loops end.
pub(super) fn of(snapshot: &Snapshot, id: EntryId, scope: TokenScope) -> RoaringBitmap {
    if snapshot.sid(id).is_none() {
        return RoaringBitmap::new();
    }
    snapshot.closure(id, |id| {
        let mut groups = snapshot.groups_of(id);
        // The domain's default groups list no members, but count.
        let primary = snapshot
            .primary_group(id)
            .filter(|group| snapshot.is_served(*group));
        groups.extend(primary.map(|group| group.0));
        groups
            .iter()
            .filter(|group| counts(snapshot, EntryId(*group), scope))
            .collect()
    })
}

fn counts(snapshot: &Snapshot, group: EntryId, scope: TokenScope) -> bool {
    let kind = snapshot
        .entry(group)
        .and_then(|entry| integer(entry.attributes.first(snapshot.known().group_type)?));
    kind.is_some_and(|kind| {
        kind & SECURITY != 0
            && match scope {
                TokenScope::All => true,
                TokenScope::GlobalAndUniversal => kind & GLOBAL_OR_UNIVERSAL != 0,
            }
    })
}
