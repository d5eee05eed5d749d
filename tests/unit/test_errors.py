"""The tree of errors in worker/errors.py shows every error, under its base."""

import builtins
import importlib
import pkgutil
import re
from collections.abc import Iterator

import worker
from worker import errors

LINE = re.compile(r"((?:│   |    )*)[├└]── (\w+)")
CATEGORY = re.compile(r"\w+Error")


def drawn() -> dict[str, str]:
    """Return the base of each error in the tree, by name."""
    bases: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if branch := LINE.match(line):
            depth = len(branch[1]) // 4 + 1
            path = [*path[:depth], branch[2]]
            bases[branch[2]] = path[depth - 1]
        elif (name := line.partition(" ")[0]) and (hasattr(errors, name) or hasattr(builtins, name)):
            path = [name]
    return bases


def defined(base: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield every exception of the worker below this one."""
    for error in base.__subclasses__():
        if error.__module__.startswith("worker."):
            yield error
        yield from defined(error)


def test_the_tree_of_errors_is_complete() -> None:
    for module in pkgutil.walk_packages(worker.__path__, "worker."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    bases = {error.__name__: error.__bases__[0].__name__ for error in defined(BaseException)}
    assert bases.pop("SessionStoreError") == "Exception"
    assert drawn() == bases


def test_only_a_category_ends_in_error() -> None:
    categories = {"ConfigurationError", "SchemaError", "RightsError", "TopologyError", "UnavailableError"}
    assert {name for name in drawn() if CATEGORY.fullmatch(name)} == categories
