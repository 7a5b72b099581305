//! The requests real clients send, written as bytes, and the answers to them, taken apart.

use crate::support::ber::{self, Malformed, Reader};

/// Tags of the LDAP operations (RFC 4511 section 4.2 onwards).
pub(crate) const BIND_REQUEST: u8 = 0x60;
pub(crate) const BIND_RESPONSE: u8 = 0x61;
pub(crate) const UNBIND_REQUEST: u8 = 0x42;
pub(crate) const SEARCH_REQUEST: u8 = 0x63;
pub(crate) const SEARCH_RESULT_ENTRY: u8 = 0x64;
pub(crate) const SEARCH_RESULT_DONE: u8 = 0x65;
pub(crate) const SEARCH_RESULT_REFERENCE: u8 = 0x73;
pub(crate) const MODIFY_REQUEST: u8 = 0x66;
pub(crate) const MODIFY_RESPONSE: u8 = 0x67;
pub(crate) const COMPARE_REQUEST: u8 = 0x6e;
pub(crate) const COMPARE_RESPONSE: u8 = 0x6f;
pub(crate) const EXTENDED_REQUEST: u8 = 0x77;
pub(crate) const EXTENDED_RESPONSE: u8 = 0x78;

/// Result codes the benches expect (RFC 4511 appendix A).
pub(crate) const SUCCESS: u32 = 0;
pub(crate) const COMPARE_FALSE: u32 = 5;
pub(crate) const INVALID_CREDENTIALS: u32 = 49;

/// What SSSD 2.8 asks of a user, with its repetition.
pub(crate) const SSSD_USER: &[&str] = &[
    "objectClass",
    "uid",
    "userPassword",
    "uidNumber",
    "gidNumber",
    "gecos",
    "homeDirectory",
    "loginShell",
    "krbPrincipalName",
    "cn",
    "memberOf",
    "modifyTimestamp",
    "modifyTimestamp",
    "shadowLastChange",
    "shadowMin",
    "shadowMax",
    "shadowWarning",
    "shadowInactive",
    "shadowExpire",
    "shadowFlag",
    "krbLastPwdChange",
    "krbPasswordExpiration",
    "pwdAttribute",
    "authorizedService",
    "accountExpires",
    "userAccountControl",
    "nsAccountLock",
    "host",
    "rhost",
    "loginDisabled",
    "loginExpirationTime",
    "loginAllowedTimeMap",
    "sshPublicKey",
    "userCertificate;binary",
    "mail",
];

/// What SSSD asks of a group found by name or number.
pub(crate) const SSSD_GROUP: &[&str] = &[
    "objectClass",
    "cn",
    "userPassword",
    "gidNumber",
    "member",
    "modifyTimestamp",
    "modifyTimestamp",
];

/// What SSSD asks of the groups of a user: no members.
pub(crate) const SSSD_INITGROUPS: &[&str] = &[
    "objectClass",
    "cn",
    "userPassword",
    "gidNumber",
    "modifyTimestamp",
    "modifyTimestamp",
];

/// What SSSD asks of a member to learn whether it is a user.
pub(crate) const SSSD_MEMBER: &[&str] = &["objectClass", "uid"];

/// What SSSD asks of the root DSE on each new connection.
pub(crate) const SSSD_ROOT_DSE: &[&str] = &[
    "*",
    "altServer",
    "namingContexts",
    "supportedControl",
    "supportedExtension",
    "supportedFeatures",
    "supportedLDAPVersion",
    "supportedSASLMechanisms",
    "domainControllerFunctionality",
    "defaultNamingContext",
    "lastUSN",
    "highestCommittedUSN",
];

const START_TLS: &[u8] = b"1.3.6.1.4.1.1466.20037";
const PAGED_RESULTS: &[u8] = b"1.2.840.113556.1.4.319";
const DEREF: &[u8] = b"1.3.6.1.4.1.4203.666.5.16";
const PASSWORD_POLICY: &[u8] = b"1.3.6.1.4.1.42.2.27.8.5.1";

/// What SSSD asks of the members of a group that it has not seen.
pub(crate) const SSSD_DEREF: &[&str] = &[
    "objectClass",
    "uid",
    "cn",
    "uidNumber",
    "gidNumber",
    "gecos",
    "homeDirectory",
    "loginShell",
];

/// What a schema browser asks of the subschema.
pub(crate) const SUBSCHEMA: &[&str] = &[
    "objectClass",
    "attributeTypes",
    "objectClasses",
    "matchingRules",
    "ldapSyntaxes",
];

/// The scope of a search (RFC 4511 section 4.5.1.2).
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    BaseObject,
    WholeSubtree,
}

/// A control that a client attaches, never critical.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control<'a> {
    /// A page of this many entries; the first where the cookie is empty.
    PagedResults(i32, &'a [u8]),
    /// Attributes of the members, beside the group.
    DerefMember(&'a [&'a str]),
    /// Asks for password policy warnings with a bind.
    PasswordPolicy,
}

/// Appends a simple bind.
pub(crate) fn bind(
    out: &mut Vec<u8>,
    id: i32,
    dn: &str,
    password: &[u8],
    control: Option<Control<'_>>,
) {
    message(out, id, control, |out| {
        ber::nested(out, BIND_REQUEST, |out| {
            ber::integer(out, ber::INTEGER, 3);
            ber::octets(out, ber::OCTET_STRING, dn.as_bytes());
            ber::octets(out, 0x80, password);
        });
    });
}

/// Appends a search without limits; `filter` appends exactly one filter.
pub(crate) fn search(
    out: &mut Vec<u8>,
    id: i32,
    (base, scope): (&str, Scope),
    attributes: &[&str],
    control: Option<Control<'_>>,
    filter: impl FnOnce(&mut Vec<u8>),
) {
    message(out, id, control, |out| {
        ber::nested(out, SEARCH_REQUEST, |out| {
            ber::octets(out, ber::OCTET_STRING, base.as_bytes());
            let scope = match scope {
                Scope::BaseObject => 0,
                Scope::WholeSubtree => 2,
            };
            ber::integer(out, ber::ENUMERATED, scope);
            ber::integer(out, ber::ENUMERATED, 0); // neverDerefAliases
            ber::integer(out, ber::INTEGER, 0);
            ber::integer(out, ber::INTEGER, 0);
            ber::boolean(out, false);
            filter(out);
            ber::nested(out, ber::SEQUENCE, |out| {
                for attribute in attributes {
                    ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
                }
            });
        });
    });
}

/// Appends a compare.
pub(crate) fn compare(out: &mut Vec<u8>, id: i32, dn: &str, attribute: &str, value: &str) {
    message(out, id, None, |out| {
        ber::nested(out, COMPARE_REQUEST, |out| {
            ber::octets(out, ber::OCTET_STRING, dn.as_bytes());
            ber::nested(out, ber::SEQUENCE, |out| {
                ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
                ber::octets(out, ber::OCTET_STRING, value.as_bytes());
            });
        });
    });
}

/// Appends a modify that replaces the values of one attribute by one.
pub(crate) fn replace(out: &mut Vec<u8>, id: i32, dn: &str, attribute: &str, value: &str) {
    message(out, id, None, |out| {
        ber::nested(out, MODIFY_REQUEST, |out| {
            ber::octets(out, ber::OCTET_STRING, dn.as_bytes());
            ber::nested(out, ber::SEQUENCE, |out| {
                ber::nested(out, ber::SEQUENCE, |out| {
                    ber::integer(out, ber::ENUMERATED, 2);
                    ber::nested(out, ber::SEQUENCE, |out| {
                        ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
                        ber::nested(out, 0x31, |out| {
                            ber::octets(out, ber::OCTET_STRING, value.as_bytes());
                        });
                    });
                });
            });
        });
    });
}

/// Appends a StartTLS request.
pub(crate) fn start_tls(out: &mut Vec<u8>, id: i32) {
    message(out, id, None, |out| {
        ber::nested(out, EXTENDED_REQUEST, |out| {
            ber::octets(out, 0x80, START_TLS)
        });
    });
}

/// Appends an unbind, which has no answer.
pub(crate) fn unbind(out: &mut Vec<u8>, id: i32) {
    message(out, id, None, |out| ber::octets(out, UNBIND_REQUEST, b""));
}

fn message(
    out: &mut Vec<u8>,
    id: i32,
    control: Option<Control<'_>>,
    operation: impl FnOnce(&mut Vec<u8>),
) {
    ber::nested(out, ber::SEQUENCE, |out| {
        ber::integer(out, ber::INTEGER, id);
        operation(out);
        if let Some(control) = control {
            ber::nested(out, 0xa0, |out| {
                ber::nested(out, ber::SEQUENCE, |out| control_body(out, control));
            });
        }
    });
}

fn control_body(out: &mut Vec<u8>, control: Control<'_>) {
    match control {
        Control::PagedResults(size, cookie) => {
            ber::octets(out, ber::OCTET_STRING, PAGED_RESULTS);
            ber::nested(out, ber::OCTET_STRING, |out| {
                ber::nested(out, ber::SEQUENCE, |out| {
                    ber::integer(out, ber::INTEGER, size);
                    ber::octets(out, ber::OCTET_STRING, cookie);
                });
            });
        }
        Control::DerefMember(attributes) => {
            ber::octets(out, ber::OCTET_STRING, DEREF);
            ber::nested(out, ber::OCTET_STRING, |out| {
                ber::nested(out, ber::SEQUENCE, |out| {
                    ber::nested(out, ber::SEQUENCE, |out| {
                        ber::octets(out, ber::OCTET_STRING, b"member");
                        ber::nested(out, ber::SEQUENCE, |out| {
                            for attribute in attributes {
                                ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
                            }
                        });
                    });
                });
            });
        }
        Control::PasswordPolicy => ber::octets(out, ber::OCTET_STRING, PASSWORD_POLICY),
    }
}

/// The filters of real clients, each appended as one element.
pub(crate) mod filter {
    use crate::support::ber;

    /// `(&(uid=U)(objectclass=posixAccount)(uid=*)(&(uidNumber=*)(!(uidNumber=0))))`, or with
    /// another first attribute: how SSSD looks up a user.
    pub(crate) fn sssd_user(out: &mut Vec<u8>, attribute: &str, value: &str) {
        and(out, |out| {
            equality(out, attribute, value);
            equality(out, "objectclass", "posixAccount");
            present(out, "uid");
            has_number(out, "uidNumber");
        });
    }

    /// `(&(cn=G)(objectClass=posixGroup)(cn=*)(&(gidNumber=*)(!(gidNumber=0))))`, or with another
    /// first attribute: how SSSD looks up a group.
    pub(crate) fn sssd_group(out: &mut Vec<u8>, attribute: &str, value: &str) {
        and(out, |out| {
            equality(out, attribute, value);
            equality(out, "objectClass", "posixGroup");
            present(out, "cn");
            has_number(out, "gidNumber");
        });
    }

    /// `(&(member=DN)(objectClass=posixGroup)(cn=*))`: how SSSD finds the groups of anybody.
    pub(crate) fn sssd_groups_of(out: &mut Vec<u8>, dn: &str) {
        and(out, |out| {
            equality(out, "member", dn);
            equality(out, "objectClass", "posixGroup");
            present(out, "cn");
        });
    }

    pub(crate) fn equality(out: &mut Vec<u8>, attribute: &str, value: &str) {
        ber::nested(out, 0xa3, |out| {
            ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
            ber::octets(out, ber::OCTET_STRING, value.as_bytes());
        });
    }

    pub(crate) fn present(out: &mut Vec<u8>, attribute: &str) {
        ber::octets(out, 0x87, attribute.as_bytes());
    }

    pub(crate) fn and(out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        ber::nested(out, 0xa0, members);
    }

    /// `(&(objectclass=posixAccount)(uid=*)(uidNumber=*)(gidNumber=*))`: how SSSD enumerates.
    pub(crate) fn sssd_all_users(out: &mut Vec<u8>) {
        and(out, |out| {
            equality(out, "objectclass", "posixAccount");
            present(out, "uid");
            present(out, "uidNumber");
            present(out, "gidNumber");
        });
    }

    /// `(&(objectClass=C)(A=*PART*))`, or with the part at the end.
    pub(crate) fn contains(
        out: &mut Vec<u8>,
        class: &str,
        attribute: &str,
        part: &str,
        last: bool,
    ) {
        and(out, |out| {
            equality(out, "objectClass", class);
            ber::nested(out, 0xa4, |out| {
                ber::octets(out, ber::OCTET_STRING, attribute.as_bytes());
                ber::nested(out, ber::SEQUENCE, |out| {
                    ber::octets(out, if last { 0x82 } else { 0x81 }, part.as_bytes());
                });
            });
        });
    }

    /// `(&(A=*)(!(A=0)))`
    fn has_number(out: &mut Vec<u8>, attribute: &str) {
        and(out, |out| {
            present(out, attribute);
            ber::nested(out, 0xa2, |out| equality(out, attribute, "0"));
        });
    }
}

/// One message from the server: its id, the tag of its operation and the operation's content.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) id: i32,
    pub(crate) operation: u8,
    content: &'a [u8],
    controls: Option<&'a [u8]>,
}

impl<'a> Answer<'a> {
    /// Takes apart exactly one message.
    pub(crate) fn parse(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Reader::new(Reader::new(message).expect(ber::SEQUENCE)?);
        let id = message.integer(ber::INTEGER)?;
        let (operation, content) = message.next()?;
        let controls = match message.is_empty() {
            true => None,
            false => Some(message.expect(0xa0)?),
        };
        Ok(Self {
            id,
            operation,
            content,
            controls,
        })
    }

    /// The cookie for the next page; empty after the last, and where there are no pages.
    pub(crate) fn page_cookie(&self) -> Result<&'a [u8], Malformed> {
        let mut controls = Reader::new(self.controls.unwrap_or_default());
        while !controls.is_empty() {
            let mut control = Reader::new(controls.expect(ber::SEQUENCE)?);
            if control.expect(ber::OCTET_STRING)? == PAGED_RESULTS {
                let value =
                    Reader::new(control.expect(ber::OCTET_STRING)?).expect(ber::SEQUENCE)?;
                let mut page = Reader::new(value);
                page.integer(ber::INTEGER)?;
                return page.expect(ber::OCTET_STRING);
            }
        }
        Ok(&[])
    }

    /// The code and diagnostic message, where this answer carries an LDAPResult.
    pub(crate) fn result(&self) -> Result<(u32, &'a str), Malformed> {
        let mut content = Reader::new(self.content);
        let code = content.integer(ber::ENUMERATED)?;
        content.expect(ber::OCTET_STRING)?;
        let diagnostic = std::str::from_utf8(content.expect(ber::OCTET_STRING)?)
            .map_err(|_| Malformed("diagnostic message is not UTF-8"))?;
        let code = u32::try_from(code).map_err(|_| Malformed("negative result code"))?;
        Ok((code, diagnostic))
    }

    /// Whether this entry has `value` among the values of `attribute`; either in any case.
    ///
    /// The whole entry is walked, so that a malformed one is found wherever it breaks.
    pub(crate) fn entry_has(&self, attribute: &str, value: &str) -> Result<bool, Malformed> {
        let mut entry = Reader::new(self.content);
        entry.expect(ber::OCTET_STRING)?;
        let mut attributes = Reader::new(entry.expect(ber::SEQUENCE)?);
        let mut found = false;
        while !attributes.is_empty() {
            let mut one = Reader::new(attributes.expect(ber::SEQUENCE)?);
            let description = one.expect(ber::OCTET_STRING)?;
            let mut values = Reader::new(one.expect(0x31)?);
            if description.eq_ignore_ascii_case(attribute.as_bytes()) {
                while !values.is_empty() {
                    let candidate = values.expect(ber::OCTET_STRING)?;
                    found |= candidate.eq_ignore_ascii_case(value.as_bytes());
                }
            }
        }
        Ok(found)
    }
}
