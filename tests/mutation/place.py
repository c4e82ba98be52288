"""Finding the place of a mutant: a definition by its name in a package, and in it a piece of code by what it says.

Layout, line breaks, quotes and comments do not count, and neither does the file that a definition stands in: so a mutant
outlives every move and every reformatting. A renamed function or variable is an error that shows where the code went.
"""

import ast
import difflib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign
_SHOWN = 3  # candidates in an error


class NoPlace(Exception):
    """A mutant whose definition or code is not there exactly once; the text says what is there instead."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file, and the qualified name of a definition in it, such as `TokenProvider.forget`."""

    path: Path
    name: str


@functools.cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _files(package: str) -> list[Path]:
    """The Python files of a package, or of a single module."""
    place = ROOT / package.replace(".", "/")
    module = place.with_suffix(".py")
    if module.exists():
        return [module]
    return sorted(path for path in place.rglob("*.py") if "_pb2" not in path.name)


def _definitions(node: ast.AST, within: str = "") -> Iterator[tuple[str, _Definition]]:
    """Qualified name and node of all functions, classes, and variables of modules and classes."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield within + name, child
                yield from _definitions(child, f"{within}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if isinstance(node, ast.Module | ast.ClassDef):
                    yield within + name, child
            case ast.If() | ast.Try() | ast.With():
                yield from _definitions(child, within)


@functools.cache
def _places(package: str) -> tuple[Place, ...]:
    return tuple(Place(path, name) for path in _files(package) for name, _ in _definitions(_parsed(path)))


def find(within: str, old: str) -> Place:
    """Where `within` stands: `package:name`, the name as qualified as it takes to be the only one.

    Raises `NoPlace` with similar names, and with where `old` stands now, when there is not exactly one.
    """
    package, _, name = within.partition(":")
    places = _places(package)
    found = [place for place in places if f".{place.name}".endswith(f".{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(_shown(place) for place in found)
        raise NoPlace(f"{name!r} stands {len(found)} times in {package}: {listed}")
    names = sorted({place.name for place in places})
    close = difflib.get_close_matches(name, names, n=_SHOWN, cutoff=0.5)
    holders = _holders(places, old)
    went = f"its code stands in: {', '.join(holders)}" if holders else f"most like its code: {_most_like(places, old)}"
    raise NoPlace(f"there is no {name!r} in {package}; similar names: {', '.join(close) or 'none'}; {went}")


def _shown(place: Place) -> str:
    return f"{place.name} ({place.path.relative_to(ROOT)})"


def _holders(places: Sequence[Place], old: str) -> list[str]:
    """The innermost definitions that contain the code."""
    holding = [
        place
        for place in places
        if any(_matches(_definition(_parsed(place.path), place.name), r) for r in _readings(old))
    ]
    return [
        _shown(place)
        for place in holding
        if not any(other.path == place.path and other.name.startswith(f"{place.name}.") for other in holding)
    ]


def _most_like(places: Sequence[Place], old: str) -> str:
    """Code of the package that is similar, with the definitions that it stands in."""
    found = {piece: place for place in places for piece in _pieces(_definition(_parsed(place.path), place.name), old)}
    close = difflib.get_close_matches(old, sorted(found), n=_SHOWN, cutoff=0.6)
    return " | ".join(f"{piece} in {_shown(found[piece])}" for piece in close) or "nothing"


def _pieces(definition: ast.AST, old: str) -> set[str]:
    """The expressions and statements of a definition that are about as long."""
    texts = {ast.unparse(node) for node in ast.walk(definition) if isinstance(node, ast.expr | ast.stmt)}
    return {text for text in texts if len(old) / 3 <= len(text) <= len(old) * 3}


def _definition(tree: ast.Module, name: str) -> _Definition:
    return next(node for found, node in _definitions(tree) if found == name)


# What has to stand around a text so that it can be read as code of that kind.
_FRAMES = (
    ("expression", "(", "\n)"),
    ("statements", "", ""),
    ("entry", "{", "}"),
    ("keyword", "f(", ")"),
    ("case", "match _:\n ", ""),
)
# One way to read a text as code: the kind, and the nodes that it says.
_Reading = tuple[str, Sequence[ast.AST]]
_Put = Callable[[Sequence[ast.AST]], None]


def _readings(text: str) -> list[_Reading]:
    """A text as expression, statements, entry of a dictionary, keyword argument, case of a match: whatever it can be."""
    found: list[_Reading] = []
    for kind, before, after in _FRAMES:
        try:
            body = ast.parse(f"{before}{text}{after}").body
        except SyntaxError:
            continue
        match kind, body:
            case "expression", [ast.Expr(value=value)]:
                found.append((kind, [value]))
            case "statements", [_, *_]:
                found.append((kind, body))
            case "entry", [ast.Expr(value=ast.Dict(keys=[key], values=[value]))] if key is not None:
                found.append((kind, [key, value]))
            case "keyword", [ast.Expr(value=ast.Call(args=[], keywords=[keyword]))]:
                found.append((kind, [keyword]))
            case "case", [ast.Match(cases=[case])]:
                found.append((kind, [case]))
    return found


def _same(left: Sequence[ast.AST], right: Sequence[ast.AST]) -> bool:
    return len(left) == len(right) and all(
        type(a) is type(b) and ast.dump(a) == ast.dump(b) for a, b in zip(left, right, strict=True)
    )


def _matches(definition: ast.AST, reading: _Reading) -> list[_Put]:
    """For each place that says the same: what puts other nodes there."""
    kind, wanted = reading
    return [put for node in ast.walk(definition) for put in _puts(node, kind, wanted)]


def _puts(node: ast.AST, kind: str, wanted: Sequence[ast.AST]) -> Iterator[_Put]:
    """The places directly below one node."""
    if kind == "entry":
        if isinstance(node, ast.Dict):
            for at, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
                if key is not None and _same([key, value], wanted):
                    yield functools.partial(_put_entry, node, at)
        return
    for field, value in ast.iter_fields(node):
        if isinstance(value, ast.AST) and _same([value], wanted):
            yield functools.partial(_put_field, node, field)
        if isinstance(value, list) and value and isinstance(value[0], ast.AST):
            for at in range(len(value) - len(wanted) + 1):
                if _same(value[at : at + len(wanted)], wanted):
                    yield functools.partial(_put_list, value, at, len(wanted))


def _put_list(items: list[ast.AST], at: int, size: int, nodes: Sequence[ast.AST]) -> None:
    items[at : at + size] = nodes


def _put_field(node: ast.AST, field: str, nodes: Sequence[ast.AST]) -> None:
    setattr(node, field, nodes[0])


def _put_entry(node: ast.Dict, at: int, nodes: Sequence[ast.AST]) -> None:
    key, value = nodes
    assert isinstance(key, ast.expr)
    assert isinstance(value, ast.expr)
    node.keys[at], node.values[at] = key, value


def replaced(place: Place, old: str, new: str, source: str) -> str:
    """The source with `old` replaced by `new` in that definition, without its comments.

    Raises `NoPlace` when the code is not there exactly once, with the code of the definition that is most like it.
    """
    tree = ast.parse(source)
    definition = _definition(tree, place.name)
    for reading in _readings(old):
        nodes = next((nodes for kind, nodes in _readings(new) if kind == reading[0]), None)
        puts = _matches(definition, reading)
        if nodes is None or not puts:
            continue
        if len(puts) > 1:
            raise NoPlace(f"`{old}` stands {len(puts)} times in {_shown(place)}: name more of the code around it")
        if _same(nodes, reading[1]):
            raise NoPlace(f"`{old}` is replaced by the same code")
        puts[0](nodes)
        return ast.unparse(ast.fix_missing_locations(tree))
    close = difflib.get_close_matches(old, sorted(_pieces(definition, old)), n=_SHOWN, cutoff=0.3)
    raise NoPlace(f"`{old}` is not in {_shown(place)}; most like it: {' | '.join(close) or 'nothing'}")
