"""The data plane's `filter`: a subset of OData 4, parsed into a predicate over connections. Pure.

Source: documentation, "OData filter syntax in Azure Web PubSub". Precedence: not > comparison > and > or. A
comparison with a user ID that is absent is false, but for `eq null` and `ne`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

MAX_CLAUSES = 100
_MAX_DEPTH = 50
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<word>[A-Za-z]\w*)|(?P<mark>[(),]))")

Value = Any
"""str, int, bool, None, or a collection of str: what an expression is worth for one connection."""


class FilterError(ValueError):
    """The filter cannot be read; the text is one sentence."""


class Subject(Protocol):
    """What a filter looks at."""

    @property
    def id(self) -> str: ...

    @property
    def user_id(self) -> str | None: ...

    @property
    def groups(self) -> Iterable[str]: ...

    @property
    def protocol(self) -> str | None: ...


class _Node(NamedTuple):
    kind: str
    value: Callable[[Subject], Value]


_FIELDS: dict[str, _Node] = {
    "userId": _Node("string", lambda subject: subject.user_id),
    "connectionId": _Node("string", lambda subject: subject.id),
    "groups": _Node("collection", lambda subject: subject.groups),
    "protocol": _Node("string", lambda subject: subject.protocol),
    "null": _Node("null", lambda subject: None),
    "true": _Node("bool", lambda subject: True),
    "false": _Node("bool", lambda subject: False),
}


def _substring(text: str, start: int, length: int | None = None) -> str:
    return text[max(0, start) :] if length is None else text[max(0, start) : max(0, start) + max(0, length)]


_FUNCTIONS: dict[str, tuple[tuple[str, ...], str, Callable[..., Value]]] = {
    "tolower": (("string",), "string", str.lower),
    "toupper": (("string",), "string", str.upper),
    "trim": (("string",), "string", str.strip),
    "length": (("string",), "int", len),
    "substring": (("string", "int", "int?"), "string", _substring),
    "startswith": (("string", "string"), "bool", str.startswith),
    "endswith": (("string", "string"), "bool", str.endswith),
    "contains": (("string", "string"), "bool", operator.contains),
    "indexof": (("string", "string"), "int", str.find),
    "concat": (("string", "string"), "string", operator.add),
}
_COMPARISONS: dict[str, Callable[[Value, Value], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def parse_filter(text: str) -> Callable[[Subject], bool]:
    """A predicate; raises FilterError."""
    parser = _Parser(_tokens(text))
    node = parser.either(0)
    parser.expect_end()
    _demand(node, "bool", "the filter")
    value = node.value
    return lambda subject: bool(value(subject))


def _tokens(text: str) -> list[str]:
    tokens: list[str] = []
    at, text = 0, text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise FilterError(f"the filter has something unexpected at character {at + 1}")
        tokens.append(match[0].strip())
        at = match.end()
    if not tokens:
        raise FilterError("the filter is empty")
    return tokens


def _demand(node: _Node, kind: str, what: str) -> None:
    if node.kind not in (kind, "null") or (node.kind == "null" and kind == "bool"):
        raise FilterError(f"{what} must be a {kind}, not a {node.kind}")


class _Parser:
    """Recursive descent; each method takes the nesting depth."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._clauses = 0

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise FilterError("the filter goes on after its end")

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise FilterError("the filter ends too early")
        self._at += 1
        return token

    def _expect(self, mark: str) -> None:
        if self._next() != mark:
            raise FilterError(f"the filter lacks a {mark!r}")

    def _clause(self) -> None:
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            raise FilterError(f"the filter has more than {MAX_CLAUSES} clauses")

    def either(self, depth: int) -> _Node:
        node = self._both(depth)
        while self._peek() == "or":
            self._next()
            node = self._logical(node, self._both(depth), "or")
        return node

    def _both(self, depth: int) -> _Node:
        node = self._comparison(depth)
        while self._peek() == "and":
            self._next()
            node = self._logical(node, self._comparison(depth), "and")
        return node

    def _logical(self, left: _Node, right: _Node, word: str) -> _Node:
        _demand(left, "bool", f"what is left of {word!r}")
        _demand(right, "bool", f"what is right of {word!r}")
        a, b = left.value, right.value
        if word == "or":
            return _Node("bool", lambda subject: a(subject) or b(subject))
        return _Node("bool", lambda subject: a(subject) and b(subject))

    def _comparison(self, depth: int) -> _Node:
        left = self._unary(depth)
        word = self._peek()
        if word == "in":
            self._next()
            self._clause()
            return self._membership(left, depth)
        compare = _COMPARISONS.get(word)
        if compare is None:
            return left
        self._next()
        self._clause()
        right = self._unary(depth)
        kinds = {left.kind, right.kind} - {"null"}
        if len(kinds) > 1 or "collection" in kinds:
            raise FilterError(f"{word!r} cannot compare a {left.kind} with a {right.kind}")
        a, b = left.value, right.value
        equality = word in ("eq", "ne")

        def compared(subject: Subject) -> bool:
            x, y = a(subject), b(subject)
            return compare(x, y) if equality or (x is not None and y is not None) else False

        return _Node("bool", compared)

    def _membership(self, left: _Node, depth: int) -> _Node:
        _demand(left, "string", "what is left of 'in'")
        item = left.value
        if self._peek() == "(":
            self._next()
            members = [self._unary(depth)]
            while self._peek() == ",":
                self._next()
                self._clause()
                members.append(self._unary(depth))
            self._expect(")")
            for member in members:
                _demand(member, "string", "a member of the list")
            return _Node("bool", lambda subject: item(subject) in [m.value(subject) for m in members])
        right = self._unary(depth)
        if right.kind != "collection":
            raise FilterError("what is right of 'in' must be groups or a list in parentheses")
        return _Node("bool", lambda subject: item(subject) in right.value(subject))

    def _unary(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        token = self._next()
        if token == "not":
            operand = self._unary(depth + 1)
            _demand(operand, "bool", "what follows 'not'")
            return _Node("bool", lambda subject: not operand.value(subject))
        if token == "(":
            node = self.either(depth + 1)
            self._expect(")")
            return node
        if token.startswith("'"):
            text = token[1:-1].replace("''", "'")
            return _Node("string", lambda subject: text)
        if token.lstrip("-").isdigit():
            number = int(token)
            return _Node("int", lambda subject: number)
        if token in _FUNCTIONS:
            return self._call(token, depth)
        if token in _FIELDS:
            return _FIELDS[token]
        raise FilterError(f"the filter has an unknown word {token!r}")

    def _call(self, name: str, depth: int) -> _Node:
        self._clause()
        kinds, result, function = _FUNCTIONS[name]
        self._expect("(")
        arguments = [self.either(depth + 1)]
        while self._peek() == ",":
            self._next()
            arguments.append(self.either(depth + 1))
        self._expect(")")
        required = sum(not kind.endswith("?") for kind in kinds)
        if not required <= len(arguments) <= len(kinds):
            raise FilterError(f"{name} takes {required} arguments, not {len(arguments)}")
        for argument, kind in zip(arguments, kinds, strict=False):
            _demand(argument, kind.rstrip("?"), f"an argument of {name}")

        def called(subject: Subject) -> Value:
            values = [argument.value(subject) for argument in arguments]
            return None if None in values else function(*values)

        return _Node(result, called)
