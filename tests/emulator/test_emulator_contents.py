"""What is read of a request before anything is done: content types, metadata, paths. Tables, no sockets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.emulator import media_types, metadata
from wps_load.emulator.routes import NoRoute, Parts, Routes
from wps_load.protocol.messages import DataType

# -- content types -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "data_type", "data"),
    [
        (None, b"\xff", DataType.BINARY, b"\xff"),
        ("application/octet-stream", b"\xff", DataType.BINARY, b"\xff"),
        ("TEXT/PLAIN", b"x", DataType.TEXT, b"x"),
        ("text/plain", b"", DataType.TEXT, b""),
        ("text/plain; charset=utf-8", "hé".encode(), DataType.TEXT, "hé".encode()),
        ('text/plain; CharSet="ISO-8859-1"', "hé".encode("latin-1"), DataType.TEXT, "hé".encode()),
        ("text/plain; format=flowed", b"x", DataType.TEXT, b"x"),
        ("text/plain", b"a\xffb", DataType.TEXT, "a\ufffdb".encode()),
        ("application/json", b'{"a":1.50, "a":1e400}', DataType.JSON, b'{"a":1.50, "a":1e400}'),
        ("application/json;charset=utf-16", '"x"'.encode("utf-16-le"), DataType.JSON, b'"x"'),
        ("application/json", b"null", DataType.JSON, b"null"),
        ("application/json", rb'"\ud800"', DataType.JSON, rb'"\ud800"'),
        ("application/json", b"[" * 64 + b"]" * 64, DataType.JSON, b"[" * 64 + b"]" * 64),
    ],
)
def test_bodies_that_are_taken(content_type: str | None, body: bytes, data_type: DataType, data: bytes) -> None:
    assert media_types.read(content_type, body) == (data_type, data)


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "application/xml",
        "application/x-protobuf",
        "application/vnd.api+json",
        "text/plain; charset=unknown",
        "text/plain; charset=rot13",
        'text/plain; charset="',
        "text/plain; charset",
    ],
)
def test_content_types_that_are_not_taken(content_type: str) -> None:
    with pytest.raises(media_types.UnsupportedMediaType):
        media_types.read(content_type, b"1")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"1 2", b"NaN", b"\xef\xbb\xbf{}", b'"\xff"', b"[" * 65 + b"]" * 65, rb'"\ud800', rb'"\ud800",']
)
def test_bodies_that_are_not_json(body: bytes) -> None:
    with pytest.raises(media_types.UnreadableBody):
        media_types.read("application/json", body)


# -- metadata ------------------------------------------------------------------------------------------------

GOOD = st.dictionaries(
    st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100),
    max_size=5,
)


@given(GOOD)
def test_good_pairs_travel_as_they_are(pairs: dict[str, str]) -> None:
    found = metadata.checked(pairs.items())
    assert dict(found) == pairs
    assert metadata.of_json(metadata.to_json(found)) == found


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ([("", "v")], "key must have"),
        ([("a b", "v")], "key must have"),
        ([("é", "v")], "key must have"),
        ([("k" * 257, "v")], "key must have"),
        ([("k", 1)], "value must be"),
        ([("k", "é")], "value must be"),
        ([("k", "a\nb")], "value must be"),
        ([("k", "v" * 1025)], "value must be"),
        ([("k", "a"), ("k", "b")], "twice"),
        ([(f"k{number}", "v" * 1024) for number in range(8)], "larger than 8192"),
    ],
)
def test_pairs_that_the_service_refuses(pairs: list[tuple[object, object]], says: str) -> None:
    with pytest.raises(metadata.MetadataError) as caught:
        metadata.checked(pairs)
    assert says in str(caught.value)


def test_headers_hold_metadata_in_lower_case_and_the_last_of_a_list() -> None:
    headers = [("X-WebPubSub-Metadata-Trace", "first"), ("x-webpubsub-metadata-TRACE", "a, b ,c "), ("Other", "x")]
    assert metadata.of_headers(headers) == (("trace", "c"),)
    assert metadata.to_headers((("Trace", "v"),)) == {"x-webpubsub-metadata-trace": "v"}
    assert metadata.of_headers([("Other", "x")]) == ()


# -- paths ---------------------------------------------------------------------------------------------------

ROUTES: Routes[str] = Routes(
    [
        ("POST", "/api/hubs/{hub}/:send", "send to all"),
        ("POST", "/api/hubs/{hub}/groups/{group}/:send", "send to group"),
        ("HEAD", "/api/hubs/{hub}/groups/{group}", "group exists"),
        ("GET", "/api/health", "health"),
        ("HEAD", "/api/health", "health"),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "operation", "names"),
    [
        ("POST", "/api/hubs/h/:send", "send to all", {"hub": "h"}),
        ("POST", "/API/Hubs/H/%3ASend/", "send to all", {"hub": "H"}),
        ("POST", "/api/hubs/h/groups/%7Ba%7D/:send", "send to group", {"group": "{a}"}),
        ("POST", "/api/hubs/h/groups/{a}/:send", "send to group", {"group": "{a}"}),
        ("POST", "/api/hubs/h/groups/a%2Fb/:send", "send to group", {"group": "a/b"}),
        ("POST", "/api/hubs/h/groups/a+b%20c%252F/:send", "send to group", {"group": "a+b c%2F"}),
        ("HEAD", "/api/hubs/h/groups/%20", "group exists", {"group": " "}),
        ("GET", "/api/health", "health", {}),
    ],
)
def test_paths(method: str, path: str, operation: str, names: dict[str, str]) -> None:
    found, parts = ROUTES.find(method, path)
    assert found == operation
    assert {name: parts.name(name) for name in names} == names


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/", 404),
        ("POST", "/api/hubs/h/groups//:send", 404),
        ("POST", "/api/hubs/h/x/:send", 404),
        ("DELETE", "/api/hubs/h/:send", 405),
        ("POST", "/api/health", 405),
    ],
)
def test_paths_that_lead_nowhere(method: str, path: str, status: int) -> None:
    with pytest.raises(NoRoute) as caught:
        ROUTES.find(method, path)
    assert caught.value.status == status


def test_a_name_with_an_escaped_slash_is_the_known_one_else_the_decoded_one() -> None:
    parts = Parts({"user": "tenant%2Falice%20s"})
    assert parts.name("user") == "tenant/alice s"
    assert parts.name("user", {"tenant/alice s", "tenant%2Falice s"}) == "tenant%2Falice s"
    assert parts.name("user", {"tenant/alice s"}) == "tenant/alice s"
