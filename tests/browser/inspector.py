"""The inspector as a person works it: controls by their names, parts by what they are, texts as values."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tests.browser.patience import TIMES

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


Value = TypeVar("Value")


@dataclass(frozen=True)
class InspectorPage:
    """The inspector in an opened notebook."""

    page: "Page"

    def settles(self, read: Callable[[], Value], wanted: Value, seconds: float = 30) -> None:
        """Wait until what is read from the page is what is wanted; the kernel answers when it can."""
        until = time.monotonic() + seconds * TIMES
        while (found := read()) != wanted and time.monotonic() < until:
            self.page.wait_for_timeout(50)
        assert found == wanted, f"{found} is there, and wanted is {wanted}"

    def part(self, name: str) -> "Locator":
        """A part by its data-testid."""
        return self.page.get_by_test_id(name)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a list by its text."""
        self.page.get_by_role("combobox", name=label, exact=True).select_option(label=option)

    def write(self, label: str, text: str, enter: bool = False) -> None:
        """Write a text into a field in place of what is there."""
        field = self.page.get_by_role("textbox", name=label, exact=True)
        field.fill(text)
        if enter:
            field.press("Enter")

    def cell(self, query: str, passage: str) -> "Locator":
        """The cell of a pair in the matrix."""
        return self.part("cell").and_(self.page.locator(f'[data-query="{query}"][data-passage="{passage}"]'))

    def cells(self) -> dict[tuple[str, str], str]:
        """What each cell is called, by query and passage language."""
        found = self.part("cell").evaluate_all(
            "(all) => all.map((one) => [one.dataset.query, one.dataset.passage, one.getAttribute('aria-label')])"
        )
        return {(query, passage): name for query, passage, name in found}

    def values(self) -> dict[tuple[str, str], float]:
        """The number of each cell."""
        numbers = {pair: name.rpartition(": ")[2].partition(", not")[0] for pair, name in self.cells().items()}
        return {pair: float(text.rstrip("*").replace("−", "-").replace(",", "")) for pair, text in numbers.items()}

    def rows(self) -> "Locator":
        """The rows of the list of queries."""
        return self.part("queries").locator("[role=row][data-query-id]")

    def row(self, query_id: str) -> "Locator":
        """The row of a query."""
        return self.part("queries").locator(f'[role=row][data-query-id="{query_id}"]')

    def listed(self) -> list[tuple[str, float]]:
        """Id and rank of each query listed."""
        found = self.rows().evaluate_all("(all) => all.map((one) => [one.dataset.queryId, Number(one.dataset.rank)])")
        return [tuple(one) for one in found]

    def ranked(self, part: str, strategy: str) -> list[dict[str, Any]]:
        """The passages of a ranking by a strategy, in order: what is shown of each."""
        return (
            self.part(part)
            .locator(f'[data-strategy="{strategy}"]')
            .get_by_test_id("passage")
            .evaluate_all(
                """(all) => all.map((one) => {
              const text = one.querySelector("[data-testid=text]");
              return {
                rank: Number(one.dataset.rank), passage_id: one.dataset.passageId, text: text.textContent,
                language: one.querySelector("[data-testid=badge]").textContent.trim(), direction: text.dir,
                relevant: one.dataset.relevant === "true", twin: one.dataset.twin === "true",
              };
            })"""
            )
        )

    def points(self) -> dict[tuple[str, str], float]:
        """The ranks on the ladder, by strategy and language."""
        found = (
            self.part("ladder")
            .locator("[data-strategy][data-language]")
            .evaluate_all(
                "(all) => all.map((one) => [one.dataset.strategy, one.dataset.language, Number(one.dataset.rank)])"
            )
        )
        return {(strategy, language): rank for strategy, language, rank in found}
