"""A note of a node is only believed when that very node runs."""

import os
from pathlib import Path

import pytest

from byoc.local_kafka import detached_node


def node(directory: Path, guard_pid: int) -> detached_node.DetachedNode:
    return detached_node.DetachedNode(
        bootstrap_servers="127.0.0.1:9092", port=9092, pid=guard_pid, guard_pid=guard_pid, directory=str(directory)
    )


def test_a_pid_that_belongs_to_somebody_else_is_not_our_node(tmp_path: Path):
    node(tmp_path, os.getpid()).note_down()
    assert detached_node.find(tmp_path) is None


def test_a_pid_of_nobody_is_not_our_node(tmp_path: Path):
    node(tmp_path, 2**22 + 1).note_down()  # above the highest pid of Linux
    assert detached_node.find(tmp_path) is None


@pytest.mark.parametrize(
    "note", [pytest.param("", id="empty"), pytest.param('{"pid": 1}', id="other fields"), pytest.param("{", id="cut")]
)
def test_a_note_that_cannot_be_read_is_no_node(tmp_path: Path, note: str):
    (tmp_path / "node.json").write_text(note)
    assert detached_node.find(tmp_path) is None
