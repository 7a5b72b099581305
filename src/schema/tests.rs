use std::path::PathBuf;

use crate::dn::{Dn, Rdn};

use super::*;

fn with(name: &str, content: &str) -> Result<Schema, SchemaError> {
    Schema::with_files(&[(PathBuf::from(name), content.to_owned())])
}

fn attribute<'a>(schema: &'a Schema, name: &str) -> &'a AttributeType {
    schema.attribute_type(schema.attribute(name.as_bytes()).unwrap())
}

#[test]
fn the_builtin_definitions_can_be_read() {
    if let Err(error) = Schema::with_files(&[]) {
        panic!("{error}");
    }
}

#[test]
fn what_is_published_reads_back_as_the_same() {
    let schema = Schema::builtin();
    let mut ldif = String::new();
    for text in schema.attribute_type_definitions() {
        ldif += &format!("attributeTypes: {text}\n");
    }
    for text in schema.object_class_definitions() {
        ldif += &format!("objectClasses: {text}\n");
    }
    // A definition that said something else would be a contradiction.
    let again = with("published.ldif", &ldif).unwrap();
    assert_eq!(again.len(), schema.len());
    assert_eq!(
        again.attribute_type_definitions(),
        schema.attribute_type_definitions()
    );
    assert_eq!(
        schema.attribute_type_definitions()[schema.attribute(b"c").unwrap().0 as usize],
        "( 2.5.4.6 NAME ( 'c' 'countryName' ) DESC 'two-letter country code of ISO 3166' \
         SUP name SYNTAX 1.3.6.1.4.1.1466.115.121.1.11 SINGLE-VALUE )"
    );
    assert!(schema.matching_rule_definitions().contains(
        &"( 2.5.13.2 NAME 'caseIgnoreMatch' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )".to_owned()
    ));
    assert!(
        schema
            .ldap_syntax_definitions()
            .contains(&"( 1.3.6.1.4.1.1466.115.121.1.15 DESC 'Directory String' )".to_owned())
    );
    assert!(
        schema
            .matching_rule_use_definitions()
            .contains(&"( 1.3.6.1.1.16.2 NAME 'uuidMatch' APPLIES entryUUID )".to_owned())
    );
}

#[test]
fn names_and_numbers_lead_to_types() {
    let schema = Schema::builtin();
    let cn = schema.attribute(b"cn").unwrap();
    assert_eq!(schema.attribute(b"CommonName"), Some(cn));
    assert_eq!(schema.attribute(b"2.5.4.3"), Some(cn));
    assert_eq!(schema.attribute(b"cn;lang-en"), None);
    assert_eq!(schema.attribute(&[b'a'; 200]), None);
    assert_eq!(
        attribute(&schema, "msDS-User-Account-Control-Computed").name(),
        "msDS-User-Account-Control-Computed"
    );
    assert!(
        schema
            .subtypes(schema.attribute(b"name").unwrap())
            .contains(&cn)
    );
    assert_eq!(schema.subtypes(cn), [cn]);
    assert_eq!(
        attribute(&schema, "cn").equality,
        Some(MatchingRule::CaseIgnoreMatch)
    );
    assert_eq!(attribute(&schema, "c").syntax, Syntax::CountryString);
    assert!(attribute(&schema, "entryUUID").is_operational());
    assert!(!attribute(&schema, "memberOf").is_operational());
    assert!(schema.matching_rule(b"2.5.13.2").is_some());
}

#[test]
fn classes_know_what_is_above_and_below() {
    let schema = Schema::builtin();
    let class = |name: &str| schema.object_class(name.as_bytes()).unwrap();
    let above: Vec<_> = schema
        .superclasses(class("computer"))
        .iter()
        .map(|&id| schema.object_class_def(id).name())
        .collect();
    assert_eq!(above, ["user", "organizationalPerson", "person", "top"]);
    assert!(
        schema
            .object_subclasses(class("person"))
            .contains(&class("inetOrgPerson"))
    );
    assert_eq!(
        schema.object_class_def(class("posixGroup")).kind,
        ObjectClassKind::Auxiliary
    );
}

#[test]
fn what_sssd_asks_for_is_defined() {
    let schema = Schema::builtin();
    for name in "objectClass uid userPassword uidNumber gidNumber gecos homeDirectory loginShell \
        krbPrincipalName cn memberOf modifyTimestamp shadowLastChange shadowMin shadowMax \
        shadowWarning shadowInactive shadowExpire shadowFlag krbLastPwdChange \
        krbPasswordExpiration pwdAttribute authorizedService accountExpires userAccountControl \
        nsAccountLock host rhost loginDisabled loginExpirationTime loginAllowedTimeMap \
        sshPublicKey userCertificate mail sudoCommand sudoHost sudoUser sudoOption sudoRunAs \
        sudoRunAsUser sudoRunAsGroup sudoNotBefore sudoNotAfter sudoOrder automountMapName \
        automountKey automountInformation ipHostNumber ipNetworkNumber ipServicePort \
        ipServiceProtocol member memberUid uniqueMember defaultNamingContext \
        domainControllerFunctionality highestCommittedUSN objectGUID objectSid sAMAccountName \
        userPrincipalName primaryGroupID groupType sAMAccountType pwdLastSet lockoutTime \
        whenCreated whenChanged uSNChanged uSNCreated department company employeeID \
        extensionAttribute15 msDS-PrincipalName tokenGroups canonicalName distinguishedName name \
        streetAddress street title info co l st dNSHostName domainFunctionality objectCategory \
        ipPhone pager mobile homePhone manager directReports managedBy managedObjects \
        thumbnailPhoto proxyAddresses mailNickname wWWHomePage countryCode notes comment \
        scriptPath profilePath homeDrive unixHomeDirectory altSecurityIdentities \
        servicePrincipalName primaryGroupToken anr lastLogonTimestamp badPwdCount logonCount \
        adminCount isDeleted lastKnownParent instanceType objectVersion entryDN hasSubordinates \
        numSubordinates ref altServer vendorName vendorVersion supportedCapabilities"
        .split_whitespace()
    {
        assert!(schema.attribute(name.as_bytes()).is_some(), "{name}");
    }
    for name in "user group container builtinDomain domainDNS lostAndFound securityPrincipal \
        mailRecipient contact computer posixAccount posixGroup inetOrgPerson groupOfNames \
        sudoRole automount automountMap ldapPublicKey subschema extensibleObject alias referral \
        dcObject domain labeledURIObject organizationalUnit shadowAccount"
        .split_whitespace()
    {
        assert!(schema.object_class(name.as_bytes()).is_some(), "{name}");
    }
}

#[test]
fn a_search_for_a_name_finds_that_name_only() {
    let schema = Schema::builtin();
    let distinguished_name = schema.attribute(b"distinguishedName").unwrap();
    assert_eq!(schema.subtypes(distinguished_name), [distinguished_name]);
    assert_ne!(
        schema.attribute(b"street"),
        schema.attribute(b"streetAddress")
    );
}

#[test]
fn files_in_openldap_form() {
    let schema = with(
        "local.schema",
        "# comment\nobjectIdentifier base 1.3.6.1.4.1.99999\nobjectIdentifier attrs base:1\n\n\
         attributetype ( attrs:1 NAME ( 'acmeBadge' 'badge' )\n\tSUP acmeThing\n# within\n\n\
         \tSINGLE-VALUE )\n\
         attributetype(attrs:2 NAME 'acmeThing' EQUALITY caseIgnoreMatch\n  SYNTAX \
         '1.3.6.1.4.1.1466.115.121.1.15{32}')\n\
         objectClass ( base:2.1 NAME 'acmePerson' SUP inetOrgPerson MAY ( badge $ cn ) )\n",
    )
    .unwrap();
    let badge = attribute(&schema, "BADGE");
    assert_eq!(badge.oid, "1.3.6.1.4.1.99999.1.1");
    assert_eq!(badge.equality, Some(MatchingRule::CaseIgnoreMatch));
    assert!(badge.single_value);
    let class = schema.object_class_def(schema.object_class(b"acmePerson").unwrap());
    assert_eq!(class.may[0], badge.id);
    assert_eq!(class.oid, "1.3.6.1.4.1.99999.2.1");
}

#[test]
fn files_in_ldif() {
    let schema = with(
        "local.ldif",
        "dn: cn=acme,cn=schema,cn=config\nobjectClass: olcSchemaConfig\n# comment\n goes on\n\
         olcAttributeTypes: {0}( 1.3.6.1.4.1.99999.1 NAME 'acmeBadge' EQUALITY case\n \
         IgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n\
         objectClasses: ( 1.3.6.1.4.1.99999.2 NAME 'acmePerson' SUP top AUXILIARY\n  MAY \
         acmeBadge )\n",
    )
    .unwrap();
    assert_eq!(
        attribute(&schema, "acmeBadge").equality,
        Some(MatchingRule::CaseIgnoreMatch)
    );
    assert!(schema.object_class(b"acmePerson").is_some());
}

#[test]
fn errors_name_file_line_and_fault() {
    let dn = "SYNTAX 1.3.6.1.4.1.1466.115.121.1.12";
    for (content, line, part) in [
        (
            format!("\n\nattributetype ( 1.9.1 NAME 'a' SUP nothing {dn} )"),
            3,
            "`nothing` in SUP",
        ),
        (
            "attributetype ( 1.9.1 NAME 'a' SYNTAX 1.2.3 )".into(),
            1,
            "unknown syntax `1.2.3`",
        ),
        (
            "attributetype ( 1.9.1 NAME 'a' )".into(),
            1,
            "neither SYNTAX nor SUP",
        ),
        (
            format!("attributetype ( 1.9.1 NAME 'a'\n EQUALITY noMatch {dn} )"),
            1,
            "`noMatch` in EQUALITY",
        ),
        (
            format!("attributetype ( 1.9.1 NAME 'cn' {dn} )"),
            1,
            "`cn` (2.5.4.3) is defined differently in built-in",
        ),
        (
            format!("attributetype ( 2.5.4.3 NAME 'x' {dn} )"),
            1,
            "defined differently",
        ),
        (
            format!("attributetype ( acme:1 NAME 'x' {dn} )"),
            1,
            "`acme:1` is neither",
        ),
        (
            format!("attributetype ( 1.9.1 NAME 'a b' {dn} )"),
            1,
            "`a b` is not a name",
        ),
        (
            "attributetype ( 1.9.1 NAME 'a' SUP b )\nattributetype ( 1.9.2 NAME 'b' SUP a )".into(),
            1,
            "leads back",
        ),
        (
            "objectclass ( 1.9.1 NAME 'a' SUP b )\nobjectclass ( 1.9.2 NAME 'b' SUP a )".into(),
            1,
            "leads back",
        ),
        (
            "objectclass ( 1.9.1 NAME 'a'\n MAY nothing )".into(),
            1,
            "`nothing` in MAY",
        ),
        (
            "objectclass ( 1.9.1 NAME 'a'\n SUP top\n WHAT )".into(),
            3,
            "unknown keyword `WHAT`",
        ),
        (
            "objectclass ( 1.9.1 NAME 'a'\n SUP top".into(),
            2,
            "`)` is missing",
        ),
        (
            "objectklass ( 1.9.1 )".into(),
            1,
            "unknown directive `objectklass`",
        ),
        (
            "objectclass ( 2.5.6.6 NAME 'person' SUP top MUST cn )".into(),
            1,
            "defined differently",
        ),
    ] {
        let error = with("x.schema", &content).unwrap_err();
        assert_eq!(error.line, line, "{content}: {error}");
        assert!(error.to_string().contains(part), "{content}: {error}");
        assert!(error.to_string().starts_with("x.schema:"), "{error}");
    }
}

#[test]
fn saying_the_same_again_is_no_fault() {
    with(
        "again.schema",
        "objectclass ( 1.3.6.1.4.1.1466.344 NAME 'DCObject' DESC 'other words' SUP top AUXILIARY MUST dc )",
    )
    .unwrap();
}

/// What OpenLDAP's own files say otherwise than the files compiled in.
const OF_OPENLDAP: &str = "\
attributetype ( 2.5.4.9 NAME ( 'street' 'streetAddress' ) EQUALITY caseIgnoreMatch
  SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{128} )
attributetype ( 2.5.4.29 NAME 'presentationAddress' EQUALITY presentationAddressMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.43 SINGLE-VALUE )
attributetype ( 2.5.4.31 NAME 'member' DESC 'RFC2256' SUP distinguishedName )
attributetype ( 2.5.4.36 NAME 'userCertificate' EQUALITY certificateExactMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.8 )
attributetype ( 0.9.2342.19200300.100.1.3 NAME ( 'mail' 'rfc822Mailbox' 'eMailAddress' )
  EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{256} )
attributetype ( 1.3.6.1.1.1.1.3 NAME 'homeDirectory' EQUALITY caseExactIA5Match
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 SINGLE-VALUE )
attributetype ( 1.3.6.1.1.1.1.12 NAME 'memberUid' EQUALITY caseExactIA5Match
  SUBSTR caseExactIA5SubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.26 )
attributetype ( 1.3.6.1.1.1.1.14 NAME 'nisNetgroupTriple' SYNTAX 1.3.6.1.1.1.0.0 )
attributetype ( 1.3.6.1.1.1.1.16 NAME 'ipServiceProtocol' SUP name )
objectclass ( 1.3.6.1.1.1.2.2 NAME 'posixGroup' SUP top STRUCTURAL MUST ( cn $ gidNumber )
  MAY ( userPassword $ memberUid $ description ) )
objectclass ( 1.3.6.1.1.1.2.4 NAME 'ipProtocol' SUP top STRUCTURAL
  MUST ( cn $ ipProtocolNumber $ description ) MAY description )
objectclass ( 0.9.2342.19200300.100.4.5 NAME 'account' SUP top STRUCTURAL MUST userid
  MAY ( description $ seeAlso $ localityName $ organizationName $ organizationalUnitName $ host ) )
objectclass ( 1.3.6.1.4.1.250.3.15 NAME 'labeledURIObject' SUP top AUXILIARY MAY labeledURI )
objectclass ( 1.9.1 NAME 'acme' SUP top AUXILIARY MUST eMailAddress MAY streetAddress )
";

#[test]
fn the_same_in_the_words_of_another_server_is_passed_over() {
    let schema = with("stock.schema", OF_OPENLDAP).unwrap();
    // What is compiled in stays, and a further name leads to it.
    let member_uid = attribute(&schema, "memberUid");
    assert_eq!(member_uid.syntax, Syntax::DirectoryString);
    assert_eq!(member_uid.equality, Some(MatchingRule::CaseIgnoreMatch));
    assert_eq!(schema.attribute(b"eMailAddress"), schema.attribute(b"mail"));
    assert_ne!(
        schema.attribute(b"street"),
        schema.attribute(b"streetAddress")
    );
    let group = schema.object_class(b"posixGroup").unwrap();
    assert_eq!(
        schema.object_class_def(group).kind,
        ObjectClassKind::Auxiliary
    );
}

#[test]
fn a_contradiction_names_both_places() {
    for (text, place) in [
        // A value that is not one of ours.
        (
            "attributetype ( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 \
             SINGLE-VALUE )",
            "built-in/rfc2307bis.schema:",
        ),
        // More values than ours has.
        (
            "attributetype ( 1.3.6.1.1.1.1.0 NAME 'uidNumber' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 )",
            "built-in/rfc2307bis.schema:",
        ),
        (
            "attributetype ( 1.9.9 NAME ( 'acme' 'uid' ) SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            "built-in/core.schema:",
        ),
        (
            "attributetype ( 2.5.4.3 NAME 'acme' SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            "built-in/core.schema:",
        ),
        // An entry that ours does not allow.
        (
            "objectclass ( 2.5.6.6 NAME 'person' SUP top MUST cn )",
            "built-in/core.schema:",
        ),
        (
            "objectclass ( 2.5.6.6 NAME 'person' SUP top MUST ( cn $ sn ) MAY uidNumber )",
            "built-in/core.schema:",
        ),
        // Two of an administrator's own have to say the same.
        (
            "attributetype ( 1.9.1 NAME 'acme' EQUALITY caseExactMatch SYNTAX \
             1.3.6.1.4.1.1466.115.121.1.15 )\nattributetype ( 1.9.1 NAME 'acme' EQUALITY \
             caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )",
            "x.schema:1",
        ),
    ] {
        let error = with("x.schema", text).unwrap_err().to_string();
        assert!(error.starts_with("x.schema:"), "{error}");
        assert!(error.contains("defined differently in "), "{error}");
        assert!(error.contains(place), "{error}");
    }
}

#[test]
fn descriptions_split_into_base_and_options() {
    let parse = AttributeDescription::parse;
    let description = parse(b"userCertificate;Binary;lang-de;binary").unwrap();
    assert_eq!(description.base, "userCertificate");
    assert_eq!(description.options, ["binary", "lang-de"]);
    assert_eq!(parse(b"2.5.4.3").unwrap().base, "2.5.4.3");
    assert_eq!(parse(b"member;range=0-*").unwrap().options, ["range=0-*"]);
    for wrong in [
        &b""[..],
        b";x",
        b"cn;",
        b"c n",
        b"*",
        b"+",
        b"2.5.",
        b"\xff",
    ] {
        assert_eq!(parse(wrong), None);
    }
}

#[test]
fn names_normalize() {
    let schema = Schema::shared_builtin();
    let key = |text: &str| schema.normalize_rdn(&Rdn::parse(text).unwrap());
    for (left, right) in [
        ("uid=alice", "UID = Alice"),
        ("uid=alice", "0.9.2342.19200300.100.1.1=ALICE"),
        ("cn=a+sn=b", "sn=B + CN=A"),
        ("cn=Zo\u{eb}", "cn=ZOE\u{308}"),
        ("ou=a  b", "OU=\\ A B"),
        ("unknownType=X", "UNKNOWNTYPE=x"),
        ("uidNumber=1000", "UIDNUMBER=1000"),
        ("uidNumber=abc", "uidNumber=ABC"),
    ] {
        assert_eq!(key(left).unwrap(), key(right).unwrap(), "{left} {right}");
    }
    for (left, right) in [
        ("uid=alice", "cn=alice"),
        ("cn=a+sn=b", "cn=a"),
        ("cn=#0401ff", "cn=#0401fe"),
        ("homeDirectory=/A", "homeDirectory=/a"),
        ("x=ab", "xa=b"),
    ] {
        assert_ne!(key(left).unwrap(), key(right).unwrap(), "{left} {right}");
    }
    assert!(key("cn=").is_err());
    let dn = Dn::parse("CN=a,DC=Corp").unwrap();
    let keys = schema.normalize_dn(&dn).unwrap();
    assert_eq!(keys, [key("cn=A").unwrap(), key("dc=corp").unwrap()]);
}

/// One assertion of a name in a random spelling: the type by name or OID, the value escaped at
/// random, with insignificant spaces where its rule has them.
fn spelled((kind, value, choices): &(usize, String, Vec<u8>)) -> String {
    const TYPES: &[&[&str]] = &[
        &["cn", "CN", "commonName", "2.5.4.3", "OID.2.5.4.3", " cn "],
        &["uid", "userid", "0.9.2342.19200300.100.1.1"],
        &["ou", "OrganizationalUnitName", "2.5.4.11"],
        &["dc", "domainComponent", "DC"],
        &["homeDirectory", "HOMEDIRECTORY", "1.3.6.1.1.1.1.3"],
    ];
    let mut choices = choices.iter().cycle().map(|choice| usize::from(*choice));
    let mut choose = |of: usize| choices.next().unwrap_or_default() % of;
    let names = TYPES[*kind];
    let mut text = format!("{}=", names[choose(names.len())]);
    let exact = *kind == 4;
    let last = value.chars().count() - 1;
    for (index, character) in value.chars().enumerate() {
        let character = match choose(3) {
            0 if !exact && character.is_ascii() => character.to_ascii_uppercase(),
            _ => character,
        };
        let hex = |text: &str| {
            text.bytes()
                .map(|b| format!("\\{b:02x}"))
                .collect::<String>()
        };
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' if choose(2) == 0 => {
                text.push('\\');
                text.push(character);
            }
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '\0' => text += &hex(&character.to_string()),
            ' ' | '#' if index == 0 || index == last => text += &hex(&character.to_string()),
            ' ' => text.push_str([" ", "  ", "\\20 "][choose(3)]),
            _ if choose(4) == 0 => text += &hex(&character.to_string()),
            'é' if choose(2) == 0 => text.push_str("e\u{301}"),
            _ => text.push(character),
        }
    }
    if choose(3) == 0 {
        text.push(' ');
    }
    text
}

proptest::proptest! {
    #[test]
    fn every_spelling_of_a_name_normalizes_to_the_same(
        avas in proptest::collection::vec(
            (0..5usize, "[a-dé #\"+,;<>\\\\=*]{1,6}[a-c0-9]", proptest::collection::vec(proptest::num::u8::ANY, 1..40)),
            1..4,
        ),
        more in proptest::collection::vec(proptest::num::u8::ANY, 1..40),
    ) {
        let mut avas = avas;
        avas.sort_by_key(|ava| ava.0);
        avas.dedup_by_key(|ava| ava.0);
        let schema = Schema::shared_builtin();
        let first: Vec<String> = avas.iter().map(spelled).collect();
        let second: Vec<String> = avas
            .iter()
            .rev()
            .map(|(kind, value, _)| spelled(&(*kind, value.clone(), more.clone())))
            .collect();
        let key = |text: &str| {
            let dn = Dn::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            schema.normalize_dn(&dn).unwrap_or_else(|error| panic!("{text}: {error}"))
        };
        for (one, two) in [
            (first.join("+"), second.join("+")),
            (first.join(","), second.iter().rev().cloned().collect::<Vec<_>>().join(" ; ")),
        ] {
            proptest::prop_assert_eq!(key(&one), key(&two), "{} {}", one, two);
            // What is printed of a name is another spelling of it.
            let printed = Dn::parse(&one).unwrap().to_string();
            proptest::prop_assert_eq!(key(&printed), key(&two), "{} {}", printed, two);
        }
    }
}

#[test]
fn the_keys_of_a_name_are_its_normalized_rdns() {
    let schema = Schema::builtin();
    let long = "x".repeat(500);
    let plural = format!("CN={long}+SN=Doe,OU={long},DC=Example");
    for text in [
        "",
        "dc=x",
        "UID=Alice,ou=a  b,dc=example,dc=com",
        "unknown=V,1.2.3=v,employeeNumber=7,dc=x",
        &format!("cn={long},dc=x"),
        &plural,
    ] {
        let dn: Dn = text.parse().unwrap();
        let rdns = schema.normalize_dn(&dn).unwrap();
        let mut normalized = Vec::new();
        schema.normalize_dn_into(&dn, &mut normalized).unwrap();
        let keys = schema.name_keys(&dn).unwrap();
        assert_eq!(keys, NameKeys::read(&normalized).unwrap(), "{text}");
        assert_eq!(keys.iter().collect::<Vec<_>>(), rdns, "{text}");
        assert_eq!(keys.iter().rev().count(), dn.len(), "{text}");
        assert_eq!(keys.get(dn.len()), b"", "{text}");
        if let Some(plain) = crate::dn::PlainDn::read(text) {
            assert_eq!(schema.plain_keys(plain).unwrap(), keys, "{text}");
        }
        if !normalized.is_empty() {
            normalized.pop();
            assert_eq!(NameKeys::read(&normalized), None, "{text}");
        }
    }
}
