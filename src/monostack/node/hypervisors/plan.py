"""What to do next with a server: the steps from what is to what should be, as a pure function.

A part says what should be: a power state and three epochs (`place`, `disk`, `boot`) that say what must
happen again. What is known of the server in the world says what was last done. Comparing the two gives a
list of steps, each of which the driver can repeat; a driver that was killed between two of them compares
anew.

One rule needs a reason. A guest may power itself off, or crash. Its part still says "running", yet
starting it at once would take from the user the right to switch a server off from the inside. So a guest
that went by itself stays as it is, and the fact says so, as long as nothing new was asked: neither
another epoch nor another power state than the one last carried out. Guests that a restart of the host
took with it did not go by themselves (`lost`), they are started again.

The shape (processors and memory) is no epoch: a server whose machine has another shape than its part is
stopped and gets the new one. The cloud changes the flavor in a part only when the user's resize is due.
"""

POWERS = ("running", "off", "paused", "suspended")
GONE = ("off", "crashed")

# From the power state that is to the one that should be.
PATHS: dict[tuple[str, str], tuple[str, ...]] = {
    ("off", "running"): ("start",),
    ("off", "paused"): ("start", "pause"),
    ("off", "suspended"): ("start", "suspend"),
    ("running", "off"): ("stop",),
    ("running", "paused"): ("pause",),
    ("running", "suspended"): ("suspend",),
    ("paused", "off"): ("stop",),
    ("paused", "running"): ("unpause",),
    ("paused", "suspended"): ("suspend",),
    ("suspended", "off"): ("stop",),
    ("suspended", "running"): ("resume",),
    ("suspended", "paused"): ("resume", "pause"),
}


def shape(part: dict) -> list[int]:
    """What of a part makes the machine; a running one cannot change it."""
    return [part["vcpus"], part["ram"]]


def path(power: str, target: str) -> tuple[str, ...]:
    if power == "crashed":
        power = "off"
    return PATHS.get((power, target), ())


def steps(part: dict, known: dict | None) -> list[str]:
    """The steps that make the server what its part says.

    `known` is None for a server that is not in the world, else {boot, disk, power, applied, shape, lost}:
    `applied` is the power state last carried out, `lost` says that the host went down under the guest.
    """
    target = part["power"]
    if known is None:
        return ["spawn", *path("off", target)]
    power = known["power"]
    if known["disk"] is None or part["disk"] > known["disk"]:
        return [*_stopped(power), "rebuild", *path("off", target)]
    if known["shape"] is not None and known["shape"] != shape(part):
        return [*_stopped(power), "resize", *path("off", target)]
    if part["boot"] > known["boot"]:
        if power in GONE or target == "off":
            return list(path(power, target))
        return ["reboot", *path("running", target)]
    if power in GONE and target == known["applied"] and not known["lost"]:
        return []
    return list(path(power, target))


def _stopped(power: str) -> tuple[str, ...]:
    return () if power in GONE else ("stop",)
