"""The live page's table of populations."""

from __future__ import annotations

from tests.report.report_runs import facts
from tests.report.test_population_tables import summary
from tests.swarm.runs import NUMBER, FakeCrowd, conducted, planned
from tests.swarm.test_books import config, counts, told
from wps_load.report.summary import build_summary
from wps_load.swarm.conductor import Conductor
from wps_load.swarm.messages import Hello, Sums
from wps_load.swarm.populations_view import populations_view


def test_the_last_second_of_each_the_worst_first() -> None:
    asked = config("display.delivery p99 < 100ms, chat-user.rtt p99 < 1s")
    conductor = Conductor(planned(asked, scenario_users=False), FakeCrowd(ours=0), own_host="here")
    conductor.received("a", NUMBER, Hello("here"), 0)
    conductor.tick(1, {"a"})
    assert populations_view(conductor, None) is None, "no second yet"
    chat = Sums(3, counts(published=5), counts(published=5, delivered=1), None)
    display = Sums(7, counts(delivered=11), counts(delivered=11, missing=2), None)
    conductor.received("a", NUMBER, told(1, chat, display), 2)
    found = populations_view(conductor, None)
    assert found is not None
    assert [[cell["text"] for cell in row] for row in found["rows"]] == [
        ["display", "7", "0", "11", "2", "delivery", "400", "400", "delivery p50 400 p99 400 ms ✗ 300% above 100"],
        ["chat-user", "3", "5", "0", "0", "rtt", "5.00", "5.00", "rtt p50 5.00 p99 5.00 ms ✓ 99.5% below 1,000"],
    ]
    assert [row[-1]["tone"] for row in found["rows"]] == ["fail", "pass"]
    assert [column["numeric"] for column in found["columns"]] == [False] + [True] * 7 + [False]


def test_a_run_that_is_over_has_the_report_s_figures() -> None:
    conductor = Conductor(planned(config(), scenario_users=False), FakeCrowd(ours=0), own_host="here")
    found = populations_view(conductor, summary())
    assert found is not None
    assert [row[0]["text"] for row in found["rows"]] == ["hosts", "viewers"]
    assert found["columns"][-1]["text"] == "SLOs"


def test_a_run_of_one_population_has_none() -> None:
    conductor = conducted(planned(scenario_users=False))
    assert populations_view(conductor, None) is None
    assert populations_view(conductor, build_summary(facts())) is None
