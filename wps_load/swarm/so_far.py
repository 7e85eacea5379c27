"""The SLOs of a run in progress: what is missing now counts as lost, until it arrives."""

from __future__ import annotations

from wps_load.measure.ledger import LedgerTotals
from wps_load.report.model import RunFacts
from wps_load.report.summary import FactsSource
from wps_load.swarm.books import Books
from wps_load.swarm.collector import Collector


class SoFar(FactsSource):
    """`books`: those of the run, or of the population that the facts are about."""

    def __init__(self, facts: RunFacts, books: Books) -> None:
        super().__init__(facts)
        self._books = books

    @property
    def messages(self) -> LedgerTotals:
        return self._books.running_totals()

    def of(self, population: str) -> SoFar | None:
        names = list(self._facts.populations)
        if population not in names or not isinstance(self._books, Collector):
            return None
        every = self._books.populations or [self._books]
        return SoFar(self._facts.populations[population], every[names.index(population)])
