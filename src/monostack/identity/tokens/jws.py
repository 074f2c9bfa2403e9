"""Tokens signed with ES256: everybody may read them, and whoever has the public keys may check them.

What is signed is a JWT with the claims that keystone uses, and one of ours: the epoch. Only one private key
signs; every file in the folder of public keys is believed, so that machines may each have a key of their
own and a key may be changed while its tokens live. Nothing but ES256 is believed, whatever a token's header
says.

Source: RFC 7515 (JWS), RFC 7518 section 3.4 (ES256), RFC 7519 (JWT); identity's administration guide, "JWS
tokens"."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from monostack.identity.tokens.claims import Claims, spelled, unspelled
from monostack.identity.tokens.keys import Refused, make_folder, write

PRIVATE = "private/private.pem"
PUBLIC = "public"
ES256 = ec.ECDSA(hashes.SHA256())
HEADER = spelled(b'{"typ":"JWT","alg":"ES256"}')
SIZE = 32
MILLION = 1_000_000

PREFIX = "openstack_"
METHODS, AUDIT_IDS = PREFIX + "methods", PREFIX + "audit_ids"
TRUST, CREDENTIAL = PREFIX + "trust_id", PREFIX + "app_cred_id"
SCOPE_CLAIMS = {"system": PREFIX + "system", "project": PREFIX + "project_id", "domain": PREFIX + "domain_id"}
EPOCH = "monostack_epoch"
OURS = frozenset((METHODS, AUDIT_IDS, TRUST, CREDENTIAL, *SCOPE_CLAIMS.values()))


class _Header(msgspec.Struct):
    alg: str
    typ: str = "JWT"


_header = msgspec.json.Decoder(_Header).decode
_body = msgspec.json.Decoder(dict[str, Any]).decode


class JwsTokens:
    """The provider `jws`. Keys that are added are seen within a second."""

    strange = "Could not recognize JWS token"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        setup(folder)
        self._looked = 0.0
        self._changed: tuple = ()
        self._look()

    def look_again(self) -> tuple:
        """See changed keys now; what tells them from those before."""
        self._looked = 0.0
        self._look()
        return self._changed

    def seal(self, claims: Claims) -> str:
        """The token of the claims."""
        self._look()
        body: dict[str, Any] = {
            "sub": claims.user_id,
            "iat": claims.issued // MILLION,
            "exp": claims.expires // MILLION,
            METHODS: claims.methods,
            AUDIT_IDS: claims.audit_ids,
        }
        if claims.scope in SCOPE_CLAIMS:
            body[SCOPE_CLAIMS[claims.scope]] = claims.target_id or "all"
        for name, value in ((TRUST, claims.trust_id), (CREDENTIAL, claims.credential_id)):
            if value is not None:
                body[name] = value
        if claims.epoch:
            body[EPOCH] = claims.epoch
        body |= {PREFIX + name: value for name, value in claims.more.items()}
        signed = f"{HEADER}.{spelled(msgspec.json.encode(body))}"
        r, s = decode_dss_signature(self._private.sign(signed.encode(), ES256))
        return f"{signed}.{spelled(r.to_bytes(SIZE, 'big') + s.to_bytes(SIZE, 'big'))}"

    def unseal(self, token: str) -> Claims | None:
        """What the token says; None when it is not ours. Nothing is said about its being valid."""
        self._look()
        try:
            header, body, signature = token.encode("ascii").split(b".")
            if _header(unspelled(header.decode())).alg != "ES256":
                return None
            if not self._signed(header + b"." + body, unspelled(signature.decode())):
                return None
            return _claims(_body(unspelled(body.decode())))
        except (ValueError, KeyError, TypeError, msgspec.MsgspecError):
            return None

    def _signed(self, data: bytes, signature: bytes) -> bool:
        """Whether one of the public keys bears the signature."""
        if len(signature) != 2 * SIZE:
            return False
        r, s = (int.from_bytes(half, "big") for half in (signature[:SIZE], signature[SIZE:]))
        standard = encode_dss_signature(r, s)
        for key in self._public:
            try:
                key.verify(standard, data, ES256)
            except InvalidSignature:
                continue
            return True
        return False

    def _look(self) -> None:
        now = time.monotonic()
        if self._changed and now - self._looked < 1.0:
            return
        files = [self.folder / PRIVATE, *_public_files(self.folder)]
        try:
            changed = tuple((str(file), file.stat().st_mtime_ns) for file in files)
            if changed != self._changed:
                private = serialization.load_pem_private_key(files[0].read_bytes(), None)
                public = [serialization.load_pem_public_key(file.read_bytes()) for file in files[1:]]
                self._private, self._public = _p256(private), [_p256(key) for key in public]
                self._changed = changed
        except FileNotFoundError:
            if not self._changed:
                raise
        self._looked = now


def setup(folder: Path) -> bool:
    """Make the first pair of keys, or the public half that is missing; whether anything was made."""
    if not (folder / PRIVATE).exists():
        create(folder)
        return True
    if _public_files(folder):
        return False
    _write_public(folder, _p256(serialization.load_pem_private_key((folder / PRIVATE).read_bytes(), None)))
    return True


def create(folder: Path, force: bool = False) -> Path:
    """A new pair of keys; the public one's file, which is there before the private one signs. With `force`
    the new private key takes the place of the old one, whose public half stays as long as its tokens
    live."""
    if (folder / PRIVATE).exists() and not force:
        raise Refused(f"{folder / PRIVATE} exists already. Say --force to sign with a new key from now on.")
    make_folder(folder)
    make_folder((folder / PRIVATE).parent)
    private = ec.generate_private_key(ec.SECP256R1())
    place = _write_public(folder, private)
    form, unlocked = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    write(folder / PRIVATE, private.private_bytes(serialization.Encoding.PEM, form, unlocked))
    return place


def _write_public(folder: Path, private: ec.EllipticCurvePrivateKey) -> Path:
    """Write the public half under a name that tells it from all others."""
    make_folder(folder / PUBLIC)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = private.public_key().public_bytes(serialization.Encoding.PEM, form)
    place = folder / PUBLIC / f"{hashlib.sha256(public).hexdigest()[:16]}.pem"
    write(place, public)
    return place


def _public_files(folder: Path) -> list[Path]:
    return sorted((folder / PUBLIC).glob("*.pem")) if (folder / PUBLIC).is_dir() else []


def _p256(key: Any) -> Any:
    if not isinstance(getattr(key, "curve", None), ec.SECP256R1):
        raise ValueError("A key in jws-keys is not of the curve P-256, which ES256 needs.")
    return key


def _claims(body: dict[str, Any]) -> Claims:
    """The claims of a body that we signed; raises KeyError or TypeError for one of another form."""
    scope = next((scope for scope, name in SCOPE_CLAIMS.items() if name in body), "unscoped")
    target = body[SCOPE_CLAIMS[scope]] if scope in ("project", "domain") else None
    audit_ids = body[AUDIT_IDS]
    return Claims(
        user_id=body["sub"],
        methods=tuple(body[METHODS]),
        scope=scope,
        target_id=target,
        issued=body["iat"] * MILLION,
        expires=body["exp"] * MILLION,
        audit_id=audit_ids[0],
        chain_id=audit_ids[-1],
        credential_id=body.get(CREDENTIAL),
        trust_id=body.get(TRUST),
        epoch=body.get(EPOCH, 0),
        more={
            name.removeprefix(PREFIX): value
            for name, value in body.items()
            if name.startswith(PREFIX) and name not in OURS
        },
    )
