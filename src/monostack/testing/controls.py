"""The test cloud's controls over HTTP, under /_cloud/. They exist only in a disposable cloud, never in
`monostack up`.

POST /_cloud/reset; POST /_cloud/clock {"advance": {"hours": 2}}; POST /_cloud/fail {"next", "error", "times",
"retry"}; POST /_cloud/delay {"step", "seconds"}; GET /_cloud/world; GET /_cloud/check (what is wrong);
POST /_cloud/settle {"seconds"?: 10} (wait until nothing is; what is wrong then);
GET /_cloud/unknown (what no row names); POST /_cloud/disk {"pages": 0 | null} (a full disk);
GET /_cloud/about.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from monostack.kit.resource import Response

if TYPE_CHECKING:
    from monostack.testing.disposable import DisposableCloud


class Controls:
    def __init__(self, disposable: DisposableCloud) -> None:
        self.disposable = disposable

    async def __call__(self, scope, receive) -> Response:
        word = scope["path"].removeprefix("/_cloud/").strip("/")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        try:
            asked = msgspec.json.decode(body) if body else {}
            return await self._do(scope["method"], word, asked)
        except (msgspec.DecodeError, TypeError, KeyError, ValueError) as reason:
            return _words(400, f"{word}: {reason}")

    async def _do(self, method: str, word: str, asked: dict[str, Any]) -> Response:
        disposable = self.disposable
        if (method, word) == ("POST", "reset"):
            await disposable._reset()
            return Response(204)
        if (method, word) == ("POST", "clock"):
            disposable.clock.advance(**asked["advance"])
            return Response(200, {"now": disposable.clock.now()})
        if (method, word) == ("POST", "fail"):
            await asyncio.to_thread(disposable.fail, **asked)
            return Response(204)
        if (method, word) == ("POST", "delay"):
            await asyncio.to_thread(disposable.delay, **asked)
            return Response(204)
        if (method, word) == ("GET", "world"):
            return Response(200, await asyncio.to_thread(disposable.world))
        if (method, word) == ("GET", "check"):
            return Response(200, {"violations": await asyncio.to_thread(disposable.violations)})
        if (method, word) == ("POST", "settle"):
            return Response(200, {"violations": await asyncio.to_thread(disposable.settle, **asked)})
        if (method, word) == ("GET", "unknown"):
            return Response(
                200, {"unknown": [thing for agent in disposable.cloud.agents for thing in await agent.look()]}
            )
        if (method, word) == ("POST", "disk"):
            disposable.cloud.engine.limit(asked["pages"])
            return Response(204)
        if (method, word) == ("GET", "about"):
            return Response(
                200,
                {
                    "auth_url": disposable.auth_url,
                    "username": "admin",
                    "project_name": "admin",
                    "password": disposable.settings.identity.admin_password,
                    "user_domain_id": "default",
                    "project_domain_id": "default",
                    "region_name": disposable.settings.region,
                },
            )
        words = "Here: POST reset, clock, fail, delay, settle, disk; GET world, check, unknown, about."
        return _words(404, words)


def _words(code: int, message: str) -> Response:
    return Response(code, {"error": {"code": code, "message": message}})
