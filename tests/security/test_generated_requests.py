"""Twenty thousand requests to each service, generated from its OpenAPI document: none makes it fail, and all
that are refused are refused in words.

`python -m tests.security.test_generated_requests` shows how many were asked, how they ended and how long it
took.
"""

from __future__ import annotations

import os

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed (pip install monostack[test])")

from tests.security import generated  # noqa: E402

ENOUGH = {"identity": 20000, "image": 20000, "placement": 4000}


@pytest.fixture(scope="module")
def found() -> dict[str, generated.Found]:
    return generated.ask_all(ENOUGH)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("service", ENOUGH)
def test_no_generated_request_breaks_a_service_or_its_manners(found, service):
    assert found[service].asked >= ENOUGH[service]
    assert found[service].codes[200] > 50
    assert not found[service].wrong, "\n".join(found[service].wrong[:40])


if __name__ == "__main__":
    for service, each in generated.ask_all(ENOUGH).items():
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(each.codes.items()))
        print(
            f"{service}: {each.asked} different requests to {each.operations} operations",
            f"in {each.seconds:.0f} s by {os.cpu_count()} processes ({each.generating:.0f} s generating);",
            codes,
        )
        print("\n".join(each.wrong[:20]))
