"""The data plane's `filter`: a subset of OData 4, parsed into a predicate over connections. Pure.

Source: documentation, "OData filter syntax in Azure Web PubSub"; where it is silent, Microsoft's emulator. Precedence:
not > comparison > and > or. Names of fields are case-insensitive. Only whole numbers have an order. An absent value
equals only null, and has no order.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

MAX_CLAUSES = 1000
"""The documents say about 100; more are accepted."""

_MAX_DEPTH = 50
_INT32 = range(-(1 << 31), 1 << 31)
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<number>-?\d+)|(?P<word>[A-Za-z]\w*)|(?P<mark>[(),]))")

Value = Any
"""The value of an expression for one connection: str, int, bool, None, or a collection of str."""


class FilterError(ValueError):
    """The filter cannot be read; the text is one sentence."""


class Subject(Protocol):
    """What a filter examines."""

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
    "userid": _Node("string", lambda subject: subject.user_id),
    "connectionid": _Node("string", lambda subject: subject.id),
    "groups": _Node("collection", lambda subject: subject.groups),
    "protocol": _Node("string", lambda subject: subject.protocol),
}
_CONSTANTS: dict[str, _Node] = {
    "null": _Node("null", lambda subject: None),
    "true": _Node("bool", lambda subject: True),
    "false": _Node("bool", lambda subject: False),
}


def _substring(text: str | None, start: int | None, length: int | None = None) -> str | None:
    """Null where .NET's own would throw: beyond the text."""
    if text is None or start is None or not 0 <= start <= len(text):
        return None
    end = len(text) if length is None else start + length
    return text[start:end] if start <= end <= len(text) else None


def _indexof(text: str | None, part: str | None) -> int:
    return -1 if text is None or part is None else text.find(part)


def _concat(left: str | None, right: str | None) -> str:
    return (left or "") + (right or "")


def _of_all(function: Callable[..., Value]) -> Callable[..., Value]:
    """Null if an argument is null."""
    return lambda *values: None if None in values else function(*values)


_FUNCTIONS: dict[str, tuple[tuple[str, ...], str, Callable[..., Value]]] = {
    "tolower": (("string",), "string", _of_all(str.lower)),
    "toupper": (("string",), "string", _of_all(str.upper)),
    "trim": (("string",), "string", _of_all(str.strip)),
    "length": (("string|collection",), "int", _of_all(len)),
    "substring": (("string", "int", "int?"), "string", _substring),
    "startswith": (("string", "string"), "bool", _of_all(str.startswith)),
    "endswith": (("string", "string"), "bool", _of_all(str.endswith)),
    "contains": (("string", "string"), "bool", _of_all(operator.contains)),
    "indexof": (("string", "string"), "int", _indexof),
    "concat": (("string", "string"), "string", _concat),
}
_ORDERS: dict[str, Callable[[Value, Value], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def parse_filter(text: str) -> Callable[[Subject], bool]:
    """A predicate; raises FilterError."""
    parser = _FilterParser(_tokens(text))
    node = parser.either(0)
    parser.expect_end()
    _demand(node, "bool")
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


def _demand(node: _Node, kind: str) -> None:
    """`kind`: one, or several between bars. Null stands for an absent value of any kind but bool."""
    if node.kind not in (*kind.split("|"), "null") or (node.kind == "null" and kind == "bool"):
        raise FilterError(f"Type '{node.kind}', expect '{kind}'")


def _negated(value: Callable[[Subject], Value]) -> Callable[[Subject], bool]:
    return lambda subject: not value(subject)


def _equal(left: _Node, right: _Node) -> Callable[[Subject], bool]:
    a, b = left.value, right.value
    if "null" not in (left.kind, right.kind) and left.kind != right.kind:
        return lambda subject: False
    if left.kind == right.kind == "collection":
        return lambda subject: not a(subject) and not b(subject)  # two lists are the same list only if they are empty
    return lambda subject: bool(a(subject) == b(subject))


class _FilterParser:
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
        return self._joined("or", any, self._both, depth)

    def _both(self, depth: int) -> _Node:
        return self._joined("and", all, self._comparison, depth)

    def _joined(
        self, word: str, fold: Callable[[Iterable[bool]], bool], operand: Callable[[int], _Node], depth: int
    ) -> _Node:
        first = operand(depth)
        if self._peek() != word:
            return first
        nodes = [first]
        while self._peek() == word:
            self._next()
            nodes.append(operand(depth))
        for node in nodes:
            _demand(node, "bool")
        values = [node.value for node in nodes]
        return _Node("bool", lambda subject: fold(bool(value(subject)) for value in values))

    def _comparison(self, depth: int) -> _Node:
        node = self._unary(depth)
        while (word := self._peek()) in ("eq", "ne", "in") or word in _ORDERS:
            depth += 1
            self._next()
            self._clause()
            if word == "in":
                node = self._membership(node, depth)
            elif word in _ORDERS:
                node = self._order(node, word, self._unary(depth))
            else:
                equal = _equal(node, self._unary(depth))
                node = _Node("bool", equal if word == "eq" else _negated(equal))
        return node

    def _order(self, left: _Node, word: str, right: _Node) -> _Node:
        if "null" in (left.kind, right.kind):
            return _CONSTANTS["false"]
        _demand(left, "int")
        _demand(right, "int")
        compare, a, b = _ORDERS[word], left.value, right.value

        def compared(subject: Subject) -> bool:
            x, y = a(subject), b(subject)
            return x is not None and y is not None and compare(x, y)

        return _Node("bool", compared)

    def _membership(self, left: _Node, depth: int) -> _Node:
        _demand(left, "string|int|bool")
        item = left.value
        if self._peek() != "(":
            right = self._unary(depth)
            if right.kind != "collection":
                raise FilterError("what is right of 'in' must be groups or a list in parentheses")
            return _Node("bool", lambda subject: item(subject) in right.value(subject))
        self._next()
        members = []
        while self._peek() != ")":
            members.append(_equal(left, self._unary(depth)))
            if self._peek() != ",":
                break
            self._next()
            self._clause()
        self._expect(")")
        return _Node("bool", lambda subject: any(equal(subject) for equal in members))

    def _unary(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise FilterError("the filter is nested too deeply")
        token = self._next()
        if token == "not":
            operand = self._unary(depth + 1)
            _demand(operand, "bool")
            return _Node("bool", _negated(operand.value))
        if token == "(":
            node = self.either(depth + 1)
            self._expect(")")
            return node
        if token.startswith("'"):
            text = token[1:-1].replace("''", "'")
            return _Node("string", lambda subject: text)
        if token.lstrip("-").isdigit():
            number = int(token) if len(token) < 12 else 1 << 31
            if number not in _INT32:
                raise FilterError(f"{token} is not a 32-bit integer")
            return _Node("int", lambda subject: number)
        if token in _FUNCTIONS:
            return self._call(token, depth)
        if token in _CONSTANTS:
            return _CONSTANTS[token]
        if token.lower() in _FIELDS:
            return _FIELDS[token.lower()]
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
            _demand(argument, kind.rstrip("?"))
        return _Node(result, lambda subject: function(*[argument.value(subject) for argument in arguments]))
