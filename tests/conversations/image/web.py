"""A web server with data, for images that come from elsewhere."""

from __future__ import annotations

import http.server
import threading


class Web:
    """What it has, by path, may be changed; `asked` lists the requests; data wait for `may_answer`."""

    def __init__(self) -> None:
        self.has: dict[str, bytes] = {}
        self.failing = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[tuple[str, str, dict]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # noqa: N802 - the library's name
                outer.answer(self, body=True)

            def do_HEAD(self):  # noqa: N802
                outer.answer(self, body=False)

            def log_message(self, *_):
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.place = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.place}"

    def answer(self, handler, body: bool) -> None:
        self.asked.append((handler.command, handler.path, dict(handler.headers)))
        if self.failing:
            self.failing -= 1
            handler.send_error(503)
            return
        data = self.has.get(handler.path)
        if data is None:
            handler.send_error(404)
            return
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if body and self.may_answer.wait(10):
            handler.wfile.write(data)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
