"""A page that remembers what went on in it: errors on the console, dialogs, requests."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Dialog, Page


class Watched:
    """A page of the browser, and what its console, its dialogs and its requests were since it was opened.

    No error is passed over as harmless: JupyterLab 4.6 writes none of its own.
    """

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"uncaught: {error}"))
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.requests.append(request.url))

    def from_elsewhere(self, *here: str) -> list[str]:
        """The requests to any other place than those whose addresses begin so."""
        return [url for url in self.requests if not url.startswith((*here, "data:", "blob:"))]

    def _console(self, message: "ConsoleMessage") -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _dialog(self, dialog: "Dialog") -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
