"""Signatures of OAuth 1, against what the RFC shows and what another implementation makes."""

from types import SimpleNamespace
from urllib.parse import parse_qsl, urlsplit

import pytest
from oauthlib import oauth1

from monostack.identity.oauth1 import signing
from monostack.kit.errors import Error


def request(url, authorization, method="GET"):
    place = urlsplit(url)
    return SimpleNamespace(
        method=method,
        base=f"{place.scheme}://{place.netloc}",
        full_path=place.path,
        pairs=parse_qsl(place.query, keep_blank_values=True),
        header={"authorization": authorization}.get,
    )


EXAMPLE = (
    'OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_token="nnch734d00sl2jdk", '
    'oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131202", oauth_nonce="chapoH", '
    'oauth_signature="MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D"'
)
PHOTOS = "http://photos.example.net/photos?file=vacation.jpg&size=original"


def test_the_example_of_the_rfc():
    """RFC 5849, section 1.2."""
    signed = signing.read(request(PHOTOS, EXAMPLE))
    assert signed.fits("kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
    assert not signed.fits("kd94hf93k423kf44", "pfkkdhi9sl3r4s01")
    assert not signed.fits("kd94hf93k423kf44")


def test_the_base_string_of_the_rfc():
    """RFC 5849, section 3.4.1.1, with the body's parameters among the others."""
    parameters = [
        ("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q"),
        ("oauth_consumer_key", "9djdj82h48djs9d2"), ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"), ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ]  # fmt: skip
    assert signing.base_string("POST", "http://EXAMPLE.COM:80/request", parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26"
        "c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26"
        "oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


@pytest.mark.parametrize(
    "method", [oauth1.SIGNATURE_HMAC, oauth1.SIGNATURE_HMAC_SHA256, oauth1.SIGNATURE_HMAC_SHA512]
)
@pytest.mark.parametrize("url", ["http://h:5000/v3/x", "https://h/v3/x?b=%C3%A4&a=1&a=%20", "http://h:80/"])
def test_what_another_implementation_signs(method, url):
    client = oauth1.Client(
        "key", "a secret & more", "token", "ü+%", signature_method=method, verifier="v", realm="r"
    )
    headers = client.sign(url, "POST")[1]
    signed = signing.read(request(url, headers["Authorization"], "POST"))
    assert signed.fits("a secret & more", "ü+%")
    assert not signed.fits("a secret & more", "u+%")
    moved = signing.read(request(url + "y", headers["Authorization"], "POST"))
    assert not moved.fits("a secret & more", "ü+%")


@pytest.mark.parametrize(
    ("changed", "to", "words"),
    [
        ("OAuth ", "Basic ", "scheme OAuth"),
        ('oauth_nonce="chapoH", ', "", "oauth_nonce"),
        ('oauth_nonce="chapoH"', 'oauth_nonce=""', "oauth_nonce"),
        ('oauth_nonce="chapoH"', "oauth_nonce=chapoH", "oauth_nonce"),
        ('oauth_nonce="chapoH"', 'oauth_token="again"', "oauth_token"),
        ("HMAC-SHA1", "PLAINTEXT", "oauth_signature_method"),
        ("HMAC-SHA1", "RSA-SHA1", "oauth_signature_method"),
        ('"137131202"', '"now"', "oauth_timestamp"),
        ('"137131202"', '"-5"', "oauth_timestamp"),
        ("realm", 'oauth_version="2.0", realm', "oauth_version"),
    ],
)
def test_what_is_no_signed_request_is_told(changed, to, words):
    assert changed in EXAMPLE
    with pytest.raises(Error) as refusal:
        signing.read(request(PHOTOS, EXAMPLE.replace(changed, to, 1)))
    assert refusal.value.code == 400
    assert words in refusal.value.message
