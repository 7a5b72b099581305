"""A Samba AD domain controller on a loopback address, for tests and manual trials.

    /usr/bin/python3 tests/ad/dc.py up DIR [--address 127.0.0.40] [--users 300] [--bulk 1600]
    /usr/bin/python3 tests/ad/dc.py start|stop|kill|down DIR
    /usr/bin/python3 tests/ad/dc.py serve DIR ...    what the tests use: requests and answers as JSON lines
                                            on stdin and stdout, everything ends with stdin

Needs root (ports below 1024) and the packages of tests/packages.txt. Everything lives in DIR;
nothing outside of it is touched. DIR/manifest.json names the address, accounts and passwords.
"""

import argparse
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

# Python would leave its byte code beside the sources.
sys.dont_write_bytecode = True

REALM = "CORP.EXAMPLE.COM"
NETBIOS = "CORP"
DOMAIN = "corp.example.com"
BASE = "DC=corp,DC=example,DC=com"
HOST = f"dc1.{DOMAIN}"
ADMIN_PASSWORD = "Adm1n-Loopback!"
START_DEADLINE = 60.0
STOP_DEADLINE = 10.0

SMB_CONF = """\
[global]
netbios name = DC1
realm = {realm}
workgroup = {netbios}
server role = active directory domain controller
server services = rpc, ldap, cldap, kdc, drepl, dns
dcerpc endpoint servers = epmapper, samr, netlogon, lsarpc, drsuapi, dssetup
interfaces = {address}/8
bind interfaces only = yes
private dir = {state}/private
lock directory = {state}/lock
state directory = {state}/state
cache directory = {state}/cache
pid directory = {state}/pid
ncalrpc dir = {state}/ncalrpc
ntp signd socket directory = {state}/ntp_signd
winbindd socket directory = {state}/winbindd
prefork children = 2
ldap server require strong auth = allow_sasl_over_tls
tls enabled = yes
tls keyfile = {state}/tls/server.key
tls certfile = {state}/tls/server.crt
tls cafile = {state}/tls/ca.crt
idmap_ldb:use rfc2307 = yes
dns forwarder =
load printers = no
printing = bsd
printcap name = /dev/null
disable spoolss = yes
log level = 1
{attributes}

[sysvol]
path = {state}/state/sysvol
read only = no
"""

KRB5_CONF = """\
[libdefaults]
default_realm = {realm}
dns_lookup_realm = false
dns_lookup_kdc = false
rdns = false
[realms]
{realm} = {{
  kdc = {address}
  admin_server = {address}
}}
[domain_realm]
.{domain} = {realm}
{domain} = {realm}
"""


class DomainController:
    """One domain controller whose whole state is the directory `state`."""

    def __init__(self, state, address=None):
        self.state = Path(state).resolve()
        self.address = address
        if address is None and self.manifest_path.exists():
            self.address = json.loads(self.manifest_path.read_text())["address"]

    @property
    def manifest_path(self):
        return self.state / "manifest.json"

    @property
    def sam(self):
        return self.state / "private" / "sam.ldb"

    @property
    def smb_conf(self):
        return self.state / "etc" / "smb.conf"

    @property
    def log(self):
        return self.state / "samba.log"

    def provision(self, backend="tdb"):
        """Makes certificates and an empty domain."""
        self.state.mkdir(parents=True, exist_ok=True)
        if self.address is None:
            self.address = free_address()
        make_certificates(self.state / "tls", self.address)
        # Where files carry no extended attributes (tmpfs), samba keeps them in a file of its own.
        attributes = "" if has_attributes(self.state) else f"posix:eadb={self.state}/eadb.tdb"
        run(
            "samba-tool", "domain", "provision",
            "--configfile=/dev/null", f"--targetdir={self.state}",
            f"--realm={REALM}", f"--domain={NETBIOS}", "--host-name=dc1",
            f"--host-ip={self.address}", "--server-role=dc", "--use-rfc2307",
            "--dns-backend=SAMBA_INTERNAL", f"--adminpass={ADMIN_PASSWORD}",
            f"--backend-store={backend}",
            f"--option=interfaces={self.address}/8",
            "--option=bind interfaces only=yes",
            *([f"--option={attributes}"] if attributes else []),
        )
        names = {
            "state": self.state, "address": self.address, "realm": REALM,
            "netbios": NETBIOS, "domain": DOMAIN, "attributes": attributes.replace("=", " = "),
        }
        self.smb_conf.write_text(SMB_CONF.format(**names))
        (self.state / "krb5.conf").write_text(KRB5_CONF.format(**names))
        # With no name service at hand, clients of Kerberos read this through libnss-wrapper.
        (self.state / "hosts").write_text(f"{self.address} {HOST} {DOMAIN}\n")

    def start(self):
        """Starts the processes in a group of their own and waits until an LDAPS bind works."""
        environment = dict(os.environ, KRB5_CONFIG=str(self.state / "krb5.conf"))
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                ["samba", "--foreground", f"--configfile={self.smb_conf}", "--debug-stdout"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, start_new_session=True,
            )
        # samba overwrites its command line: it is known by pid and start time.
        self.pid_path.write_text(f"{process.pid} {start_time(process.pid)}")
        deadline = time.monotonic() + START_DEADLINE
        while True:
            if process.poll() is not None:
                raise RuntimeError(f"samba ended with {process.returncode}:\n{tail(self.log)}")
            try:
                bind_once(self.address, self.state / "tls" / "ca.crt")
                return
            except (OSError, BindRefused) as error:
                if time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"no LDAPS bind: {error}\n{tail(self.log)}") from error
                time.sleep(0.05)

    def stop(self):
        """Ends the processes: TERM, and KILL for what does not follow."""
        self._end(signal.SIGTERM)

    def kill(self):
        """Ends the processes at once, as a power cut would."""
        self._end(signal.SIGKILL)

    @property
    def pid_path(self):
        return self.state / "samba.pid"

    def _end(self, first):
        if not self.pid_path.exists():
            return
        pid, started = self.pid_path.read_text().split()
        pid = int(pid)
        if start_time(pid) == started:
            signal_group(pid, first)
            if not wait_for_group(pid, STOP_DEADLINE):
                signal_group(pid, signal.SIGKILL)
                wait_for_group(pid, STOP_DEADLINE)
        self.pid_path.unlink()


def free_address():
    """A loopback address on which nobody listens."""
    while True:
        address = "127.{}.{}.{}".format(*(random.randint(1, 254) for _ in range(3)))
        try:
            for port in (53, 88, 389, 636):
                with socket.socket() as probe:
                    probe.bind((address, port))
            return address
        except OSError:
            continue


def has_attributes(directory):
    """Whether files here can have the extended attributes samba uses."""
    try:
        for name in ("user.adduct", "security.adduct"):
            os.setxattr(directory, name, b"1")
            os.removexattr(directory, name)
        return True
    except OSError:
        return False


def make_certificates(directory, address):
    """A certification authority and a server certificate for the names of the controller."""
    directory.mkdir(parents=True, exist_ok=True)
    names = f"DNS:{HOST},DNS:{DOMAIN},DNS:localhost,IP:{address}"
    (directory / "extensions").write_text(
        f"subjectAltName={names}\nextendedKeyUsage=serverAuth\nbasicConstraints=CA:FALSE\n"
    )
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *key, "-days", "30", "-subj", "/CN=Corp test CA",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", directory / "ca.key", "-out", directory / "ca.crt")
    run("openssl", "req", *key, "-subj", f"/CN={HOST}",
        "-keyout", directory / "server.key", "-out", directory / "server.csr")
    run("openssl", "x509", "-req", "-days", "30", "-in", directory / "server.csr",
        "-CA", directory / "ca.crt", "-CAkey", directory / "ca.key", "-CAcreateserial",
        "-extfile", directory / "extensions", "-out", directory / "server.crt")
    # samba refuses a key that others can read.
    (directory / "server.key").chmod(0o600)


class BindRefused(Exception):
    """The server answered, but not with success."""


def bind_once(address, ca_file):
    """One simple bind over LDAPS as the administrator."""
    name = f"Administrator@{DOMAIN}".encode()
    password = ADMIN_PASSWORD.encode()
    bind = tlv(0x02, b"\x03") + tlv(0x04, name) + tlv(0x80, password)
    message = tlv(0x30, tlv(0x02, b"\x01") + tlv(0x60, bind))
    context = ssl.create_default_context(cafile=str(ca_file))
    with socket.create_connection((address, 636), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as connection:
            connection.sendall(message)
            answer = connection.recv(4096)
    if b"\x0a\x01\x00" not in answer[:20]:
        raise BindRefused(answer.hex())


def tlv(tag, content):
    """One BER element with a short length."""
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def run(*arguments):
    result = subprocess.run(
        [str(a) for a in arguments], capture_output=True, text=True, check=False
    )
    if result.returncode != 0:
        raise RuntimeError(f"{arguments[0]} {arguments[1]}: {result.stdout}{result.stderr}")


def start_time(pid):
    """Start of the process in clock ticks, as text; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is the command in parentheses and may hold blanks.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def signal_group(group, number):
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        pass


def wait_for_group(group, seconds):
    """Waits until no process of the group is left; false when there still is one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.waitpid(group, os.WNOHANG)
        except ChildProcessError:
            pass
        if not group_lives(group):
            return True
        time.sleep(0.02)
    return False


def group_lives(group):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[2] == str(group) and fields[0] != "Z":
                return True
    return False


def tail(path, lines=40):
    return "\n".join(Path(path).read_text(errors="replace").splitlines()[-lines:])


def bring_up(options):
    import populate

    dc = DomainController(options.dir, options.address)
    dc.provision(options.backend)
    manifest = populate.populate(dc, options.users, options.bulk, fast=not options.hash)
    dc.manifest_path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False))
    dc.start()
    return dc


def serve(options):
    """Runs one controller for a test: it lives exactly as long as stdin is open."""
    import changes

    dc = None
    # A test that is interrupted sends this to the whole terminal group; the end of stdin says it too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        dc = bring_up(options)
        answer({"ready": str(dc.manifest_path)})
        domain = changes.Domain(dc)
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer({"ok": domain.perform(request)})
            except Exception as error:  # every failure belongs to the caller
                answer({"error": f"{type(error).__name__}: {error}"})
    finally:
        if dc is not None:
            dc.kill()
        shutil.rmtree(options.dir, ignore_errors=True)


def answer(value):
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "start", "stop", "kill", "serve"])
    parser.add_argument("dir")
    parser.add_argument("--address", help="loopback address; default: a free one")
    parser.add_argument("--users", type=int, default=300, help="users in the OU tree")
    parser.add_argument("--bulk", type=int, default=1600, help="members of the big group")
    parser.add_argument("--backend", default="tdb", choices=["tdb", "mdb"],
                        help="mdb for more than 100,000 objects")
    parser.add_argument("--hash", action="store_true",
                        help="let the controller derive all keys (20 ms a user) instead of "
                             "storing the NT hash; needed for Kerberos with AES")
    options = parser.parse_args()
    if options.command == "up":
        dc = bring_up(options)
        print(f"{dc.address} is up: {dc.manifest_path}")
    elif options.command == "serve":
        serve(options)
    else:
        dc = DomainController(options.dir)
        {"start": dc.start, "stop": dc.stop, "kill": dc.kill, "down": dc.stop}[options.command]()
        if options.command == "down":
            shutil.rmtree(dc.state)


if __name__ == "__main__":
    main()
