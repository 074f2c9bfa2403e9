"""What a search for providers may ask for, read from a query, and the providers that fit.

The same words mean the same in the list of providers and in the allocation candidates: `resources` amounts
that must fit now, `required` traits (`!` forbids, `in:` is any of), `member_of` aggregates, `in_tree` one
tree.
"""

from monostack.kit import ids
from monostack.kit.errors import Error
from monostack.placement import upkeep, vocabulary
from monostack.placement.candidates.demand import Group
from monostack.placement.claims import fits
from monostack.placement.tables import AGGREGATES, INVENTORIES, PROVIDERS
from monostack.placement.wire import UNDEFINED, bad_value


def group(request, db, suffix: str = "") -> Group:
    """The demands of one group of the query; raises 400 for what makes no sense."""
    out = Group()
    text = request.query.get("resources" + suffix)
    if text is not None:
        out.resources = amounts(db, text, suffix)
    texts = request.query_all("required" + suffix)
    for text in texts if request.version >= (1, 39) else texts[-1:]:
        _required(request, out, text)
    strange = vocabulary.unknown_traits(db, set().union(out.forbidden, *out.required))
    if strange:
        raise Error(400, UNDEFINED, f"No such trait(s): {', '.join(strange)}.")
    texts = request.query_all("member_of" + suffix)
    if len(texts) > 1 and request.version < (1, 24):
        raise bad_value("member_of may be given more than once from microversion 1.24 on.")
    for text in texts:
        _member_of(request, out, text)
    in_tree = request.query.get("in_tree" + suffix)
    if in_tree is not None:
        out.in_tree = _uuid(in_tree, "in_tree" + suffix)
    return out


def amounts(db, text: str, suffix: str = "") -> dict[str, int]:
    """`VCPU:2,MEMORY_MB:1024` as a dict; raises 400."""
    out: dict[str, int] = {}
    for part in text.split(","):
        name, _, amount = part.partition(":")
        if not name or not amount.isascii() or not amount.isdigit() or len(amount) > 18:
            raise Error(
                400,
                UNDEFINED,
                f"Badly formed resources parameter. Expected resources query string parameter "
                f"in form: ?resources{suffix}=VCPU:2,MEMORY_MB:1024. Got: {text}.",
            )
        if int(amount) < 1:
            raise Error(
                400, UNDEFINED, f"Requested resource {name} expected positive integer amount. Got: {amount}."
            )
        out[name] = int(amount)
    for name in out:
        if not vocabulary.class_exists(db, name):
            raise Error(
                400,
                UNDEFINED,
                f"Invalid resource class in resources parameter: No such resource class {name}.",
            )
    return out


def _required(request, out: Group, text: str) -> None:
    if text.startswith("in:"):
        if request.version < (1, 39):
            raise bad_value("required=in:... is understood from microversion 1.39 on.")
        names = frozenset(text.removeprefix("in:").split(","))
        if "" in names or any(name.startswith("!") for name in names):
            raise bad_value(
                f"Invalid value for required: '{text}': after in: stand names of traits, with commas."
            )
        out.required.append(names)
        return
    for name in text.split(","):
        if name.startswith("!") and request.version >= (1, 22) and len(name) > 1:
            out.forbidden |= {name[1:]}
        elif name and not name.startswith("!"):
            out.required.append(frozenset((name,)))
        else:
            form = "?required=HW_CPU_X86_VMX,CUSTOM_MAGIC"
            raise bad_value(
                f"Invalid query string parameters: Expected 'required' parameter value of the form: {form}. "
                f"Got: {text}"
            )
    refuse_clash(out, "required")


def refuse_clash(group: Group, parameter: str) -> None:
    """Refuse traits that are wanted and forbidden at once."""
    clash = [name for name in group.forbidden if frozenset((name,)) in group.required]
    if clash:
        words = f"{parameter} names traits both as wanted and as forbidden: {', '.join(sorted(clash))}."
        raise bad_value(words)


def _member_of(request, out: Group, text: str) -> None:
    forbidden = text.startswith("!")
    if forbidden and request.version < (1, 32):
        raise bad_value("Forbidden member_of parameters are understood from microversion 1.32 on.")
    names = text.removeprefix("!")
    if names.startswith("in:"):
        wanted = frozenset(_uuid(each, "member_of") for each in names.removeprefix("in:").split(","))
    else:
        wanted = frozenset((_uuid(names, "member_of"),))
    if forbidden:
        out.not_member_of |= wanted
    else:
        out.member_of.append(wanted)


def _uuid(text: str, parameter: str) -> str:
    if not ids.is_uuid(text):
        raise bad_value(
            f"Invalid query string parameters: Expected '{parameter}' parameter to contain valid UUID(s). "
            f"Got: {text}"
        )
    return ids.canonical(text)


def providers(request, db) -> list:
    """The providers that fit the query of a list."""
    where = {}
    if "name" in request.query:
        where["name"] = request.query["name"]
    if "uuid" in request.query:
        where["id"] = _uuid(request.query["uuid"], "uuid")
    asked = group(request, db)
    if asked.in_tree is not None:
        root = root_of(db, asked.in_tree)
        if root is None:
            return []
        where["root_id"] = root
    rows = db.all(PROVIDERS, order=("created_at", "id"), **where)
    if asked.resources:
        rows = _with_room(db, rows, asked.resources)
    if asked.required or asked.forbidden:
        names = upkeep.traits_of(db, [row["id"] for row in rows])
        rows = [row for row in rows if asked.traits_fit(names[row["id"]])]
    if asked.member_of or asked.not_member_of:
        groups = aggregates_of(db, [row["id"] for row in rows])
        rows = [row for row in rows if asked.aggregates_fit(groups[row["id"]])]
    return rows


def root_of(db, provider_id: str) -> str | None:
    """The root of a provider's tree; None if there is no such provider."""
    row = db.one(PROVIDERS, id=provider_id, lock=False)
    return row and row["root_id"]


def aggregates_of(db, provider_ids: list[str]) -> dict[str, frozenset[str]]:
    """The aggregates of providers."""
    out: dict[str, set[str]] = {each: set() for each in provider_ids}
    for row in db.all(AGGREGATES, provider_id=provider_ids) if provider_ids else ():
        out[row["provider_id"]].add(row["aggregate_id"])
    return {each: frozenset(found) for each, found in out.items()}


def _with_room(db, rows: list, wanted: dict[str, int]) -> list:
    fitting: dict[str, int] = {}
    for inventory in db.all(INVENTORIES, resource_class=list(wanted)):
        if fits(inventory, wanted[inventory["resource_class"]]):
            fitting[inventory["provider_id"]] = fitting.get(inventory["provider_id"], 0) + 1
    return [row for row in rows if fitting.get(row["id"]) == len(wanted)]
