"""Files and functions stay small enough to be read in one go."""

import ast

import pytest

from tests.support.sources import PRODUCT, python_files, shown

FILE_LINES = 400
TABLE_LINES = 700  # tests are tables of cases; they are looked up and not read from top to bottom
FUNCTION_LINES = 60  # without its docstring
FILES = python_files(*PRODUCT, "bench", "tests")


def function_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement behind the docstring to the end."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return function.end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", [pytest.param(path, id=shown(path)) for path in FILES])
def test_files_and_functions_are_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= (TABLE_LINES if path.name.startswith("test_") else FILE_LINES)
    long_functions = {
        node.name: function_lines(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and function_lines(node) > FUNCTION_LINES
    }
    assert long_functions == {}


def test_the_project_is_looked_at():
    assert len(FILES) > 40
