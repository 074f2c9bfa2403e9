"""What a token with access rules may be used for."""

import pytest

from monostack.kit.access_rules import allow


def rule(path, method="GET", service="compute"):
    return {"service": service, "method": method, "path": path}


@pytest.mark.parametrize(
    ("path", "fitting", "others"),
    [
        ("/v2.1/servers", ["/v2.1/servers"], ["/v2.1/servers/", "/v2.1/servers/a", "/v2x1/servers", "/v2.1"]),
        ("/v2.1/servers/*", ["/v2.1/servers/a"], ["/v2.1/servers/", "/v2.1/servers/a/b", "/v2.1/servers"]),
        ("/v2.1/servers/{id}/ips", ["/v2.1/servers/a/ips"], ["/v2.1/servers/a/b/ips", "/v2.1/servers//ips"]),
        ("/v2.1/**", ["/v2.1/", "/v2.1/a", "/v2.1/a/b/c"], ["/v2.1", "/v2/a"]),
        ("/v2.1/**/ips", ["/v2.1/a/ips", "/v2.1/a/b/ips"], ["/v2.1/a/ips/b"]),
        ("/a(b)+[c]", ["/a(b)+[c]"], ["/abbc"]),
        ("/a\nb", ["/a\nb"], ["/a"]),
    ],
)
def test_paths_with_places(path, fitting, others):
    for asked in fitting:
        assert allow([rule(path)], "compute", "GET", asked), asked
    for asked in others:
        assert not allow([rule(path)], "compute", "GET", asked), asked


def test_service_and_method_count():
    rules = [rule("/v2.1/servers"), rule("/v3/volumes", "POST", "volumev3")]
    assert allow(rules, "volumev3", "POST", "/v3/volumes")
    assert not allow(rules, "volumev3", "GET", "/v3/volumes")
    assert not allow(rules, "compute", "HEAD", "/v2.1/servers")
    assert not allow(rules, "network", "GET", "/v2.1/servers")
    assert not allow([], "compute", "GET", "/v2.1/servers")


def test_one_of_the_spellings_of_a_path_is_enough():
    assert allow([rule("/compute/v2.1/servers")], "compute", "GET", "/v2.1/servers", "/compute/v2.1/servers")


def test_a_rule_full_of_wildcards_is_judged_like_any_other():
    """A regular expression would try the ways to share out the letters one by one, and not end."""
    rules = [{"service": "compute", "method": "GET", "path": "/" + "**a" * 42}]
    assert not allow(rules, "compute", "GET", "/" + "a" * 2000 + "b")
    assert allow(rules, "compute", "GET", "/" + "ab" * 50 + "a")
    rules = [{"service": "compute", "method": "GET", "path": "/" + "{x}" * 40}]
    assert not allow(rules, "compute", "GET", "/" + "a" * 2000 + "/")
    assert allow(rules, "compute", "GET", "/" + "a" * 40)
