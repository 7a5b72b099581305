//! Filters: through the indexes, by scan, and by an evaluator that knows nothing of either.

mod plain;
mod random;

use std::sync::Arc;

use proptest::prelude::*;

use self::{
    plain::plain,
    random::{filters, worlds},
};
use super::build::*;
use crate::{
    access::Secrets,
    directory::{BoundFilter, EntryId, Snapshot},
    entry::Entry,
    proto::request::SearchScope,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, max_shrink_iters: 400, ..Default::default() })]

    #[test]
    fn the_indexes_a_scan_and_the_rfc_agree(
        world in worlds(),
        filters in prop::collection::vec((filters(), 0..3u32), 40),
    ) {
        let fixture = Fixture::new(world);
        let now = fixture.now();
        let plain = plain(&now);
        let secrets = Secrets::new(now.schema());
        for (filter, scope) in filters {
            let request = filter.as_request();
            let bound = BoundFilter::bind(&request, &now, &secrets);
            let expected: Vec<&String> = plain
                .iter()
                .filter(|(_, entry)| entry.evaluate(now.schema(), &filter) == Some(true))
                .map(|(dn, _)| dn)
                .collect();
            let mut scanned: Vec<String> =
                scan(&now, &bound).into_iter().map(|id| now.dn(id)).collect();
            scanned.sort();
            prop_assert_eq!(scanned.iter().collect::<Vec<_>>(), expected.clone(), "scan of {:?}", filter);
            let searched = dns(&now, None, SearchScope::WholeSubtree, &bound);
            prop_assert_eq!(searched.iter().collect::<Vec<_>>(), expected.clone(), "plan of {:?}", filter);
            // Below each entry: the same, cut by the DN alone.
            let scope = [
                SearchScope::SingleLevel,
                SearchScope::WholeSubtree,
                SearchScope::Subordinates,
            ][scope as usize];
            for base in (0..now.id_bound()).map(EntryId).filter(|id| now.is_served(*id)) {
                let base_dn = now.dn(base);
                let below = |dn: &str| {
                    // The inner naming context is no part of the outer one.
                    let inner = dn.ends_with("DC=corp,DC=example,DC=com")
                        == base_dn.ends_with("DC=corp,DC=example,DC=com");
                    let rest = dn.strip_suffix(base_dn.as_str()).filter(|_| inner)?;
                    (rest.is_empty() || rest.ends_with(',')).then(|| rest.matches(',').count())
                };
                let expected: Vec<&String> = expected
                    .iter()
                    .copied()
                    .filter(|dn| match (below(dn), scope) {
                        (None, _) => false,
                        (Some(levels), SearchScope::SingleLevel) => levels == 1,
                        (Some(levels), SearchScope::Subordinates) => levels > 0,
                        (Some(_), _) => true,
                    })
                    .collect();
                let found = dns(&now, Some(base), scope, &bound);
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{:?} {} {:?}", scope, base_dn, filter);
                let itself = dns(&now, Some(base), SearchScope::BaseObject, &bound);
                prop_assert_eq!(itself.len(), usize::from(scanned.contains(&base_dn)));
            }
        }
    }
}

fn dns(
    now: &Arc<Snapshot>,
    base: Option<EntryId>,
    scope: SearchScope,
    filter: &BoundFilter,
) -> Vec<String> {
    let mut found: Vec<String> = search(now, base, scope, filter.clone(), &["1.1"])
        .into_iter()
        .map(|(dn, _)| dn)
        .collect();
    found.sort();
    found
}

#[test]
fn bits_are_compared_as_ad_does() {
    let fixture = Fixture::new([
        domain(1),
        user(2, 1, "a"),
        user(3, 1, "b").with("userAccountControl", &["514"]),
        group(4, 1, "g", &[]),
        group(5, 1, "d", &[]).with("groupType", &["2"]),
    ]);
    for (filter, expected) in [
        ("(userAccountControl:1.2.840.113556.1.4.803:=2)", vec![3]),
        ("(userAccountControl:1.2.840.113556.1.4.803:=514)", vec![3]),
        ("(userAccountControl:1.2.840.113556.1.4.803:=0)", vec![2, 3]),
        (
            "(userAccountControl:1.2.840.113556.1.4.804:=514)",
            vec![2, 3],
        ),
        ("(userAccountControl:1.2.840.113556.1.4.804:=0)", vec![]),
        (
            "(&(uid=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))",
            vec![2],
        ),
        ("(groupType:1.2.840.113556.1.4.803:=2147483648)", vec![4]),
        ("(!(cn:1.2.840.113556.1.4.803:=2))", vec![]),
        ("(!(userAccountControl:1.2.840.113556.1.4.803:=x))", vec![]),
        ("(!(:1.2.840.113556.1.4.803:=2))", vec![]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

#[test]
fn identities_are_found_as_octets_and_as_text() {
    let fixture = Fixture::new([domain(1), user(2, 1, "a")]);
    let octets: String = id(2)
        .to_bytes_le()
        .iter()
        .map(|octet| format!("\\{octet:02x}"))
        .collect();
    for filter in [
        format!("(objectGUID={octets})"),
        format!("(objectGUID={})", id(2)),
        format!("(entryUUID={})", id(2).to_string().to_uppercase()),
        "(objectSid=S-1-5-21-2966102495-3163130805-921133302-1002)".to_owned(),
    ] {
        assert_eq!(fixture.find(&filter), [2], "{filter}");
    }
}

#[test]
fn secrets_are_neither_found_nor_missed() {
    let fixture = Fixture::new([
        local_top(1),
        local(2, Some(1), "cn=a", "person").with("userPassword", &["secret"]),
    ]);
    for filter in [
        "(userPassword=secret)",
        "(userPassword=*)",
        "(!(userPassword=secret))",
        "(userPassword;x-a=*)",
        "(2.5.4.35=secret)",
    ] {
        assert_eq!(fixture.find(filter), NOBODY, "{filter}");
    }
    let by_rule = fixture.find("(:octetStringMatch:=secret)");
    assert_eq!(by_rule, NOBODY);
}

/// One local entry that lists its most specific class only.
fn ada() -> Entry {
    let mut made = local(3, Some(2), "cn=Ada", "inetOrgPerson")
        .with("sn", &["Lovelace"])
        .with("cn;lang-en", &["Augusta Ada"])
        .with("description", &["The quick brown fox.", "e-mail first"])
        .with("telephoneNumber", &["+1 800-FLOWERS"])
        .with("postalAddress", &["1 Main St$Anytown \\24 5"])
        .with("mail", &["Ada@example.com"])
        .with("uidNumber", &["1000"])
        .with("c", &["GB"])
        .with("title", &["AbcDef"])
        .with("preferredLanguage", &["en"])
        .with("uniqueMember", &["cn=Ada,ou=o1,dc=example,dc=com#'01'B"]);
    made.set("userCertificate;binary", vec![vec![0x30, 0]]);
    made.set("jpegPhoto", vec![b"a\0b".to_vec()]);
    made
}

fn little() -> Fixture {
    Fixture::new([
        local_top(1),
        local(2, Some(1), "ou=o1", "organizationalUnit"),
        ada(),
    ])
}

/// Filters with what they are of that entry: true, false or Undefined.
#[test]
fn each_kind_of_assertion_is_true_false_or_undefined() {
    const TRUE: Option<bool> = Some(true);
    const FALSE: Option<bool> = Some(false);
    let fixture = little();
    let scope = "(entryUUID=*)";
    for (filter, expected) in [
        // Classes by name, number and superclass.
        ("(objectClass=inetOrgPerson)", TRUE),
        ("(objectClass=INETORGPERSON)", TRUE),
        ("(objectClass=person)", TRUE),
        ("(objectClass=top)", TRUE),
        ("(objectClass=2.5.6.6)", TRUE),
        ("(2.5.4.0=2.5.6.7)", TRUE),
        ("(objectClass=device)", FALSE),
        ("(objectClass=1.2.3.4)", FALSE),
        ("(objectClass=noSuchClass)", None),
        ("(objectClass=no such)", None),
        // Subtypes and options.
        ("(name=ada)", TRUE),
        ("(name=lovelace)", TRUE),
        ("(name=gb)", TRUE),
        ("(cn=augusta ada)", TRUE),
        ("(cn;lang-en=augusta ada)", TRUE),
        ("(cn;LANG-EN=*)", TRUE),
        ("(name;lang-en=augusta ada)", TRUE),
        ("(cn;lang-en=ada)", FALSE),
        ("(cn;lang-de=*)", FALSE),
        ("(cn;no-such=*)", None),
        ("(userCertificate=*)", TRUE),
        ("(userCertificate;binary=\\30\\00)", TRUE),
        ("(jpegPhoto;binary=a\\00b)", TRUE),
        ("(jpegPhoto=a)", FALSE),
        // Unknown attributes.
        ("(noSuch=*)", None),
        ("(noSuch=a)", None),
        ("(noSuch>=a)", None),
        ("(noSuch~=a)", None),
        ("(noSuch=a*)", None),
        ("(noSuch:=a)", None),
        ("(1.2.3=*)", None),
        // Rules that there are not.
        ("(cn>=a)", None),
        ("(description<=z)", None),
        ("(uidNumber=1*)", None),
        ("(jpegPhoto=a*)", None),
        ("(userPKCS12=a)", None),
        ("(objectClass=inet*)", None),
        // Assertions of another syntax.
        ("(uidNumber=01000)", None),
        ("(uidNumber=1e3)", None),
        ("(uidNumber>=)", None),
        ("(cn=)", None),
        ("(cn=\\ff)", None),
        ("(cn=\\ed\\a0\\80)", None),
        ("(cn=\\f8\\88\\80\\80\\80)", None),
        ("(cn=\\ee\\80\\80)", None),
        ("(cn=*\\ff*)", None),
        ("(mail=\\c3\\a9)", None),
        ("(mail=*\\c3\\a9)", None),
        ("(mail=)", FALSE),
        ("(telephoneNumber=a@b)", None),
        ("(telephoneNumber=*@*)", None),
        ("(hasSubordinates=false)", None),
        ("(createTimestamp>=2024)", None),
        ("(entryUUID=1)", None),
        ("(member=a)", None),
        ("(seeAlso=cn=a+cn=b)", None),
        ("(postalAddress=a$)", None),
        // Operational and derived attributes.
        ("(hasSubordinates=FALSE)", TRUE),
        ("(numSubordinates=0)", TRUE),
        ("(numSubordinates<=-1)", FALSE),
        ("(entryDN=*)", TRUE),
        ("(entryDN=CN=ada, OU=O1,dc=EXAMPLE,dc=com)", TRUE),
        ("(entryDN=2.5.4.3=Ada,ou=o1,dc=example,dc=com)", TRUE),
        ("(entryDN=cn=#0403416461,ou=o1,dc=example,dc=com)", TRUE),
        ("(entryDN=ou=o1,dc=example,dc=com)", FALSE),
        ("(entryDN=noSuch=x)", FALSE),
        ("(structuralObjectClass=2.16.840.1.113730.3.2.2)", TRUE),
        ("(structuralObjectClass=*)", TRUE),
        ("(subschemaSubentry=CN=subschema)", TRUE),
        // Values as their rules compare them.
        ("(cn~=ADA)", TRUE),
        ("(telephoneNumber=1800flowers)", FALSE),
        ("(telephoneNumber=+1800flowers)", TRUE),
        ("(telephoneNumber=+1 8-00*FLO*ers)", TRUE),
        (
            "(uidNumber>=-170141183460469231731687303715884105729)",
            TRUE,
        ),
        (
            "(uidNumber>=170141183460469231731687303715884105729)",
            FALSE,
        ),
        ("(uidNumber<=1000)", TRUE),
        ("(uidNumber>=1001)", FALSE),
        ("(postalAddress=1 MAIN st$anytown \\5c24 5)", TRUE),
        ("(postalAddress=*main*\\5c24*)", TRUE),
        ("(postalAddress=*st$any*)", FALSE),
        ("(uniqueMember=CN=ADA,OU=o1,DC=example,DC=com#'01'B)", TRUE),
        ("(uniqueMember=CN=ADA,OU=o1,DC=example,DC=com)", FALSE),
        // Extensible matches.
        ("(title:=ABCDEF)", TRUE),
        ("(title:caseExactMatch:=AbcDef)", TRUE),
        ("(title:2.5.13.5:=abcdef)", FALSE),
        ("(title:CASEEXACTSUBSTRINGSMATCH:=\\2abcD\\2a)", TRUE),
        ("(title:caseExactSubstringsMatch:=\\2aBCD\\2a)", FALSE),
        ("(title:caseExactSubstringsMatch:=BCD)", None),
        ("(title:caseIgnoreOrderingMatch:=b)", TRUE),
        ("(title:caseIgnoreOrderingMatch:=abcdef)", FALSE),
        ("(uidNumber:integerOrderingMatch:=1001)", TRUE),
        ("(uidNumber:integerOrderingMatch:=1000)", FALSE),
        ("(description:wordMatch:=FOX)", TRUE),
        ("(description:wordMatch:=e-mail)", TRUE),
        ("(description:wordMatch:=quick brown)", FALSE),
        ("(description:2.5.13.33:=quick brown)", TRUE),
        ("(description:keywordMatch:=bro)", FALSE),
        ("(name:caseExactMatch:=Lovelace)", TRUE),
        ("(cn:integerMatch:=1)", None),
        ("(uidNumber:caseIgnoreMatch:=1000)", None),
        ("(mail:caseExactMatch:=Ada@example.com)", None),
        ("(mail:caseExactIA5Match:=Ada@example.com)", TRUE),
        ("(cn:noSuchMatch:=a)", None),
        ("(cn:1.2.3:=a)", None),
        ("(:noSuchMatch:=a)", None),
        ("(:caseExactMatch:=AbcDef)", TRUE),
        ("(:caseExactMatch:=abcdef)", FALSE),
        ("(:integerMatch:=1000)", TRUE),
        ("(:integerMatch:=x)", None),
        ("(:dn:caseExactMatch:=o1)", TRUE),
        ("(:caseExactMatch:=o1)", FALSE),
        ("(ou:dn:=O1)", TRUE),
        ("(ou:=O1)", FALSE),
        ("(ou:dn:caseExactMatch:=O1)", FALSE),
        ("(dc:dn:=example)", TRUE),
        ("(name:dn:=o1)", TRUE),
        // Three values.
        ("(&)", TRUE),
        ("(|)", FALSE),
        ("(&(cn=ada)(noSuch=a))", None),
        ("(&(cn=b)(noSuch=a))", FALSE),
        ("(|(cn=ada)(noSuch=a))", TRUE),
        ("(|(cn=b)(noSuch=a))", None),
        ("(!(!(noSuch=a)))", None),
    ] {
        let holds = |filter: &str| fixture.find(&format!("(&{scope}{filter})")).contains(&3);
        let found = match (holds(filter), holds(&format!("(!{filter})"))) {
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
            (true, true) => panic!("{filter} is true and false"),
        };
        assert_eq!(found, expected, "{filter}");
    }
}

#[test]
fn values_beyond_their_syntax_are_found_and_never_missed() {
    let fixture = Fixture::new([
        domain(1),
        user(2, 1, "a")
            .with("mail", &["j\u{fc}rgen@example.com"])
            .with("telephoneNumber", &["4*4"])
            .with("objectClass", &["top", "person", "user", "acmePerson"]),
        user(3, 1, "b").with("mail", &["b@example.com"]),
    ]);
    for (filter, expected) in [
        ("(mail=J\u{dc}RGEN@example.com)", vec![2]),
        ("(mail=*\u{fc}*)", vec![2]),
        ("(telephoneNumber=4\\2a4)", vec![2]),
        ("(objectClass=ACMEPERSON)", vec![2]),
        ("(&(uid=*)(!(mail=j\u{fc}rgen@example.com)))", vec![]),
        ("(&(uid=*)(!(mail=*\u{fc}*)))", vec![]),
        ("(&(uid=*)(!(objectClass=acmePerson)))", vec![]),
    ] {
        assert_eq!(fixture.find(filter), expected, "{filter}");
    }
}

#[test]
fn a_filter_may_have_thousands_of_parts() {
    let fixture = little();
    let parts: String = (0..5000).map(|n| format!("(uidNumber={n})")).collect();
    assert_eq!(fixture.find(&format!("(|{parts})")), [3]);
    assert_eq!(fixture.find(&format!("(&(cn=ada)(!(|{parts})))")), NOBODY);
    let parts: String = (0..5000)
        .map(|n| format!("(!(uidNumber={}))", n + 2000))
        .collect();
    assert_eq!(fixture.find(&format!("(&(uidNumber=*){parts})")), [3]);
}
