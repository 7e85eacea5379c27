"""Numbers as people read them, and sentences that say what was run."""

from __future__ import annotations

from typing import Any

import pytest

from tests.report.report_runs import facts
from wps_load.report import html, markdown, tables, words
from wps_load.report.schema import first_fault
from wps_load.report.summary import build_summary


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (1234567, "1,234,567"), (0.0123, "0.0123"), (12.0, "12"), (1999.96, "2,000")],
)
def test_number(value: float | None, text: str) -> None:
    assert tables.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_millis(value: float | None, text: str) -> None:
    assert tables.millis(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0.0, "0 s"), (42.5, "42.5 s"), (60, "1 min"), (200, "3 min 20 s"), (3720, "1 h 2 min")],
)
def test_seconds(value: float | None, text: str) -> None:
    assert tables.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1023, "1,023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 30, "3.00 GiB")],
)
def test_size(value: float | None, text: str) -> None:
    assert tables.size(value) == text


@pytest.mark.parametrize(
    ("slo", "measured"),
    [
        ("rtt p99 < 1s", "s"),
        ("rtt p99 < 250ms", "ms"),
        ("connected >= 99.9%", "100%"),
        ("loss = 0", "0"),
        ("rtt rate >= 10/s", "100/s"),
        ("delivery p99 < 1s", "–"),
    ],
)
def test_an_slo_shows_its_value_in_its_unit(slo: str, measured: str) -> None:
    (row,) = tables.slo_table(build_summary(facts(slo=slo))).rows
    assert row[2].text.endswith(measured)


@pytest.mark.parametrize(
    ("settings", "load"),
    [
        ({"wps-rate": "2"}, "2 messages/s for each publisher, payload 2KiB"),
        ({"wps-rate": "1", "wps-total-rate": "500"}, "500 messages/s in total, payload 2KiB"),
        ({"wps-rate": "max"}, "closed loop, payload 2KiB"),
        (
            {"wps-rate": "2", "wps-payload": None, "wps-payload-file": "/a/b.txt"},
            "2 messages/s for each publisher, payload from b.txt",
        ),
    ],
)
def test_what_ran(settings: dict[str, str | None], load: str) -> None:
    run = facts(settings={"wps-payload": "2KiB", **settings})
    assert words.what_ran(build_summary(run)) == (
        f"echo over json, 50 connections, 50 publishers, {load}, "
        "against embedded emulator at http://127.0.0.1:41873, for 33 s."
    )


def test_failures_are_shown_with_the_first_of_each_kind_in_words() -> None:
    key = ("disconnect", "closed_1008")
    run = facts(failures={key: 3, ("connect", "http_429"): 2})
    plain = tables.failures_table(build_summary(run))
    assert plain.header == ("metric", "label", "count")
    run.snapshot.sentences[key] = "the service closed the connection with code 1008: Quota | <b>"
    summary = build_summary(run)
    assert first_fault(summary) is None
    table = tables.failures_table(summary)
    assert [cell.text for cell in table.rows[0]] == [*key, "3", run.snapshot.sentences[key]]
    assert table.rows[1][3].text == ""
    for page in (markdown.render(summary), html.render(summary, None).decode()):
        assert "code 1008: Quota" in page
        assert "<b>" not in page


def test_settings_that_were_set_stand_before_those_at_their_default() -> None:
    chosen = {"users": 50, "wps-rate": "2", "wps-scenario": "echo", "wps-ack": True}
    left = {"wps-groups": None, "wps-insecure": False, "wps-protocol": "json", "wps-target": "auto"}
    summary = build_summary(facts(settings={**left, **chosen}))
    shown = [row[0].text for row in tables.settings_table(summary).rows]
    assert shown == ["users", "wps-rate", "wps-ack"]
    rest = {row[0].text: row[1].text for row in tables.defaults_table(summary).rows}
    assert rest == {
        "wps-groups": tables.DASH,
        "wps-insecure": tables.shown(value=False),
        "wps-protocol": "json",
        "wps-target": "auto",
        "wps-scenario": "echo",
    }


def shown(summary: Any) -> dict[str, str]:
    """What the table of messages says, but for rates."""
    return {row[0].text: row[1].text for row in tables.messages_table(summary).rows}


def test_invocations_streams_and_what_is_unknown_stand_beside_the_messages() -> None:
    plain: Any = build_summary(facts())
    assert not any("invocation" in words or "stream" in words or "type" in words for words in shown(plain))
    invoked = {"pending_max": 7, "cancelled": 0, "unknown_responses": 2}
    found = shown({**plain, "invocations": invoked, "messages": {**plain["messages"], "unknown": 3}})
    assert found["most invocations pending on one connection"] == "7"
    assert found["invocations cancelled without an answer"] == "0"
    assert found["responses to unknown invocations"] == "2"
    assert found["of a type that the client does not know"] == "3"
    streams = dict.fromkeys(("started", "ended", "failed", "heard_whole", "cut_off", "nacks", "fragments_replayed"), 1)
    found = shown({**plain, "streams": {**streams, "keepalives": 0, "unknown_answers": 0}})
    assert found["streams started"] == "1"
    assert "keepalives of streams" not in found
