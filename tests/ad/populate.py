"""Fills the domain with people, groups and organizational units as a grown company has them."""

import time

from samba import dsdb
from samba.auth import system_session
from samba.credentials import Credentials
from samba.crypto import md4_hash_blob
from samba.dcerpc import misc, security
from samba.ndr import ndr_pack, ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

import ldb

import dc as controller

BASE = controller.BASE
NEVER = "9223372036854775807"
TICKS = 10_000_000
EPOCH = 11_644_473_600

# RFC 4514 text of the RDN value, for every third user from the beginning. What breaks programs:
# escapes, non-ASCII, blanks that need quoting, and a name that is nothing but digits.
ODD_NAMES = [
    "Smith\\, John", "Jürgen Müller", "O'Brien \\\"Bob\\\"", "Żółć Łódź", "山田 太郎",
    "\\#hash", "a\\+b\\=c\\, d", "back\\\\slash", "semi\\;colon \\<x\\>", "12345",
    "Ünal Şahin", "emoji 😀 face", "R&D (lab)", "star * name", "Élodie D'Été",
]

STATES = [
    "disabled", "account-expired", "must-change", "locked", "password-expired", "no-expire",
    "disabled-and-expired", "smartcard", "no-logon-hours",
]

GET_CHANGES = "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"


def open_sam(dc):
    """The database of the controller itself; works while it runs and while it does not."""
    parameters = LoadParm()
    parameters.load(str(dc.smb_conf))
    credentials = Credentials()
    credentials.guess(parameters)
    return SamDB(
        url=str(dc.sam), session_info=system_session(), lp=parameters, credentials=credentials,
        options=["transaction_index_cache_size:200000"],
    )


def populate(dc, users, bulk, fast=True):
    """Adds everything and returns the manifest."""
    sam = open_sam(dc)
    sid = str(sam.get_domain_sid())
    manifest = {
        "address": dc.address, "base": BASE, "domain": controller.DOMAIN,
        "netbios": controller.NETBIOS, "host": controller.HOST, "domain_sid": sid,
        "ca_file": str(dc.state / "tls" / "ca.crt"),
        "administrator": {
            "dn": f"CN=Administrator,CN=Users,{BASE}", "sam": "Administrator",
            "password": controller.ADMIN_PASSWORD,
        },
        "accounts": {}, "users": [], "groups": [],
    }
    # As administrators set it; Samba's own default never locks and forbids two changes a day.
    modify(sam, BASE, "lockoutThreshold", "5")
    modify(sam, BASE, "minPwdAge", "0")
    add_units(sam)
    add_service_accounts(sam, manifest)
    people = [person(number) for number in range(1, users + 1)]
    crowd = [bulk_person(number) for number in range(1, bulk + 1)]
    for chunk in chunks(people + crowd, 1000):
        sam.transaction_start()
        for user in chunk:
            add_user(sam, user, fast)
        sam.transaction_commit()
    manifest["users"] = people
    manifest["groups"] = add_groups(sam, people, crowd)
    return manifest


def add_units(sam):
    for unit in (
        "OU=Staff", "OU=Engineering,OU=Staff", "OU=Berlin,OU=Engineering,OU=Staff",
        "OU=Sales,OU=Staff", "OU=Contractors", "OU=Groups", "OU=Bulk", "OU=Service",
        "OU=Forschung \\, Entwicklung & Co,OU=Staff",
    ):
        sam.add({"dn": f"{unit},{BASE}", "objectClass": "organizationalUnit"})


PLACES = [
    "OU=Staff", "OU=Engineering,OU=Staff", "OU=Berlin,OU=Engineering,OU=Staff",
    "OU=Sales,OU=Staff", "OU=Contractors", "CN=Users",
    "OU=Forschung \\, Entwicklung & Co,OU=Staff",
]


def person(number):
    """Facts of the user with this number; the same for every run."""
    odd, rest = divmod(number, 3)
    name = f"Person {number:04}"
    if rest == 0 and odd <= len(ODD_NAMES):
        name = ODD_NAMES[odd - 1]
    sam = f"U{number:04}" if number % 5 == 0 else f"u{number:04}"
    if number == 7:
        sam = "jürgen.é"
    state = "normal"
    if number % 10 == 4:
        state = STATES[(number // 10) % len(STATES)]
    # Without attributes of its own, a user's ids come from his SID.
    posix = None
    if number % 10 == 1:
        posix = {
            "uidNumber": str(70000 + number), "gidNumber": "60000",
            "unixHomeDirectory": f"/srv/home/u{number:04}", "loginShell": "/bin/zsh",
        }
    elif number % 10 == 2:
        posix = {"uidNumber": str(70000 + number)}
    return {
        "dn": f"CN={name},{PLACES[number % len(PLACES)]},{BASE}", "sam": sam,
        "upn": f"person{number}@{controller.DOMAIN}" if number % 4 else None,
        "mail": f"person{number}@mail.example.com", "number": number,
        "password": f"Pa-{number:04}-wörd!" if number == 9 else f"Pa-{number:04}-word!",
        "state": state, "posix": posix,
    }


def bulk_person(number):
    return {
        "dn": f"CN=Bulk {number:05},OU=Bulk,{BASE}", "sam": f"bulk{number:05}", "upn": None,
        "mail": None, "number": number, "password": "Bulk-Pa55-word!", "state": "normal",
        "posix": None,
    }


def add_user(sam, user, fast):
    password = user["password"]
    state = user["state"]
    now = int((time.time() + EPOCH) * TICKS)
    control = 0x200
    message = {
        "dn": user["dn"], "objectClass": "user", "sAMAccountName": user["sam"],
        "givenName": f"Given{user['number']}", "sn": f"Family{user['number']}",
        "displayName": f"Display {user['number']}",
        "homeDirectory": f"\\\\files\\home\\{user['number']}",
    }
    if user["upn"]:
        message["userPrincipalName"] = user["upn"]
    if user["mail"]:
        message["mail"] = user["mail"]
        message["telephoneNumber"] = f"+49 30 {user['number']:06}"
        message["department"] = f"Department {user['number'] % 7}"
    message.update(user["posix"] or {})
    if state in ("disabled", "disabled-and-expired"):
        control |= 0x2
    if state in ("account-expired", "disabled-and-expired"):
        message["accountExpires"] = str(now - 86_400 * TICKS)
    if state == "no-expire":
        control |= 0x10000
        message["accountExpires"] = NEVER
    if state == "no-logon-hours":
        message["logonHours"] = bytes(21)
    if state == "smartcard":
        control |= 0x40000
    message["userAccountControl"] = str(control)
    last_set = {"must-change": 0, "password-expired": now - 100 * 86_400 * TICKS}.get(state, now)
    if fast or last_set != now:
        message["unicodePwd"] = md4_hash_blob(password.encode("utf-16-le"))
        message["pwdLastSet"] = str(last_set)
        bypass = [f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"]
        sam.add(message, controls=bypass)
    else:
        message["unicodePwd"] = f'"{password}"'.encode("utf-16-le")
        sam.add(message)
    if state == "locked":
        # A year ahead, so that the lock outlasts every test.
        modify(sam, user["dn"], "lockoutTime", str(now + 365 * 86_400 * TICKS))


def add_groups(sam, people, crowd):
    """Nested, looping, distribution and oddly named groups; returns their facts."""
    by_number = {p["number"]: p["dn"] for p in people}

    def some(step, offset):
        return [dn for number, dn in by_number.items() if number % step == offset]

    groups = []

    def group(name, members=(), kind=-2147483646, place="OU=Groups", **more):
        dn = f"CN={name},{place},{BASE}"
        unescaped = str(ldb.Dn(sam, dn).get_rdn_value())
        fallback = f"group-{len(groups):03}"
        plain = unescaped.isascii() and all(c.isalnum() or c in " -_" for c in unescaped)
        sam.add({
            "dn": dn, "objectClass": "group", "groupType": str(kind),
            "sAMAccountName": unescaped if plain else fallback, **more,
        })
        groups.append({
            "dn": dn, "sam": unescaped if plain else fallback, "kind": kind,
            "gid": more.get("gidNumber"),
        })
        if members:
            message = ldb.Message(ldb.Dn(sam, dn))
            message["member"] = ldb.MessageElement(list(members), ldb.FLAG_MOD_ADD, "member")
            sam.modify(message)
        return dn

    sam.transaction_start()
    for number in range(20):
        group(f"Team {number:02}", some(20, number))
    teams = [f"CN=Team {number:02},OU=Groups,{BASE}" for number in range(20)]
    divisions = [group(f"Division {n}", teams[n * 5:n * 5 + 5]) for n in range(4)]
    group("Linux-Users", divisions[:2] + some(50, 7), gidNumber="60001")
    group("Posix Staff", some(10, 1), gidNumber="60000")
    group("Empty")
    group("Universal", divisions, kind=-2147483640)
    group("Local", some(30, 3), kind=-2147483644)
    group("Newsletter", some(15, 1), kind=2, mail="newsletter@mail.example.com")
    group("Newsletter Universal", some(15, 2), kind=8)
    group("Newsletter Local", some(15, 3), kind=4)
    group("R&D (lab)", some(25, 4))
    group("Comma\\, Group", some(25, 5))
    group("Größe", some(25, 6))
    group("In Staff", some(40, 8), place="OU=Berlin,OU=Engineering,OU=Staff")
    group("Primary Team", kind=-2147483646)
    loop = [group(f"Loop {letter}", some(60, n)) for n, letter in enumerate("ABC")]
    for holder, held in zip(loop, loop[1:] + loop[:1]):
        add_value(sam, holder, "member", held)
    group("Everybody In", [p["dn"] for p in crowd])
    sam.transaction_commit()

    # A user whose primary group is one of his own choice.
    primary = f"CN=Primary Team,OU=Groups,{BASE}"
    if 12 in by_number:
        add_value(sam, primary, "member", by_number[12])
        modify(sam, by_number[12], "primaryGroupID", rid(sam, primary))
    if 3 in by_number and 1 in by_number:
        modify(sam, by_number[3], "manager", by_number[1])
        add_value(sam, f"CN=Domain Admins,CN=Users,{BASE}", "member", by_number[3])
        add_value(sam, f"CN=Remote Desktop Users,CN=Builtin,{BASE}", "member", by_number[3])
    return groups


def add_service_accounts(sam, manifest):
    """Three accounts that differ in what they may replicate."""
    for name in ("svc-adduct", "svc-blind", "svc-plain"):
        dn = f"CN={name},OU=Service,{BASE}"
        password = f"Svc-{name}-1!"
        sam.add({
            "dn": dn, "objectClass": "user", "sAMAccountName": name,
            "userPrincipalName": f"{name}@{controller.DOMAIN}", "userAccountControl": "66048",
            "unicodePwd": f'"{password}"'.encode("utf-16-le"),
        })
        manifest["accounts"][name] = {"dn": dn, "sam": name, "password": password}
    for name in ("svc-adduct", "svc-blind"):
        grant(sam, BASE, f"(OA;;CR;{GET_CHANGES};;{object_sid(sam, name)})")
    users, groups = class_guid(sam, "User"), class_guid(sam, "Group")
    svc = object_sid(sam, "svc-adduct")
    # Password reset, lockout and membership, for what is written back to AD.
    grant(sam, BASE, f"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{users};{svc})")
    for attribute in ("Pwd-Last-Set", "Lockout-Time", "User-Account-Control"):
        grant(sam, BASE, f"(OA;CIIO;RPWP;{class_guid(sam, attribute)};{users};{svc})")
    grant(sam, BASE, f"(OA;CIIO;RPWP;{class_guid(sam, 'Member')};{groups};{svc})")
    grant(sam, f"CN=Deleted Objects,{BASE}", f"(A;;RPLC;;;{svc})")


def grant(sam, dn, ace):
    """Adds one access control entry, given as SDDL."""
    set_acl(sam, dn, lambda text: text if ace in text else insert(text, ace))


def revoke(sam, dn, ace):
    """Takes one access control entry away."""
    set_acl(sam, dn, lambda text: text.replace(ace, ""))


def insert(text, ace):
    """Puts the entry before the first of the discretionary list."""
    at = text.index("(", text.index("D:"))
    return text[:at] + ace + text[at:]


def set_acl(sam, dn, edit):
    domain = security.dom_sid(str(sam.get_domain_sid()))
    controls = ["show_deleted:1", "sd_flags:1:4"]
    found = sam.search(dn, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=controls)
    old = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0]).as_sddl(domain)
    new = security.descriptor.from_sddl(edit(old), domain)
    message = ldb.Message(ldb.Dn(sam, dn))
    message["sd"] = ldb.MessageElement(
        ndr_pack(new), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor"
    )
    sam.modify(message, controls=controls)


def object_sid(sam, name):
    found = sam.search(BASE, ldb.SCOPE_SUBTREE, f"(sAMAccountName={name})", attrs=["objectSid"])
    return str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))


def rid(sam, dn):
    found = sam.search(dn, ldb.SCOPE_BASE, attrs=["objectSid"])
    return str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0])).rpartition("-")[2]


def class_guid(sam, name):
    """schemaIDGUID of a class or an attribute, by the cn of its definition."""
    found = sam.search(
        f"CN={name},CN=Schema,CN=Configuration,{BASE}", ldb.SCOPE_BASE, attrs=["schemaIDGUID"]
    )
    return str(ndr_unpack(misc.GUID, found[0]["schemaIDGUID"][0]))


def modify(sam, dn, attribute, value):
    message = ldb.Message(ldb.Dn(sam, dn))
    message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
    sam.modify(message)


def add_value(sam, dn, attribute, value):
    message = ldb.Message(ldb.Dn(sam, dn))
    message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_ADD, attribute)
    sam.modify(message)


def chunks(items, size):
    for start in range(0, len(items), size):
        yield items[start:start + size]
