"""From method and path to a route: a trie over path segments, literal segments before parameters."""

from __future__ import annotations

from monostack.kit.resource import Route, Version


class Node:
    __slots__ = ("children", "name", "parameter", "rest", "routes")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.parameter: Node | None = None
        self.rest: Node | None = None
        self.name = ""
        self.routes: dict[str, list[Route]] = {}


class Router:
    """Routes of one service. `{name}` takes one segment, `{name...}` takes the rest of the path."""

    def __init__(self) -> None:
        self.root = Node()
        self.first_words: set[str] = set()

    def add(self, path: str, route: Route) -> None:
        node = self.root
        for segment in _segments(path):
            if segment.startswith("{") and segment.endswith("...}"):
                node.rest = node.rest or Node()
                node = node.rest
            elif segment.startswith("{"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.children.setdefault(segment, Node())
        node.routes.setdefault(route.method, []).append(route)

    def match(self, path: str) -> tuple[dict[str, list[Route]], list[str]] | None:
        """{method: routes} for the path and the values of its parameters in order; None when nothing is
        there."""
        values: list[str] = []
        found = self._walk(self.root, _segments(path), 0, values)
        return None if found is None else (found.routes, values)

    def _walk(self, node: Node, segments: list[str], at: int, values: list[str]) -> Node | None:
        if at == len(segments):
            return node if node.routes else None
        child = node.children.get(segments[at])
        if child is not None:
            found = self._walk(child, segments, at + 1, values)
            if found is not None:
                return found
        if node.parameter is not None and segments[at]:
            depth = len(values)
            values.append(segments[at])
            found = self._walk(node.parameter, segments, at + 1, values)
            if found is not None:
                return found
            del values[depth:]
        if node.rest is not None:
            values.append("/".join(segments[at:]))
            return node.rest
        return None


def parameter_names(path: str) -> list[str]:
    return [segment.strip("{}").removesuffix("...") for segment in _segments(path) if segment.startswith("{")]


def _segments(path: str) -> list[str]:
    stripped = path.strip("/")
    return stripped.split("/") if stripped else []


def choose(routes: list[Route], version: Version, body: object) -> Route | None:
    """Among routes of one method and path: by the action in the body, then by version."""
    for route in routes:
        if route.action is not None and not (isinstance(body, dict) and route.action in body):
            continue
        if route.since <= version <= route.until:
            return route
    return None
