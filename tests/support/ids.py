"""Conversation ids as foreign systems make them, and spellings of paths that name none."""

from urllib.parse import quote

IDS = [
    "c1",
    "c1:who",
    "c1:who?",
    "c1:50%",
    "c1:50%25",
    "c1:50%2525",
    "c1:a/b",
    "c1:a%2Fb",
    "/",
    "a//b",
    "a b",
    "a+b",
    "a%20b",
    "a#b",
    "a;b",
    "a&local=1",
    "a=b",
    "{a}",
    "a|b",
    "a\\b",
    "a:b@c",
    ".",
    "..",
    "a..",
    "../c1",
    "a\nb",
    "\n",
    "a\x00b",
    "%FF",
    "a%zz",
    "é",
    "e\u0301",  # the same to the eye
    "日本",
    "🙂",
    "\ufeff",
    "x" * 1_000,
]

# (raw last part of the path, status)
UNREADABLE = [
    ("%FF", 400),
    ("a%E2%82", 400),
    ("%ED%A0%80", 400),  # a lone surrogate
    ("a%zz", 400),
    ("a%", 400),
    ("a%4", 400),
    ("x" * 4_096, 414),
    ("%C3%A9" * 1_000, 414),
    ("x" * 8_100, 414),
]


def path_of(conversation_id: str) -> str:
    """The path of a conversation, with every character encoded that may be; dots too, which clients would resolve."""
    return "/v1/conversations/" + quote(conversation_id, safe="").replace(".", "%2E")
