"""Reads texts into values, option by option, and makes a population of them; collects what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wps_load.errors import Fault
from wps_load.measure import thresholds
from wps_load.settings.options import BY_FLAG, TARGET_FLAGS, Option, OptionValues
from wps_load.settings.run_config import POPULATION_FIELDS, Population
from wps_load.settings.sources import SourceLevel, given_as
from wps_load.settings.target import empty
from wps_load.urls import without_secrets
from wps_load.workload.payload import read_samples
from wps_load.workload.scenarios import ROWS, default_roles


def build(found: dict[str, Any], reader: Reader, seed: int) -> tuple[Population, bool]:
    """The population of the values in `found`, which loses them; and whether its roles were given."""
    row = ROWS[found["scenario"]]
    found["samples"] = reader.samples(found.pop("payload_file"), found["data_type"])
    for flag, text in row.own_defaults(found["protocol"]).items():
        option = BY_FLAG[flag]
        if text and (not reader.texts[flag] or flag in reader.wrong):
            found[option.field] = option.read(text)
    found["no_echo"] = found["no_echo"] or (
        row.streams and found["protocol"] in row.protocols
    )  # no publisher reads its own stream
    found["slo"] = "" if found["slo"] == "none" else found["slo"] or row.slo
    found["slos"] = thresholds.parse(found["slo"])
    roles_given = found["roles"] is not None
    if not roles_given:
        found["roles"] = default_roles(found["scenario"], found["protocol"])
    found["user_class"], found["calls_rest"] = "", False
    return Population(**{name: found.pop(name) for name in POPULATION_FIELDS - {"seed"}}, seed=seed), roles_given


class Reader:
    """Reads the options one by one and collects their faults."""

    def __init__(self, values: OptionValues, sources: Mapping[str, SourceLevel]) -> None:
        self._values = values
        self._sources = sources
        self.faults: list[Fault] = []
        self.wrong: set[str] = set()
        self.given: set[str] = set()
        self.texts: dict[str, str | bool] = {}

    def upon(self, texts: Mapping[str, str | bool]) -> Reader:
        """Returns another reader in which these texts, by dest, replace this one's."""
        return Reader({**self._values, **texts}, self._sources)

    def read(self, option: Option) -> Any:
        """The option's value; its default if it is not set or, so that the rest can be judged, if it is wrong."""
        raw = self._values.get(option.dest)
        if option.is_switch:
            return self._switch(option, raw)
        text = "" if raw is None else str(raw).strip()
        cleared = raw is not None and option.field == "report_dir"  # the one option whose empty text means something
        if text and text != option.default:
            self.given.add(option.flag)
        if not text and raw is not None and not cleared and option.dest in self._sources:
            self._empty(option)
        text = text if text or cleared else str(option.default)
        self.texts[option.flag] = text
        if not text:
            return None
        try:
            text.encode()
        except UnicodeEncodeError:
            self._fault(option, None, "text in UTF-8")
            return option.read(str(option.default)) if option.default else None
        try:
            return option.read(text)
        except ValueError as error:
            # a query, or what stands before an @, may hold a secret
            named = option.field in ("negotiate_url", "endpoint")
            hidden = option.secret or "accesskey=" in text.lower() or (named and "@" in text)
            shown = without_secrets(text) if named else text
            self._fault(option, None if hidden else shown, str(error))
            return option.read(str(option.default)) if option.default else None

    def _switch(self, option: Option, raw: Any) -> bool:
        text = "" if raw is None else str(raw).strip().lower()
        if text not in ("", "true", "false", "on", "off", "yes", "no", "1", "0"):
            self._fault(option, text, "true or false")
        value = text in ("true", "on", "yes", "1")
        if value:
            self.given.add(option.flag)
        self.texts[option.flag] = value
        return value

    def samples(self, content: bytes | None, data_type: str) -> tuple[bytes, ...] | None:
        if content is None:
            return None
        option = BY_FLAG["--wps-payload-file"]
        try:
            return read_samples(content, data_type)
        except ValueError as error:
            self._fault(option, str(self.texts[option.flag]), f"one {data_type} message a line; {error}")
            return None

    def _empty(self, option: Option) -> None:
        name = given_as(option.flag, option.env_var, self._sources[option.dest])
        target = option.flag in TARGET_FLAGS
        allowed = "none for no SLO, or leave it out" if option.field == "slo" else "give it a value, or leave it out"
        self.wrong.add(option.flag)
        self.faults.append(empty(name) if target else Fault(name, "", f"it is set but empty: {allowed}"))

    def _fault(self, option: Option, value: str | None, allowed: str) -> None:
        self.wrong.add(option.flag)
        self.faults.append(Fault(option.flag, value, allowed))
