"""The changes that an engine may make to a session, one place each, for the properties of the merge."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Json = Any
Path = tuple[str | int, ...]
Kind = Literal["set", "add", "remove", "delete", "count"]

names = st.sampled_from(["a", "b", "__proto__", "completedAt"])
scalars = st.sampled_from([0, 1, False, True, None, "", "x", 0.5])
values: SearchStrategy[Json] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=4,
)
sessions: SearchStrategy[Json] = st.fixed_dictionaries(
    {
        "flag": scalars,
        "list": st.lists(values, min_size=1, max_size=3),
        "map": st.dictionaries(names, values),
    },
    optional={"completedAt": scalars, "__proto__": values},
)


@dataclass(frozen=True)
class Edit:
    """`set` the value at a place, `add` or `delete` a key, `add` or `remove` an item, `count` a number up."""

    kind: Kind
    path: Path
    value: Json

    def apply(self, session: Json) -> Json:
        """Return an edited copy of a session; raises LookupError or TypeError if the place is missing."""
        edited = copy.deepcopy(session)
        holder = at(edited, self.path[:-1])
        last = self.path[-1]
        match self.kind:
            case "set" | "count" if isinstance(holder, dict) and last not in holder:
                raise KeyError(last)
            case "set":
                holder[last] = self.value
            case "count":
                holder[last] += 1
            case "delete":
                del holder[last]
            case "remove" if isinstance(holder[last], list):
                del holder[last][self.value]
            case "remove":
                raise TypeError(last)
            case "add" if isinstance(holder, list):
                holder.append(self.value)
            case "add":
                holder[last] = self.value
        return edited

    def overlaps(self, other: "Edit") -> bool:
        """Return whether the places are the same, or one contains the other."""
        shorter = min(len(self.path), len(other.path))
        return self.path[:shorter] == other.path[:shorter]


def at(session: Json, path: Path) -> Json:
    """Return the value at a place."""
    for name in path:
        session = session[name]
    return session


def places(value: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Yield every place in a value, with the value there."""
    if path:
        yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inner:
        yield from places(item, (*path, name))


@st.composite
def edits_of(draw: DrawFn, session: Json) -> Edit:
    """Draw a change that this session allows."""
    path, value = draw(st.sampled_from([((), session), *places(session)]))
    kinds: list[Kind] = ["add"] if isinstance(value, dict | list) else []
    if isinstance(value, int | float) and not isinstance(value, bool):
        kinds.append("count")
    if path and isinstance(value, list) and value:
        kinds.append("remove")
    if path:
        kinds.append("set")
    if path and isinstance(path[-1], str):
        kinds.append("delete")
    match draw(st.sampled_from(kinds)):
        case "add":
            last = draw(names) if isinstance(value, dict) else "-"
            return Edit("add", (*path, last), draw(values))
        case "set":
            return Edit("set", path, draw(values))
        case "remove":
            return Edit("remove", path, draw(st.integers(0, len(value) - 1)))
        case kind:
            return Edit(kind, path, None)


@st.composite
def edited(draw: DrawFn, session: Json) -> Json:
    """Return the session after a few changes."""
    for _ in range(draw(st.integers(0, 3))):
        session = draw(edits_of(session)).apply(session)
    return session
