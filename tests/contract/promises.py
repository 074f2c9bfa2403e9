"""What the contract promises of answers: their schemas."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import httpx
from tests.contract.every_operation import SOURCE, Operation

from monostack.kit.schemas import Invalid, Schemas

HERE = Path(__file__).parent


def hold(answers: Iterable[tuple[Operation, httpx.Response]]) -> None:
    """Every good answer fits the schema that the contract has for it; the answers are of one service."""
    answers = list(answers)
    service = answers[0][0].service.name
    promises = Schemas(SOURCE / service / "schemas", HERE / service / "responses.json.gz")
    wrong, checked = {}, set()
    for operation, answer in answers:
        if not answer.is_success or not answer.content:
            continue
        name = answer_name(operation, promises)
        if name is None:
            continue
        checked.add(operation.name)
        try:
            promises.response(name, operation.version).check(answer.json())
        except Invalid as reason:
            wrong.setdefault(operation.name, f"{name}: {reason.message}")
    assert len(checked) > 50
    assert not wrong, "\n".join(f"{name}: {words}" for name, words in wrong.items())


def answer_name(operation: Operation, promises: Schemas) -> str | None:
    """The contract's name of an answer: that of the request's schema, or what the path spells."""
    route = operation.route
    words = [word for word in route.path.strip("/").split("/") if word and not word.startswith("{")]
    verb = {"GET": "show" if route.path.endswith("}") else "index", "POST": "create", "PATCH": "update"}
    spelled = f"{'_'.join(words)}.{verb.get(route.method, '')}".lower()
    for name in (route.body, route.query, spelled):
        if name is not None and promises.response(name, operation.version) is not None:
            return name
    return None
