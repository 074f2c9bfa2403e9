"""A small OpenID provider with keys of its own, on a free port of loopback: a real peer for the tests.

It knows one user and one client; whoever asks it to authorize is logged in already. It speaks discovery,
keys, authorization codes with PKCE, the grants for passwords and clients, introspection and userinfo.

Source: OpenID Connect Core 1.0 and Discovery 1.0; RFC 6749, 7636, 7662."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "cloud", "between us"
USER, PASSWORD = "alice", "her password"
PERSON = {
    "sub": "alice-1",
    "preferred_username": "alice",
    "email": "alice@acme.example",
    "groups": ["a", "b"],
}


class Provider:
    """The provider; a test may change its key, its claims, and see what it was asked."""

    def __init__(self) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.client_secret = SECRET
        self.key, self.key_id = self.new_key(), "one"
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.changed: dict[str, Any] = {}
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Provider:
        self.thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @staticmethod
    def new_key() -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    def token(self, key: Any = None, algorithm: str = "RS256", key_id: str | None = "", **claims: Any) -> str:
        """An access or id token, with claims as asked; None takes one away."""
        now = int(time.time())
        said = PERSON | {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300}
        said = {name: value for name, value in (said | self.changed | claims).items() if value is not None}
        headers = {"kid": self.key_id if key_id == "" else key_id}
        return jwt.encode(said, key or self.key, algorithm, {k: v for k, v in headers.items() if v})

    # what it answers

    def answer(self, path: str, query: dict[str, str], form: dict[str, str], authorization: str) -> tuple:
        self.asked.append(path)
        if path == "/.well-known/openid-configuration":
            names = ("authorization", "token", "introspection", "userinfo")
            urls = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in names}
            return 200, urls | {"issuer": self.issuer, "jwks_uri": self.issuer + "/keys"}
        if path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
            return 200, {"keys": [key | {"kid": self.key_id, "use": "sig", "alg": "RS256"}]}
        if path == "/authorization":
            return self._authorize(query)
        if path == "/userinfo":
            return 200, {"sub": PERSON["sub"], "department": "sales"}
        if self._client(form, authorization) != (CLIENT, self.client_secret):
            return 401, {"error": "invalid_client"}
        if path == "/introspection":
            good = form.get("token") == "opaque"
            return 200, PERSON | {"active": True, "client_id": CLIENT, "exp": time.time() + 60} if good else {
                "active": False
            }
        return self._grant(form)

    def _authorize(self, query: dict[str, str]) -> tuple:
        code = uuid.uuid4().hex
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"]})
        return 302, f"{query['redirect_uri']}?{back}"

    def _grant(self, form: dict[str, str]) -> tuple:
        granted = {"access_token": self.token(), "token_type": "Bearer"}
        match form.get("grant_type"):
            case "password" if (form["username"], form["password"]) == (USER, PASSWORD):
                return 200, granted
            case "client_credentials":
                return 200, granted
            case "authorization_code":
                asked = self.codes.pop(form["code"], None)
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
                if asked is None or asked["code_challenge"] != challenge:
                    return 400, {"error": "invalid_grant"}
                if asked["redirect_uri"] != form["redirect_uri"]:
                    return 400, {"error": "invalid_grant"}
                return 200, granted | {"id_token": self.token(nonce=asked["nonce"])}
        return 400, {"error": "invalid_grant"}

    @staticmethod
    def _client(form: dict[str, str], authorization: str) -> tuple[str, str]:
        if authorization.startswith("Basic "):
            name, _, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            return unquote_plus(name), unquote_plus(secret)
        return form.get("client_id", ""), form.get("client_secret", "")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:  # noqa: N802 - the base class's word
                parts = urlsplit(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                form = dict(parse_qsl(self.rfile.read(size).decode()))
                authorization = self.headers.get("Authorization", "")
                code, said = provider.answer(parts.path, dict(parse_qsl(parts.query)), form, authorization)
                content = b"" if code == 302 else json.dumps(said).encode()
                self.send_response(code)
                if code == 302:
                    self.send_header("Location", said)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 - the base class's word

            def log_message(self, *words: object) -> None:
                """Tests see what was asked in `asked`."""

        return Handler
