"""Downloads that go on where they broke off, and the sizes of files before they are fetched."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

_TRIES = 3
_PLAIN = {"Accept-Encoding": "identity"}  # the file's own bytes, so that offsets are offsets in the file


def download(address: str, part: Path, progress: bool = False) -> None:
    """Fill the file `part` with what an http address holds, going on after the bytes that it has already.

    A connection that breaks off is tried again as long as bytes come, three times in a row without one; what came stays
    in `part`. Bytes are only added to while the server says that the file is the same (its ETag or date, kept in
    `part` + ".of"); else they come anew. Raises httpx.HTTPError.
    """
    import httpx

    tries = 0
    while True:
        before = _size(part)
        try:
            return _get(address, part, progress)
        except httpx.TransportError:
            tries = tries + 1 if _size(part) <= before else 0
            if tries == _TRIES:
                raise


def forget(part: Path) -> None:
    """Remove what a download left: its bytes and what they were of."""
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)


def sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    """Bytes of files by their name, as the servers tell; files that they tell nothing of, or that are away, lack."""
    hub = {file: address for file, address in addresses.items() if address.startswith("hf://")}
    return _hub_sizes(hub) | _http_sizes({file: address for file, address in addresses.items() if file not in hub})


def hub_parts(address: str) -> tuple[str, str]:
    """Repository and path of an address of the hub's data sets.

    >>> hub_parts("hf://datasets/castorini/mr-tydi/mrtydi-v1.1-thai/train.jsonl.gz")
    ('castorini/mr-tydi', 'mrtydi-v1.1-thai/train.jsonl.gz')
    """
    owner, name, path = address.removeprefix("hf://datasets/").split("/", 2)
    return f"{owner}/{name}", path


def _get(address: str, part: Path, progress: bool) -> None:
    import httpx
    from tqdm.auto import tqdm

    have, version = _size(part), _version(part)
    known = version.read_text(encoding="utf-8") if have and version.is_file() else ""
    headers = _PLAIN | ({"Range": f"bytes={have}-", "If-Range": known} if known else {})
    with httpx.stream("GET", address, headers=headers, follow_redirects=True, timeout=30) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("Content-Range") == f"bytes */{have}":
                return  # the last byte had come when it broke off
            forget(part)
            raise httpx.RemoteProtocolError(f"{address} is shorter than what came of it before")
        answer.raise_for_status()
        more = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if more and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            forget(part)
            raise httpx.RemoteProtocolError(f"{address} sent another range than was asked for")
        part.parent.mkdir(parents=True, exist_ok=True)
        version.write_text(_same_as(answer), encoding="utf-8")
        start = have if more else 0
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            part.open("ab" if more else "wb") as file,
            tqdm(total=total, initial=start, desc=part.stem, unit="B", unit_scale=True, disable=not progress,
                 leave=False, mininterval=1, file=sys.stderr) as bar,
        ):  # fmt: skip
            for chunk in answer.iter_raw():
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and _size(part) != total:
        raise httpx.RemoteProtocolError(f"{_size(part):,} of {total:,} bytes came of {address}")


def _same_as(answer: "httpx.Response") -> str:
    """What tells one version of a file from another: a strong ETag, else the date; nothing where there is neither."""
    tag = answer.headers.get("ETag", "")
    return str(tag if tag.startswith('"') else answer.headers.get("Last-Modified", ""))


def _http_sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    import httpx

    found = {}
    for file, address in addresses.items():
        try:
            answer = httpx.head(address, headers=_PLAIN, follow_redirects=True, timeout=10)
        except httpx.TransportError:
            break  # no network: the next one would only take time too
        if answer.is_success and "Content-Length" in answer.headers:
            found[file] = int(answer.headers["Content-Length"])
    return found


def _hub_sizes(addresses: Mapping[str, str]) -> dict[str, int]:
    import httpx
    from huggingface_hub import HfApi

    found: dict[str, int] = {}
    wanted: dict[str, dict[str, str]] = {}
    for file, address in addresses.items():
        repository, path = hub_parts(address)
        wanted.setdefault(repository, {})[path] = file
    for repository, files in wanted.items():
        try:
            told: Iterable[object] = HfApi().get_paths_info(repository, list(files), repo_type="dataset")
        except (OSError, ValueError, httpx.HTTPError):
            continue
        found |= {files[getattr(one, "path", "")]: int(getattr(one, "size", 0)) for one in told}
    return found


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _version(part: Path) -> Path:
    return part.with_name(part.name + ".of")
