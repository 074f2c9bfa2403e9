"""The page in which a browser shows a screen: noVNC's, where the machine has it (Debian's package `novnc`).

This program brings no copy of it. Without one the page says so, how to go on, and whether the console
answers.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from monostack.kit.errors import Error
from monostack.kit.resource import Response

NOVNC = Path("/usr/share/novnc")
START = ("vnc_auto.html", "vnc_lite.html", "vnc.html")
HTML = ("Content-Type", "text/html; charset=UTF-8")

MISSING = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Console</title></head>
<body>
<h1>noVNC is not installed on this machine</h1>
<p>The console itself is here: a websocket that speaks VNC's protocol (RFB) stands at this address, for
whoever has a token. Only the page that would show it is missing. On Debian, <code>apt install novnc</code>
brings it; then load this page again.</p>
<p id="state">Asking the console ...</p>
<script>
const state = document.getElementById("state");
const path = new URLSearchParams(location.search).get("path") || "";
const scheme = location.protocol === "https:" ? "wss://" : "ws://";
const socket = new WebSocket(scheme + location.host + "/" + path, ["binary"]);
socket.onmessage = async (event) => {
  const greeting = await new Blob([event.data]).text();
  state.textContent = "The console answers: " + greeting.trim();
  socket.onclose = null;
  socket.close();
};
socket.onclose = () => { state.textContent = "The console does not open: ask for a new one."; };
</script>
</body>
</html>
"""
SERIAL = """<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><title>Serial console</title></head>
<body>
<h1>A serial console is a websocket</h1>
<p>Open the URL that the API gave, which begins with ws://, with a program that speaks websocket, such as
<code>novaconsole</code>.</p>
</body>
</html>
"""


async def novnc(request, ctx) -> Response:
    """A file of noVNC; the name that the API's URLs have stands for whichever start page this version has."""
    name = request.path.get("path") or START[0]
    file = await ctx.thread(find, name)
    if file is not None:
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        headers = [("Content-Type", kind), ("Content-Length", str(file.stat().st_size))]
        return Response(200, headers=headers, file=str(file))
    if name in START:
        return Response(200, MISSING.encode(), [HTML])
    raise Error(404, "NotFound", f"There is no {name} here.")


async def serial(request, ctx) -> Response:
    return Response(200, SERIAL.encode(), [HTML])


def find(name: str, root: Path | None = None) -> Path | None:
    """The file of that name below noVNC's folder, or None; nothing outside of it is ever found."""
    folder = (root or NOVNC).resolve()
    names = START if name in START else (name,)
    for each in names:
        file = (folder / each).resolve()
        if file.is_relative_to(folder) and file.is_file():
            return file
    return None
