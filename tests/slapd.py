"""A directory of the tests' own: slapd on a free port of loopback, its files in a temporary folder.

It runs as a copy of the program, because some systems let the installed one read only the system's own
directories."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAM = Path("/usr/sbin/slapd")
SUFFIX = "dc=example,dc=org"
READER, READERS_PASSWORD = f"cn=reader,{SUFFIX}", "reads (all) of it"
ADMIN, ADMINS_PASSWORD = f"cn=admin,{SUFFIX}", "writes"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/pid
{tls}
database mdb
maxsize 10485760
suffix "{suffix}"
rootdn "{admin}"
rootpw {admins_password}
directory {folder}/data
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{reader}" read by * none
"""
PEOPLE = ("alice", "bob", "carol", "dave", "erin")
TREE = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: {READER}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: {READERS_PASSWORD}

dn: ou=people,{SUFFIX}
objectClass: organizationalUnit
ou: people

dn: ou=circles,{SUFFIX}
objectClass: organizationalUnit
ou: circles

"""


def person(name: str, **more: str) -> str:
    """A user in LDIF; the password is the name backwards."""
    lines = {
        "cn": name,
        "sn": name.title(),
        "uid": name,
        "mail": f"{name}@example.org",
        "userPassword": name[::-1],
        "employeeType": "TRUE",
        "employeeNumber": "512",
    } | more
    said = "\n".join(f"{attribute}: {value}" for attribute, value in lines.items())
    return f"dn: uid={name},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\n{said}\n\n"


def circle(name: str, *members: str) -> str:
    """A group in LDIF."""
    said = "\n".join(f"member: uid={member},ou=people,{SUFFIX}" for member in members)
    where = f"cn={name},ou=circles,{SUFFIX}"
    about = f"cn: {name}\nou: {name}\ndescription: those of {name}"
    return f"dn: {where}\nobjectClass: groupOfNames\n{about}\n{said}\n\n"


class Slapd:
    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="monostack-slapd-", dir="/dev/shm"))
        self.program = self.folder / "slapd"
        shutil.copy(PROGRAM, self.program)
        self.port, self.secure_port = _free_port(), _free_port()
        self.process: subprocess.Popen | None = None
        (self.folder / "data").mkdir()
        self._certificates()
        self._configure()
        self._fill()

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def secure_url(self) -> str:
        return f"ldaps://127.0.0.1:{self.secure_port}"

    def start(self) -> None:
        listen = f"{self.url} {self.secure_url}"
        command = [str(self.program), "-f", str(self.folder / "slapd.conf"), "-h", listen, "-d", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < until, "slapd does not start"
                time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def change(self, function) -> None:
        """`function(connection)`, as the directory's administrator."""
        import ldap3

        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        with ldap3.Connection(
            server, ADMIN, ADMINS_PASSWORD, auto_bind=True, check_names=False
        ) as connection:
            function(connection)
            assert connection.result["result"] == 0, connection.result

    def _configure(self) -> None:
        tls = "\n".join(
            f"{word} {self.folder / name}"
            for word, name in (("TLSCertificateFile", "cert.pem"), ("TLSCertificateKeyFile", "key.pem"))
        )
        (self.folder / "slapd.conf").write_text(
            CONFIGURATION.format(
                folder=self.folder,
                tls=tls,
                suffix=SUFFIX,
                admin=ADMIN,
                admins_password=ADMINS_PASSWORD,
                reader=READER,
            )
        )

    def _fill(self) -> None:
        ldif = (
            TREE
            + "".join(person(name) for name in PEOPLE)
            + person("frank", employeeType="FALSE", employeeNumber="514")
        )
        ldif += circle("red", "alice", "bob") + circle("blue", "carol")
        file = self.folder / "tree.ldif"
        file.write_text(ldif)
        # slapadd is slapd under another name
        add = self.folder / "slapadd"
        add.symlink_to(self.program)
        command = [str(add), "-q", "-f", str(self.folder / "slapd.conf"), "-l", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def _certificates(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
            )
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        (self.folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.folder / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    @property
    def certificate(self) -> str:
        return str(self.folder / "cert.pem")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
