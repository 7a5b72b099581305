//! Names of controls.

/// ManageDsaIT (RFC 3296).
pub const MANAGE_DSA_IT: &str = "2.16.840.1.113730.3.4.2";
/// Simple Paged Results (RFC 2696).
pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
/// Server-side sorting, on requests (RFC 2891).
pub const SORT_REQUEST: &str = "1.2.840.113556.1.4.473";
/// Server-side sorting, on responses.
pub const SORT_RESPONSE: &str = "1.2.840.113556.1.4.474";
/// Virtual list view, on requests (draft-ietf-ldapext-ldapv3-vlv).
pub const VLV_REQUEST: &str = "2.16.840.1.113730.3.4.9";
/// Virtual list view, on responses.
pub const VLV_RESPONSE: &str = "2.16.840.1.113730.3.4.10";
/// Assertion (RFC 4528).
pub const ASSERTION: &str = "1.3.6.1.1.12";
/// Matched values (RFC 3876).
pub const MATCHED_VALUES: &str = "1.2.826.0.1.3344810.2.3";
/// Pre-read, on requests and responses (RFC 4527).
pub const PRE_READ: &str = "1.3.6.1.1.13.1";
/// Post-read, on requests and responses (RFC 4527).
pub const POST_READ: &str = "1.3.6.1.1.13.2";
/// Proxied authorization (RFC 4370).
pub const PROXIED_AUTHORIZATION: &str = "2.16.840.1.113730.3.4.18";
/// Subentries (RFC 3672).
pub const SUBENTRIES: &str = "1.3.6.1.4.1.4203.1.10.1";
/// Don't use copy (RFC 6171).
pub const DONT_USE_COPY: &str = "1.3.6.1.1.22";
/// Password policy, on requests and responses (draft-behera-ldap-password-policy).
pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
/// Dereference, on requests and responses (draft-masarati-ldap-deref).
pub const DEREF: &str = "1.3.6.1.4.1.4203.666.5.16";
/// Content synchronisation, on requests (RFC 4533).
pub const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Content synchronisation, on entries.
pub const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
/// Content synchronisation, on the final result.
pub const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
/// Persistent search (draft-ietf-ldapext-psearch).
pub const PERSISTENT_SEARCH: &str = "2.16.840.1.113730.3.4.3";
/// Entry change notification, on the entries of a persistent search.
pub const ENTRY_CHANGE: &str = "2.16.840.1.113730.3.4.7";
/// Tree delete (draft-armijo-ldap-treedelete).
pub const TREE_DELETE: &str = "1.2.840.113556.1.4.805";
/// AD's domain scope: no continuation references.
pub const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
/// AD's extended DN: names with GUID and SID.
pub const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// AD's show deleted.
pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
