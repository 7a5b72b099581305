//! Which users and groups of a source are replicated, from facts the directory finds out.
//!
//! The directory knows the tree, the membership closure and how to evaluate `exclude`; here is
//! only the rule that combines them, so that it can be read and tested on its own.

/// Which parts of the selection are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `bases` names at least one subtree.
    pub has_bases: bool,
    /// `groups` names at least one group.
    pub has_groups: bool,
}

/// What the selection asks about a user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserFacts {
    /// He lies in one of `bases`.
    pub in_base: bool,
    /// He is a member of one of `groups`: direct, nested, or by primary group (which may itself be
    /// nested).
    pub in_group: bool,
    /// He matches `exclude`.
    pub excluded: bool,
}

/// What the selection asks about a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupFacts {
    /// It lies in one of `bases`.
    pub in_base: bool,
    /// It is one of `groups`.
    pub named: bool,
    /// A selected user is its member: direct, nested, or by primary group.
    pub holds_selected_user: bool,
    /// It matches `exclude`.
    pub excluded: bool,
}

impl Selection {
    /// Whether a user is selected: in the bases and in the groups, as far as they are given.
    pub fn selects_user(self, user: UserFacts) -> bool {
        !user.excluded && (user.in_base || !self.has_bases) && (user.in_group || !self.has_groups)
    }

    /// Whether a group is served.
    ///
    /// All are when neither bases nor groups are given. Else one reason is enough: it lies in a
    /// given base, it is named, or it holds a selected user. A group that lies in the domain but
    /// holds none of the users that `groups` selects is not.
    pub fn serves_group(self, group: GroupFacts) -> bool {
        let everything = !self.has_bases && !self.has_groups;
        !group.excluded
            && (everything
                || (self.has_bases && group.in_base)
                || (self.has_groups && group.named)
                || group.holds_selected_user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Selection = Selection {
        has_bases: false,
        has_groups: false,
    };
    const BASES: Selection = Selection {
        has_bases: true,
        has_groups: false,
    };
    const GROUPS: Selection = Selection {
        has_bases: false,
        has_groups: true,
    };
    const BOTH: Selection = Selection {
        has_bases: true,
        has_groups: true,
    };

    #[test]
    fn users() {
        // Columns: in a base, in a group; then selected with nothing, bases, groups, both given.
        let table = [
            ((false, false), [true, false, false, false]),
            ((true, false), [true, true, false, false]),
            ((false, true), [true, false, true, false]),
            ((true, true), [true, true, true, true]),
        ];
        for ((in_base, in_group), expected) in table {
            for (selection, expected) in [NOTHING, BASES, GROUPS, BOTH].into_iter().zip(expected) {
                for excluded in [false, true] {
                    let user = UserFacts {
                        in_base,
                        in_group,
                        excluded,
                    };
                    assert_eq!(
                        selection.selects_user(user),
                        expected && !excluded,
                        "{selection:?} {user:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn groups() {
        // Columns: in a base, named, holds a selected user; then as above.
        let table = [
            ((false, false, false), [true, false, false, false]),
            ((true, false, false), [true, true, false, true]),
            ((false, true, false), [true, false, true, true]),
            ((true, true, false), [true, true, true, true]),
            ((false, false, true), [true, true, true, true]),
            ((true, false, true), [true, true, true, true]),
            ((false, true, true), [true, true, true, true]),
            ((true, true, true), [true, true, true, true]),
        ];
        for ((in_base, named, holds_selected_user), expected) in table {
            for (selection, expected) in [NOTHING, BASES, GROUPS, BOTH].into_iter().zip(expected) {
                for excluded in [false, true] {
                    let group = GroupFacts {
                        in_base,
                        named,
                        holds_selected_user,
                        excluded,
                    };
                    assert_eq!(
                        selection.serves_group(group),
                        expected && !excluded,
                        "{selection:?} {group:?}"
                    );
                }
            }
        }
    }
}
