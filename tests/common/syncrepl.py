"""Keeps a copy of a content by RFC 4533, with python-ldap's consumer.

Arguments: URL, base, filter, mode. Prints a line of JSON with the copy whenever the server says
that it is complete, and "end" when a refreshOnly search is over or the connection is lost. Then it
reads the next URL from standard input, and goes on with the cookie it has.
"""

import json
import sys

import ldap
import ldap.ldapobject
import ldap.syncrepl


class Consumer(ldap.ldapobject.SimpleLDAPObject, ldap.syncrepl.SyncreplConsumer):
    def __init__(self, uri, state):
        super().__init__(uri)
        self.state = state
        self.present = set()

    def syncrepl_get_cookie(self):
        return self.state["cookie"]

    def syncrepl_set_cookie(self, cookie):
        self.state["cookie"] = cookie
        self.tell()

    def syncrepl_refreshdone(self):
        self.tell()

    def syncrepl_entry(self, dn, attributes, uuid):
        self.state["told"] += 1
        values = {
            name.lower(): sorted(value.decode() for value in values)
            for name, values in attributes.items()
        }
        self.state["entries"][uuid] = [dn, values]

    def syncrepl_delete(self, uuids):
        for uuid in uuids:
            self.state["entries"].pop(uuid, None)

    def syncrepl_present(self, uuids, refreshDeletes=False):
        if uuids is not None:
            self.present.update(uuids)
            return
        if not refreshDeletes:
            entries = self.state["entries"]
            self.state["entries"] = {
                uuid: entry for uuid, entry in entries.items() if uuid in self.present
            }
        self.present = set()

    def tell(self):
        print(json.dumps(self.state), flush=True)
        self.state["told"] = 0


def main():
    url, base, filter, mode = sys.argv[1:]
    state = {"cookie": None, "entries": {}, "told": 0}
    while url:
        try:
            consumer = Consumer(url, state)
            message = consumer.syncrepl_search(
                base, ldap.SCOPE_SUBTREE, mode, filterstr=filter, attrlist=["*", "memberOf"]
            )
            while consumer.syncrepl_poll(msgid=message):
                pass
        except (ldap.SERVER_DOWN, ldap.UNAVAILABLE) as error:
            print(error, file=sys.stderr)
        print('"end"', flush=True)
        url = sys.stdin.readline().strip()


main()
