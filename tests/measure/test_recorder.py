from __future__ import annotations

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wps_load.measure.histogram import Histogram
from wps_load.measure.recorder import MAX_SENTENCE_CHARS, Recorder
from wps_load.measure.snapshot import Snapshot, metric_row

names = st.sampled_from(["rtt", "connect", "delivery", "send_lag"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("time"), names, st.integers(0, 10**10)),
        st.tuples(st.just("fail"), st.sampled_from(["connect", "disconnect"]), st.integers(1, 3)),
        st.tuples(st.just("count"), st.sampled_from(["bytes_sent", "bytes_received"]), st.integers(0, 99)),
        st.tuples(st.just("take"), st.none(), st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_the_parts_taken_add_up_to_the_total(history: list[tuple[str, str, int]]) -> None:
    recorder, taken, truth = Recorder(), Snapshot(), Snapshot()
    for what, name, n in history:
        if what == "time":
            recorder.buffer(name).append(n)
            truth.histograms.setdefault(name, Histogram()).record(n)
        elif what == "fail":
            recorder.fail(name, "closed_1006", n)
            key = (name, "closed_1006")
            truth.failures[key] = truth.failures.get(key, 0) + n
        elif what == "count":
            recorder.count(name, n)
            truth.counters[name] = truth.counters.get(name, 0) + n
        else:
            taken.merge(recorder.take())
        whole = recorder.peek()
        whole.merge(taken)
        assert whole == truth
    taken.merge(recorder.take())
    assert taken == truth
    assert recorder.take() == Snapshot()
    wired = msgpack.unpackb(msgpack.packb(truth.to_wire()))
    assert Snapshot.from_wire(wired) == truth


def test_buffers_keep_their_identity() -> None:
    recorder = Recorder()
    held = recorder.buffer("rtt")
    for empty in (recorder.flush, recorder.take, recorder.peek):
        held.append(5)
        empty()
        assert held == []
        assert recorder.buffer("rtt") is held


def test_what_was_taken_is_the_callers() -> None:
    recorder = Recorder()
    recorder.buffer("rtt").append(1_000_000)
    recorder.take().histograms["rtt"].record(5)
    assert recorder.peek() == Snapshot(), "each time is told once"
    recorder.buffer("rtt").append(2_000_000)
    recorder.peek().histograms["rtt"].record(5)
    assert recorder.peek().histograms["rtt"].count == 1


def test_names_outside_the_catalogue_are_refused_and_labels_folded() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="group-17"):
        recorder.buffer("group-17")
    with pytest.raises(ValueError, match="disconnect"):
        recorder.buffer("disconnect")
    with pytest.raises(ValueError, match="user-3"):
        recorder.count("user-3")
    with pytest.raises(ValueError, match="wss"):
        recorder.fail("wss://", "http_401")
    recorder.fail("connect", "Handshake status 401 for wss://host?access_token=x")
    recorder.fail("connect", "certificate of host x")
    assert recorder.take().failures == {("connect", "other"): 2}


def test_a_metrics_row() -> None:
    histogram = Histogram()
    histogram.record_many([n * 1_000_000 for n in range(1, 101)])
    row = metric_row(histogram, failures=3)
    assert " ".join(row) == "count failures min mean stddev p50 p90 p95 p99 p99_9 p99_99 max"
    assert (row["count"], row["failures"]) == (103, 3), "attempts, as Locust counts them"
    assert (row["min"], row["mean"], row["max"], row["p99_99"]) == (1.0, 50.5, 100.0, 100.0)
    assert row["p50"] == pytest.approx(50, rel=1e-3)
    assert row["stddev"] == pytest.approx(28.866, rel=1e-3)


def test_a_row_without_data_is_unknown() -> None:
    row = Snapshot(failures={("disconnect", "closed_1006"): 2, ("rtt", "other"): 1}).row("disconnect")
    assert (row.pop("count"), row.pop("failures")) == (2, 2)
    assert set(row.values()) == {None}


def test_the_first_failure_of_a_kind_is_kept_in_words_on_every_way() -> None:
    recorder = Recorder()
    recorder.fail("disconnect", "closed_1008", sentence="with code 1008: first")
    recorder.fail("disconnect", "closed_1008", sentence="with code 1008: second")
    taken = recorder.take()
    recorder.fail("disconnect", "closed_1008", sentence="with code 1008: third")
    later = recorder.take()
    assert later.sentences == {}, "told once, or each second of a day would carry it"
    other = Snapshot(sentences={("disconnect", "closed_1008"): "of another worker", ("connect", "http_401"): "b"})
    total = Snapshot.from_wire(taken.to_wire())
    total.merge(later)
    total.merge(other)
    assert total.sentences == {("disconnect", "closed_1008"): "with code 1008: first", ("connect", "http_401"): "b"}
    assert total.without({"rtt"}).sentences == total.sentences
    recorder.fail("connect", "http_401", sentence="x" * 10_000)
    assert len(recorder.take().sentences["connect", "http_401"]) == MAX_SENTENCE_CHARS


def test_a_note_travels_like_the_words_of_a_failure_and_counts_nothing() -> None:
    recorder = Recorder()
    recorder.note("address", "10.0.0.9", "the address 10.0.0.9 did not answer")
    taken = Snapshot.from_wire(recorder.take().to_wire())
    assert taken.sentences == {("address", "10.0.0.9"): "the address 10.0.0.9 did not answer"}
    assert taken.failures == {}
