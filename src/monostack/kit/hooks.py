"""Calls upwards, in the same transaction: `network.port.delete` lets compute tidy what refers to the port.

A service may only call services below it. What lies above registers here; the one below calls `tx.hook(name,
...)` and knows nobody. Hooks run in the order of registration and may refuse by raising Error.
"""

from collections import defaultdict
from collections.abc import Callable


class Hooks:
    def __init__(self) -> None:
        self._by_name: dict[str, list[Callable]] = defaultdict(list)

    def on(self, name: str, function: Callable) -> None:
        self._by_name[name].append(function)

    def run(self, name: str, tx, *args, **details) -> list:
        """Call every function registered under the name; the list of what they returned."""
        return [function(tx, *args, **details) for function in self._by_name.get(name, ())]
