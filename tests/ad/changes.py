"""Changes to the domain, one request at a time, and an independent look at what it holds.

A request is an object with "do" and the arguments of the method of that name in `Domain`.
Everything is read by ordinary searches of the controller's own database, never by DirSync.
"""

import base64
import time

from samba import dsdb
from samba.ndr import ndr_unpack
from samba.dcerpc import misc

import ldb

import churn
import populate

DELETED = ["show_deleted:1", "show_recycled:1"]


class Domain:
    """What a test may do with its domain controller."""

    def __init__(self, dc):
        self.dc = dc
        self.sam = populate.open_sam(dc)
        self.base = populate.BASE

    def perform(self, request):
        method = getattr(self, request.pop("do"))
        return method(**request)

    # The process.

    def start(self):
        self.dc.start()

    def stop(self):
        self.dc.stop()

    def kill(self):
        self.dc.kill()

    def log(self):
        return self.dc.log.read_text(errors="replace")[-20_000:]

    # Objects.

    def add_user(self, dn, sam, password=None, attributes=None):
        """A user; without a password he is disabled, as AD makes him."""
        message = {"dn": dn, "objectClass": "user", "sAMAccountName": sam, **(attributes or {})}
        if password is not None:
            message["unicodePwd"] = quoted(password)
            message["userAccountControl"] = "512"
        self.sam.add(message)

    def add_group(self, dn, sam, kind=-2147483646, attributes=None):
        self.sam.add({
            "dn": dn, "objectClass": "group", "sAMAccountName": sam, "groupType": str(kind),
            **(attributes or {}),
        })

    def add_unit(self, dn):
        self.sam.add({"dn": dn, "objectClass": "organizationalUnit"})

    def modify(self, dn, how, attribute, values=()):
        """`how` is "add", "delete" or "replace"; values are text."""
        flag = {
            "add": ldb.FLAG_MOD_ADD, "delete": ldb.FLAG_MOD_DELETE,
            "replace": ldb.FLAG_MOD_REPLACE,
        }[how]
        message = ldb.Message(ldb.Dn(self.sam, dn))
        message[attribute] = ldb.MessageElement(list(values), flag, attribute)
        self.sam.modify(message)

    def rename(self, dn, to):
        """Rename or move: `to` is the whole new DN."""
        self.sam.rename(dn, to)

    def delete(self, dn, tree=False):
        self.sam.delete(dn, ["tree_delete:1"] if tree else [])

    def reanimate(self, guid, dn):
        """Brings a deleted object back under this DN, as a restore tool does."""
        message = ldb.Message(ldb.Dn(self.sam, f"<GUID={guid}>"))
        message["isDeleted"] = ldb.MessageElement([], ldb.FLAG_MOD_DELETE, "isDeleted")
        message["dn"] = ldb.MessageElement(dn, ldb.FLAG_MOD_REPLACE, "distinguishedName")
        self.sam.modify(message, controls=DELETED)

    def set_password(self, dn, password, must_change=False):
        self.modify_bytes(dn, "unicodePwd", quoted(password))
        if must_change:
            self.modify(dn, "replace", "pwdLastSet", ["0"])

    def enable(self, dn, enabled):
        control = int(str(self.read(dn, "userAccountControl")[0]))
        control = control & ~2 if enabled else control | 2
        self.modify(dn, "replace", "userAccountControl", [str(control)])

    def unlock(self, dn):
        self.modify(dn, "replace", "lockoutTime", ["0"])

    def primary_group(self, dn, group):
        """Makes a group in which the user is a member his primary group."""
        self.modify(dn, "replace", "primaryGroupID", [populate.rid(self.sam, group)])

    def policy(self, attribute, value):
        """An attribute of the domain itself, such as lockoutThreshold."""
        self.modify(self.base, "replace", attribute, [value])

    def restrict(self, account, right, allowed):
        """Grants or revokes "get-changes" or "deleted-objects" for a service account."""
        sid = populate.object_sid(self.sam, account)
        where, entry = {
            "get-changes": (self.base, f"(OA;;CR;{populate.GET_CHANGES};;{sid})"),
            "deleted-objects": (f"CN=Deleted Objects,{self.base}", f"(A;;RPLC;;;{sid})"),
        }[right]
        (populate.grant if allowed else populate.revoke)(self.sam, where, entry)

    # Many at once.

    def churn(self, seed, count):
        """Random changes of every kind; returns how many of each kind were made."""
        return churn.churn(self, seed, count)

    def bulk_delete(self, count):
        """Deletes that many of the bulk users in one transaction; returns their DNs."""
        found = self.sam.search(
            f"OU=Bulk,{self.base}", ldb.SCOPE_ONELEVEL, "(sAMAccountName=bulk*)", attrs=["name"]
        )
        names = [str(m.dn) for m in found][:count]
        self.sam.transaction_start()
        for name in names:
            self.sam.delete(name)
        self.sam.transaction_commit()
        return names

    # Looking.

    def dump(self, attributes=("*",)):
        """Every user, group and container with all values in Base64."""
        found = self.sam.search(
            self.base, ldb.SCOPE_SUBTREE,
            "(|(sAMAccountType=805306368)(objectClass=group)(objectClass=organizationalUnit)"
            "(objectClass=container)(objectClass=builtinDomain)(objectClass=domainDNS))",
            attrs=list(attributes),
        )
        return [as_json(message) for message in found]

    def entry(self, dn, attributes=("*",)):
        found = self.sam.search(
            dn, ldb.SCOPE_BASE, attrs=list(attributes), controls=DELETED
        )
        return as_json(found[0])

    def now(self):
        """Seconds since 1970, as this process sees them."""
        return time.time()

    def read(self, dn, attribute):
        found = self.sam.search(dn, ldb.SCOPE_BASE, attrs=[attribute])
        return list(found[0].get(attribute, []))

    def guid(self, dn):
        return str(ndr_unpack(misc.GUID, self.read(dn, "objectGUID")[0]))

    def modify_bytes(self, dn, attribute, value):
        message = ldb.Message(ldb.Dn(self.sam, dn))
        message[attribute] = ldb.MessageElement([value], ldb.FLAG_MOD_REPLACE, attribute)
        self.sam.modify(message)

    def lock(self, dn):
        """Locks the account as five wrong passwords do; lasts a year."""
        ticks = int((time.time() + populate.EPOCH + 365 * 86_400) * populate.TICKS)
        self.modify(dn, "replace", "lockoutTime", [str(ticks)])

    def expire(self, dn, expired):
        """Sets the end of the account to yesterday, or to never."""
        ticks = int((time.time() + populate.EPOCH - 86_400) * populate.TICKS)
        self.modify(dn, "replace", "accountExpires", [str(ticks) if expired else populate.NEVER])

    def fast_password(self, dn, password):
        """Stores the NT hash itself; the date of the change is set as by a reset."""
        message = ldb.Message(ldb.Dn(self.sam, dn))
        digest = populate.md4_hash_blob(password.encode("utf-16-le"))
        ticks = str(int((time.time() + populate.EPOCH) * populate.TICKS))
        message["p"] = ldb.MessageElement([digest], ldb.FLAG_MOD_REPLACE, "unicodePwd")
        message["t"] = ldb.MessageElement([ticks], ldb.FLAG_MOD_REPLACE, "pwdLastSet")
        bypass = [f"local_oid:{dsdb.DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID}:0"]
        self.sam.modify(message, controls=bypass)


def as_json(message):
    attributes = {
        name: [base64.b64encode(bytes(value)).decode() for value in message[name]]
        for name in message.keys() if name != "dn"
    }
    return {"dn": str(message.dn), "attributes": attributes}


def quoted(password):
    return f'"{password}"'.encode("utf-16-le")
