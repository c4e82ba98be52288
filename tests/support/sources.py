"""The files of the project, as the architecture tests see them."""

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("schemas", "connectors", "streams", "simulator", "byoc")
GENERATED = "_pb2"
# What a fresh clone does not have; only asked when there is no git to ask.
_NOT_TRACKED = {".git", ".venv", ".byoc", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Every file that is tracked or would be: what git lists, or the whole tree of an unpacked archive."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not _NOT_TRACKED.intersection(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in found if path.is_file()))


def python_files(*packages: str) -> list[Path]:
    """Hand-written Python files below the packages."""
    return [
        path
        for path in project_files()
        if path.suffix == ".py" and GENERATED not in path.name and path.relative_to(ROOT).parts[0] in packages
    ]


def shown(path: Path) -> str:
    """The path as a reader knows it."""
    return path.relative_to(ROOT).as_posix()
