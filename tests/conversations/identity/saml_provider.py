"""A small SAML identity provider with a key of its own: a real peer for the tests.

It writes responses as asked, well or badly, and answers a program's request (ECP) over HTTP to whoever knows
the password. Its XML is its own, not the product's.

Source: SAML 2.0 Core and Profiles, section 4.2."""

from __future__ import annotations

import base64
import datetime
import threading
import time
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import quoteattr

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml import CanonicalizationMethod, DigestAlgorithm, SignatureMethod, XMLSigner

USER, PASSWORD = "alice", "her password"
ASSERTION = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL = "urn:oasis:names:tc:SAML:2.0:protocol"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ECP = "urn:oasis:names:tc:SAML:2.0:profiles:SSO:ecp"
ENTITY = "https://idp.partner.example/saml"
ATTRIBUTES = {"uid": ["alice"], "mail": ["alice@partner.example"], "groups": ["a", "b"]}


def stamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def self_signed() -> tuple[bytes, str]:
    key = rsa.generate_private_key(65537, 2048)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    return private, certificate.public_bytes(pem).decode()


class AnySigner(XMLSigner):
    """Signs with old digests, too, as some providers still do."""

    def check_deprecated_methods(self) -> None:
        """All are good enough to be refused."""


class Provider:
    def __init__(self) -> None:
        self.key, self.certificate = self_signed()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Provider:
        self.thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def metadata(self) -> str:
        bare = "".join(line for line in self.certificate.splitlines() if "-----" not in line)
        return f"""<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{ENTITY}">
          <IDPSSODescriptor protocolSupportEnumeration="{PROTOCOL}" WantAuthnRequestsSigned="true">
            <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#">
              <X509Data><X509Certificate>{bare}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
            <SingleSignOnService Location="{self.url}/redirect"
              Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"/>
          </IDPSSODescriptor></EntityDescriptor>"""

    # responses

    def response(
        self,
        recipient: str,
        audience: str | None,
        answers: str | None = None,
        sign: str = "Assertion",
        key: Any = None,
        algorithm: tuple = (SignatureMethod.RSA_SHA256, DigestAlgorithm.SHA256),
        **said: Any,
    ) -> bytes:
        """A response; `said` changes what it says: issuer, until, since, uid, status, method, id."""
        now = time.time()
        until, since = stamp(now + said.get("until", 300)), stamp(now + said.get("since", -5))
        to = f" InResponseTo={quoteattr(answers)}" if answers else ""
        issuer = f"<saml:Issuer>{said.get('issuer', ENTITY)}</saml:Issuer>"
        names = ATTRIBUTES | ({"uid": [said["uid"]]} if "uid" in said else {})
        attributes = "".join(
            f'<saml:Attribute Name="urn:x:{name}" FriendlyName="{name}">'
            + "".join(f"<saml:AttributeValue>{value}</saml:AttributeValue>" for value in values)
            + "</saml:Attribute>"
            for name, values in names.items()
        )
        only = f"<saml:Audience>{audience}</saml:Audience>" if audience else ""
        restriction = f"<saml:AudienceRestriction>{only}</saml:AudienceRestriction>" if audience else ""
        method = said.get("method", "urn:oasis:names:tc:SAML:2.0:cm:bearer")
        ids = {name: said.get("id", "_" + uuid.uuid4().hex) + name for name in ("Response", "Assertion")}
        place = dict.fromkeys(ids, "") | (
            {sign: '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Id="placeholder"/>'}
        )
        status = said.get("status", "urn:oasis:names:tc:SAML:2.0:status:Success")
        text = f"""<samlp:Response xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" Version="2.0"
            ID="{ids['Response']}" IssueInstant="{stamp(now)}" Destination="{recipient}"{to}>{issuer}
          {place['Response']}<samlp:Status><samlp:StatusCode Value="{status}"/></samlp:Status>
          <saml:Assertion xmlns:saml="{ASSERTION}" Version="2.0" ID="{ids['Assertion']}"
              IssueInstant="{stamp(now)}">{issuer}{place['Assertion']}
            <saml:Subject><saml:NameID>{names['uid'][0]}</saml:NameID>
              <saml:SubjectConfirmation Method="{method}"><saml:SubjectConfirmationData
                NotOnOrAfter="{until}" Recipient="{recipient}"{to}/></saml:SubjectConfirmation></saml:Subject>
            <saml:Conditions NotBefore="{since}" NotOnOrAfter="{until}">{restriction}</saml:Conditions>
            <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>
          </samlp:Response>"""
        root = etree.fromstring(text)
        if sign:
            self._sign(root, sign, key or (self.key, self.certificate), algorithm)
        return etree.tostring(root)

    def _sign(self, root: Any, which: str, key: tuple[bytes, str], algorithm: tuple) -> None:
        signer = AnySigner(
            c14n_algorithm=CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0,
            signature_algorithm=algorithm[0],
            digest_algorithm=algorithm[1],
        )
        element = root if which == "Response" else root.find(f"{{{ASSERTION}}}Assertion")
        signed = signer.sign(
            element, key=key[0], cert=key[1], reference_uri=element.get("ID"), id_attribute="ID"
        )
        if which == "Response":
            root[:] = signed[:]
        else:
            root.replace(element, signed)

    # requests

    @staticmethod
    def request_of(url: str) -> dict[str, str]:
        """What a browser brings by HTTP-Redirect: the request's attributes, and RelayState."""
        query = dict(parse_qsl(urlsplit(url).query))
        root = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"]), -15))
        issuer = root.findtext(f"{{{ASSERTION}}}Issuer")
        return query | dict(root.attrib) | {"Issuer": issuer}

    def answer(self, envelope: bytes, authorization: str) -> tuple[int, bytes]:
        """The envelope with the response to the request in an envelope (ECP)."""
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if authorization != f"Basic {expected}":
            return 401, b""
        request = etree.fromstring(envelope).find(f".//{{{PROTOCOL}}}AuthnRequest")
        url = request.get("AssertionConsumerServiceURL")
        issuer = request.findtext(f"{{{ASSERTION}}}Issuer")
        return 200, wrapped(self.response(url, issuer, request.get("ID")), url)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # noqa: N802 - the base class's word
                content = self.rfile.read(int(self.headers["Content-Length"]))
                code, answer = provider.answer(content, self.headers.get("Authorization", ""))
                self.send_response(code)
                self.send_header("Content-Type", "text/xml")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *words: object) -> None:
                """Nobody reads it."""

        return Handler


def wrapped(response: bytes, url: str = "", relay: str = "") -> bytes:
    """A response in an envelope, as a program brings it."""
    header = f'<ecp:Response AssertionConsumerServiceURL="{url}"/>' if url else ""
    header += f"<ecp:RelayState>{relay}</ecp:RelayState>" if relay else ""
    begin = f'<S:Envelope xmlns:S="{SOAP}" xmlns:ecp="{ECP}"><S:Header>{header}</S:Header><S:Body>'
    return begin.encode() + response + b"</S:Body></S:Envelope>"
