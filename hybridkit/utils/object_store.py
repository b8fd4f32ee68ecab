"""A folder of products on this machine's disk and the same in a store that many machines reach: s3://, gs://, ...

A product goes to the store before its checksums, and is in the store when they are: what a killed machine left half
written is never taken for whole. What is brought from there is compared with its checksums.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from hybridkit.errors import InputError, TroubleError, first_line
from hybridkit.utils.files import atomic_folder, atomic_write, checksum, is_full_disk, write_text
from hybridkit.utils.paths import store_copy
from hybridkit.utils.products import changed, product_of, sums_in, sums_path

T = TypeVar("T")
PATIENCE = 60.0  # seconds that a store which does not answer is asked again
_INSTALL = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
_PLAIN_ERRORS = (TypeError, AttributeError, NameError, ImportError, InputError, FileNotFoundError)  # not of a store


class Mirror:
    """A run folder in a store of them, and its copy on this machine (`paths.store_copy`).

    Named by what they are made from, products in subfolders are the same wherever they are made: the one that is
    there already stays. Files at the top of the folder change, and go to the store only.
    """

    def __init__(self, store: str, name: str) -> None:
        self.store, self.url, self.folder = store, f"{store}/{name}", store_copy(store) / name
        self._fs, self._root = _open(self.url)
        self._folders: set[str] = set()  # those in the store that this process has asked for
        self._known: dict[str, bytes] = {}  # checksum files that this process knows to be in the store

    def bring(self, product: Path) -> bool:
        """Bring a product of a subfolder from the store unless it is here, and return whether it is here now.

        Raises InputError or TroubleError with the address where the store cannot be read (`PATIENCE`).
        """
        from filelock import FileLock

        if not product.is_relative_to(self.folder):  # one of the cache
            return False
        sums = sums_path(product)
        try:
            text = self._ask(lambda: self._fs.cat_file(self._at(sums)))
        except FileNotFoundError:
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".bring.lock"):  # of two processes one brings, and the other waits
            if not (sums.is_file() and sums.read_bytes() == text and not changed(product, thorough=False)):
                self._ask(lambda: self._bring(product, text))
        self._known[self._name(sums)] = text
        return True

    def bring_all(self) -> None:
        """Bring every product of a subfolder that is in the store and not here."""
        for name in self._listed():
            if "/" in name and name.endswith(".sum"):
                path = self.folder / name
                self.bring(product_of(path))

    def send(self, top: bool = False) -> list[str]:
        """Send what is sealed here and not known to be in the store; returns the names of their checksum files.

        Products at the top of the folder are sent with `top` only.
        """
        sent = []
        for sums in sorted(self.folder.rglob(".*.sum")):
            name = self._name(sums)
            if ("/" in name or top) and self._send(sums, name):
                sent.append(name)
        return sent

    def send_everything(self, leave: Iterable[str] = ()) -> None:
        """Send all products, and every other file that is not hidden and is not in one of the folders to `leave`."""
        self.send(top=True)
        sealed = {path for name in self._known for path in sums_in(self._known[name].decode(), self._product(name))}
        left = set(leave)
        for path in sorted(self.folder.rglob("*")):
            parts = path.relative_to(self.folder).parts
            plain = not any(part.startswith(".") or part.endswith((".work", ".stamp", ".lock")) for part in parts)
            if plain and parts[0] not in left and path not in sealed and path.is_file():
                self._put(path)

    def _send(self, sums: Path, name: str) -> bool:
        product = self._product(name)
        try:
            text = sums.read_bytes()
            if self._known.get(name) == text:
                return False
            for path in sums_in(text.decode(), product):
                self._put(path)
        except FileNotFoundError as error:
            if _is_here(self.folder, error):  # removed meanwhile: embeddings of a model that are not kept
                return False
            raise
        self._ask(lambda: self._fs.pipe_file(self._at(sums), text))
        self._known[name] = text
        return True

    def _put(self, path: Path) -> None:
        def put() -> None:
            if (parent := self._at(path.parent)) not in self._folders:
                self._fs.makedirs(parent, exist_ok=True)
                self._folders.add(parent)
            self._fs.put_file(str(path), self._at(path))

        path.stat()  # FileNotFoundError with its own name, not with that of a bucket
        try:
            self._ask(put)
        except FileNotFoundError as error:
            path.stat()
            raise InputError(f"{self.url}: there is no such place in the store ({error}); make the bucket") from error

    def _bring(self, product: Path, text: bytes) -> None:
        """Copy the files of a product, compare them with their checksums, and write these last."""
        sums = sums_in(text.decode(errors="replace"), product)
        if not sums or any(path != product and product not in path.parents for path in sums):
            raise OSError(f"{sums_path(product).name} is damaged in the store")
        sums_path(product).unlink(missing_ok=True)
        if list(sums) == [product]:
            with atomic_write(product) as temporary:
                self._get(product, temporary, sums[product])
        else:
            with atomic_folder(product) as temporary:
                for path, expected in sums.items():
                    to = temporary / path.relative_to(product)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    self._get(path, to, expected)
        write_text(sums_path(product), text.decode())

    def _get(self, path: Path, to: Path, expected: str) -> None:
        try:
            self._fs.get_file(self._at(path), str(to))
        except FileNotFoundError as error:
            raise OSError(f"{self._name(path)} is missing in the store, and its checksum is there") from error
        if checksum(to) != expected:
            raise OSError(f"{self._name(path)} differs in the store from its checksum")

    def _listed(self) -> list[str]:
        def find() -> list[str]:
            self._fs.invalidate_cache()
            return [str(path) for path in self._fs.find(self._root)]

        try:
            found = self._ask(find)
        except FileNotFoundError:
            return []
        return sorted(path[len(self._root) :].lstrip("/") for path in found if path.startswith(self._root))

    def _ask(self, ask: Callable[[], T]) -> T:
        """What the store answers; asked again for a while where it does not."""
        began, pause = time.monotonic(), 0.5
        while True:
            try:
                return ask()
            except _PLAIN_ERRORS:
                raise
            except PermissionError as error:
                raise InputError(
                    f"{self.url}: access is refused ({first_line(error)}); check the credentials"
                ) from error
            except Exception as error:  # each store has errors of its own
                if is_full_disk(error):
                    raise
                if time.monotonic() - began + pause > PATIENCE:
                    raise TroubleError(
                        f"{self.url}: the store has failed for {PATIENCE:.0f} s ({first_line(error)}); check the "
                        "address and the network, and run the same command again: everything finished is kept"
                    ) from error
            time.sleep(pause)
            pause = min(2 * pause, 10.0)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _at(self, path: Path) -> str:
        return f"{self._root}/{self._name(path)}"

    def _product(self, name: str) -> Path:
        return product_of(self.folder / name)


@contextmanager
def mirrored(store: str | None, name: str, leave: Iterable[str] = ()) -> Iterator[Mirror | None]:
    """Bring the products of a run folder from a store, and send all its files there when the block ends.

    They are sent after an error too. Files in the folders to `leave` stay here. Without a store nothing is done.
    """
    if store is None:
        yield None
        return
    mirror = Mirror(store, name)
    mirror.bring_all()
    try:
        yield mirror
    finally:
        mirror.send_everything(leave)


def _open(url: str) -> tuple[Any, str]:
    import fsspec

    kind = url.partition("://")[0]
    options = {"auto_mkdir": True} if kind in ("file", "local") else {}
    try:
        store, root = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
    except ImportError as error:
        raise InputError(f"{url}: {kind} needs a package; run `pip install {_INSTALL.get(kind, kind)}`") from error
    except ValueError as error:
        raise InputError(f"{url}: not the address of a store ({first_line(error)}); as in s3://bucket/runs") from error
    return store, str(root).rstrip("/")


def _is_here(folder: Path, error: FileNotFoundError) -> bool:
    return error.filename is not None and Path(str(error.filename)).is_relative_to(folder)
