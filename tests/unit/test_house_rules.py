"""The house's own rules, which no linter knows: sizes, names offered, errors told in one tree."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

import hopscope.errors
from hopscope.errors import HopscopeError

SOURCE: Final = Path(__file__).parents[2] / "src" / "hopscope"
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 400, 40

LONG_FILES: Final[Mapping[str, str]] = {
    "trace.stitch": "one walk, whose methods call each other all the way round",
}
"""Module → why it may be longer."""

PACKAGES: Final = frozenset({"hopscope", "wire.packet"})
"""Modules that offer others' names, which is no use of them."""

UNUSED: Final[Mapping[str, str]] = {
    "pytest_plugin.pytest_addoption": "pytest calls it",
    "pytest_plugin.pytest_configure": "pytest calls it",
    "pytest_plugin.pytest_runtest_call": "pytest calls it",
    "pytest_plugin.pytest_runtest_makereport": "pytest calls it",
}
"""Function or class → who uses it, though nothing in the package does."""

UNLISTED: Final[Mapping[str, str]] = {
    "render.phrases": "its functions are offered by name, as FILTERS",
    "kernel.holder.main": "it runs as a program of its own; only its protocol is offered",
}
"""Module → why its public functions and classes need not stand in __all__."""

DEVELOPERS_PATH: Final = re.compile(r"(?<![\w.{}])/(home/\w|root/|Users/|work" + r"/)")
KNOWN_HOSTS: Final = frozenset({"json-schema.org", "www.w3.org"})
"""Hosts that the package may name: those of formats that it writes."""


@dataclass(frozen=True)
class Module:
    """A source file, parsed."""

    path: Path

    def __str__(self) -> str:
        parts = self.path.relative_to(SOURCE).with_suffix("").parts
        return ".".join(part for part in parts if part != "__init__") or "hopscope"

    @cached_property
    def text(self) -> str:
        """As it stands in the file."""
        return self.path.read_text()

    @cached_property
    def tree(self) -> ast.Module:
        """Parsed."""
        return ast.parse(self.text)

    @property
    def is_empty(self) -> bool:
        """Whether it only marks a package."""
        return all(isinstance(node, ast.Expr) for node in self.tree.body)

    @property
    def offered(self) -> list[str] | None:
        """What __all__ lists; None without one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                return [str(name) for name in ast.literal_eval(node.value)]
        return None

    @property
    def made(self) -> set[str]:
        """Its own public functions and classes."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        names = {node.name for node in self.tree.body if isinstance(node, kinds)}
        return {name for name in names if not name.startswith("_")}

    @property
    def known(self) -> set[str]:
        """Every name of its top level, imported ones too."""
        found: set[str] = set(self.made)
        guarded = [node for one in self.tree.body if isinstance(one, ast.If) for node in one.body]
        for node in (*self.tree.body, *guarded):
            if isinstance(node, ast.Import | ast.ImportFrom):
                found |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {
                    name.id
                    for target in targets
                    for name in ast.walk(target)
                    if isinstance(name, ast.Name)
                }
        return found

    def wanted(self) -> Iterator[str]:
        """Every name that it uses: its own but not where it is defined, others', a module's."""
        for top in self.tree.body:
            own = getattr(top, "name", None)
            for node in ast.walk(top):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id != own:
                    yield node.id
                elif isinstance(node, ast.Attribute):
                    yield node.attr
                elif isinstance(node, ast.ImportFrom):
                    yield from (alias.name for alias in node.names if str(self) not in PACKAGES)
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield from re.findall(r"^\w+\.(\w+)$", node.value)  # a command's function

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function and the lines of its body, without the docstring."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                if body:
                    yield node.name, (body[-1].end_lineno or 0) - body[0].lineno + 1

    def imports(self) -> Iterator[tuple[str, str]]:
        """Module and name of what it takes from the rest of the package."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hopscope."):
                module = (node.module or "").removeprefix("hopscope.")
                yield from ((module, alias.name) for alias in node.names)


MODULES: Final = [Module(path) for path in sorted(SOURCE.rglob("*.py"))]
BY_NAME: Final = {str(module): module for module in MODULES}

each_module = pytest.mark.parametrize("module", MODULES, ids=str)


@each_module
def test_a_module_says_what_it_is(module: Module) -> None:
    """In a docstring that begins with one sentence."""
    said = ast.get_docstring(module.tree)
    assert said, "no docstring"
    first, *rest = said.splitlines()
    assert first.endswith((".", ":", "?")), first
    assert not rest or rest[0] == ""


@each_module
def test_what_is_said_is_said_of_something(module: Module) -> None:
    """No text is left of a constant that has gone."""
    lone = [
        one.lineno
        for before, one in pairwise(module.tree.body)
        if isinstance(one, ast.Expr)
        and isinstance(one.value, ast.Constant)
        and (not isinstance(before, ast.Assign | ast.AnnAssign) or "__all__" in ast.unparse(before))
    ]
    assert lone == []


@each_module
def test_what_a_module_offers(module: Module) -> None:
    """__all__ lists each of its public functions and classes, and nothing that is not there."""
    if module.is_empty:
        return
    offered = module.offered
    assert offered is not None, "no __all__"
    assert len(offered) == len(set(offered))
    assert set(offered) <= module.known
    if str(module) not in UNLISTED:
        assert module.made <= set(offered)


@each_module
def test_only_what_is_offered_is_taken(module: Module) -> None:
    """What another module imports stands in __all__ there."""
    for source, name in module.imports():
        if f"{source}.{name}" in BY_NAME:
            continue  # a module of a package
        there = BY_NAME[source]
        assert name in (there.offered or ()), f"{source} does not offer {name}"


def test_what_is_made_is_used() -> None:
    """By the package itself: what only its own test uses is no part of it."""
    wanted = {name for module in MODULES for name in module.wanted()}
    offered = set(BY_NAME["hopscope"].offered or ())
    made = {f"{module}.{name}" for module in MODULES for name in module.made}
    unused = {name for name in made if name.rpartition(".")[2] not in wanted | offered}
    assert unused == set(UNUSED)


@each_module
def test_sizes(module: Module) -> None:
    """A file that outgrows a screenful of thoughts is split; a function sooner."""
    if str(module) not in LONG_FILES:
        assert len(module.text.splitlines()) <= LINES_OF_A_FILE
    assert [
        (name, lines) for name, lines in module.functions() if lines > LINES_OF_A_FUNCTION
    ] == []


@each_module
def test_a_public_table_of_tuples_of_several_lengths_says_its_type(module: Module) -> None:
    """A type checker that infers one for it finds none that it counts as known (pyright)."""
    bare = [
        node
        for node in module.tree.body
        if (isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Final")
        or isinstance(node, ast.Assign)
    ]
    for node in bare:
        if isinstance(node.value, ast.Dict):
            name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            sizes = {len(one.elts) for one in node.value.values if isinstance(one, ast.Tuple)}
            assert len(sizes) < 2 or name.startswith("_"), name


@each_module
def test_nothing_of_a_developer_s_machine(module: Module) -> None:
    """No path of a home or a checkout, and no host but those of open formats."""
    assert DEVELOPERS_PATH.findall(module.text) == []
    hosts = set(re.findall(r"https?://([\w.-]+)", module.text))
    assert hosts <= KNOWN_HOSTS


def test_the_exceptions_are_needed() -> None:
    """One that no longer holds is removed."""
    for name in LONG_FILES:
        assert len(BY_NAME[name].text.splitlines()) > LINES_OF_A_FILE, name
    for name in UNLISTED:
        assert not BY_NAME[name].made <= set(BY_NAME[name].offered or ()), name


def test_the_tree_of_errors_is_the_one_in_the_docstring() -> None:
    """Names, order and depth."""
    drawn = re.findall(r"^([│├└─ ]*)(\w+Error)\b", hopscope.errors.__doc__ or "", re.MULTILINE)
    assert [(len(lead) // 4, name) for lead, name in drawn] == list(_tree(HopscopeError, 0))


def _tree(error: type[Exception], depth: int) -> Iterator[tuple[int, str]]:
    yield depth, error.__name__
    for below in error.__subclasses__():
        if below.__module__ == "hopscope.errors":
            yield from _tree(below, depth + 1)
