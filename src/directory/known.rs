//! The attribute types this code gives a meaning of its own.

use crate::schema::{AttributeId, Schema};

macro_rules! known {
    ($($field:ident = $name:literal,)+) => {
        /// Attribute types by the names this code uses them under.
        #[derive(Clone, Copy, Debug)]
        #[allow(missing_docs)]
        pub struct Known {
            $(pub $field: AttributeId,)+
        }

        impl Known {
            /// Looks them up; the error is the name of one that the schema does not define.
            pub(super) fn new(schema: &Schema) -> Result<Self, &'static str> {
                Ok(Self {
                    $($field: schema.attribute($name.as_bytes()).ok_or($name)?,)+
                })
            }
        }
    };
}

known! {
    object_class = "objectClass",
    member = "member",
    unique_member = "uniqueMember",
    member_of = "memberOf",
    member_uid = "memberUid",
    entry_dn = "entryDN",
    distinguished_name = "distinguishedName",
    entry_uuid = "entryUUID",
    object_guid = "objectGUID",
    object_sid = "objectSid",
    primary_group_id = "primaryGroupID",
    uid = "uid",
    cn = "cn",
    gid_number = "gidNumber",
    sam_account_name = "sAMAccountName",
    user_principal_name = "userPrincipalName",
    user_account_control = "userAccountControl",
    account_expires = "accountExpires",
    user_password = "userPassword",
    has_subordinates = "hasSubordinates",
    num_subordinates = "numSubordinates",
    subschema_subentry = "subschemaSubentry",
    structural_object_class = "structuralObjectClass",
    aliased_object_name = "aliasedObjectName",
    reference = "ref",
    usn_changed = "uSNChanged",
    group_type = "groupType",
    token_groups = "tokenGroups",
    token_groups_no_gc = "tokenGroupsNoGCAcceptable",
    token_groups_global = "tokenGroupsGlobalAndUniversal",
}
