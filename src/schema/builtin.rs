//! The definitions compiled in.

/// File name and content, in the order in which they are read.
pub(super) const FILES: &[(&str, &str)] = &[
    ("core.schema", include_str!("../../schemas/core.schema")),
    ("cosine.schema", include_str!("../../schemas/cosine.schema")),
    (
        "inetorgperson.schema",
        include_str!("../../schemas/inetorgperson.schema"),
    ),
    (
        "rfc2307bis.schema",
        include_str!("../../schemas/rfc2307bis.schema"),
    ),
    ("autofs.schema", include_str!("../../schemas/autofs.schema")),
    ("sudo.schema", include_str!("../../schemas/sudo.schema")),
    (
        "openssh-lpk.schema",
        include_str!("../../schemas/openssh-lpk.schema"),
    ),
    (
        "sssd-names.schema",
        include_str!("../../schemas/sssd-names.schema"),
    ),
    ("ad.schema", include_str!("../../schemas/ad.schema")),
];
