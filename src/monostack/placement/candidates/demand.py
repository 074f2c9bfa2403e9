"""What a search asks for: groups of amounts, and what must hold between the groups.

Source: placement API reference, "List allocation candidates".
"""

from dataclasses import dataclass, field


@dataclass
class Group:
    """One group of demands. Each set in `required` and `member_of` is satisfied by any of its members."""

    resources: dict[str, int] = field(default_factory=dict)
    required: list[frozenset[str]] = field(default_factory=list)
    forbidden: frozenset[str] = frozenset()
    member_of: list[frozenset[str]] = field(default_factory=list)
    not_member_of: frozenset[str] = frozenset()
    in_tree: str | None = None

    def traits_fit(self, names: frozenset[str]) -> bool:
        return not self.forbidden & names and all(names & any_of for any_of in self.required)

    def aggregates_fit(self, aggregates: frozenset[str]) -> bool:
        return not self.not_member_of & aggregates and all(aggregates & any_of for any_of in self.member_of)

    @property
    def bare(self) -> bool:
        """Whether it asks for amounts and nothing else."""
        return not (self.required or self.forbidden or self.member_of or self.not_member_of or self.in_tree)


@dataclass
class Demand:
    """A whole search.

    groups         by suffix; the one without a suffix ("") may be spread over several providers
    isolate        no two groups with a suffix may use the same provider
    same_subtree   sets of suffixes whose providers must all stand at or under one of them
    root_required  what the root of the tree must be
    """

    groups: dict[str, Group]
    isolate: bool = False
    same_subtree: list[list[str]] = field(default_factory=list)
    root_required: Group = field(default_factory=Group)

    @property
    def classes(self) -> list[str]:
        """The resource classes that any group asks for."""
        return sorted({name for each in self.groups.values() for name in each.resources})
