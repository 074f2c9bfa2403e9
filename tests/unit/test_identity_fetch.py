"""Asking identity providers: what is kept, what is refused, and that nobody else waits."""

import asyncio
import threading

import pytest

from monostack.identity.federation import fetch
from monostack.identity.federation.fetch import Unfetched


@pytest.fixture(autouse=True)
def forgetful(monkeypatch):
    monkeypatch.setattr(fetch, "_kept", {})
    monkeypatch.setattr(fetch, "_failed", {})


@pytest.mark.parametrize(
    "url",
    ["http://login.example/x", "file:///etc/passwd", "ftp://127.0.0.1/", "data:,{}", "https://", "x", ""],
)
def test_only_https_or_this_machine(url):
    with pytest.raises(Unfetched):
        fetch.answer(url)


def test_a_document_is_asked_for_once_and_in_vain_once(monkeypatch):
    asked = []

    def answer(url, ca_file=""):
        asked.append(url)
        if "bad" in url or len(asked) > 4:
            raise Unfetched("no answer")
        return {"n": len(asked)}

    monkeypatch.setattr(fetch, "answer", answer)
    assert fetch.document("good") == fetch.document("good", fresh=True) == {"n": 1}
    for _ in range(3):
        with pytest.raises(Unfetched):
            fetch.document("bad")
    assert asked == ["good", "bad"]
    monkeypatch.setattr(fetch, "NOT_SOONER", 0.0)
    assert fetch.document("good", fresh=True) == {"n": 3}
    with pytest.raises(Unfetched):
        fetch.document("bad")
    assert asked == ["good", "bad", "good", "bad"]
    with pytest.raises(Unfetched):
        fetch.document("good", fresh=True)
    assert fetch.document("good") == {"n": 3}, "what is known stays known"


async def test_too_many_that_wait_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(fetch, "MOST_WAITING", 2)
    go = threading.Event()
    waiting = [asyncio.create_task(fetch.apart(go.wait, 10)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unfetched):
        await fetch.apart(go.wait, 10)
    go.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await fetch.apart(int, "7") == 7
