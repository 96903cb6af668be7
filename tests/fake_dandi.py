"""A fake DANDI archive on 127.0.0.1 that answers in the shapes of the real REST API.

What it holds can be changed while it runs. It logs each request, and it can be told to go wrong:

    with FakeArchive() as archive:
        archive.add("000001", draft=[asset("a.nwb")])
        archive.on("/dandisets/000001/versions/draft/assets/", status(503), nth=1)
        ...  # archive.url, archive.requests
"""

import copy
import csv
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

MODIFIED = "2024-01-02T03:04:05.678901Z"
LARGEST_PAGE = 1000

Row = dict[str, Any]


def asset(path: str, kind: str = "blob", **changes: Any) -> Row:
    """An asset as the API shows it; its ids depend on its path alone."""
    content = str(uuid.uuid5(uuid.NAMESPACE_URL, changes.pop("content", path)))
    row = {
        "asset_id": str(uuid.uuid5(uuid.NAMESPACE_OID, path + json.dumps(changes, sort_keys=True))),
        "blob": content if kind == "blob" else None,
        "zarr": content if kind == "zarr" else None,
        "path": path,
        "size": 10,
        "created": "2024-01-01T00:00:00.000001Z",
        "modified": MODIFIED,
    }
    return row | changes


@dataclass
class Version:
    """A version and its assets."""

    version: str
    assets: list[Row]
    modified: str = MODIFIED

    def row(self) -> Row:
        return {
            "version": self.version,
            "name": "Demo",
            "asset_count": len(self.assets),
            "size": sum(row["size"] for row in self.assets if isinstance(row["size"], int)),
            "status": "Valid",
            "created": "2024-01-01T00:00:00Z",
            "modified": self.modified,
        }


@dataclass
class Dandiset:
    """A Dandiset: its draft, if it has one, and its published versions, oldest first."""

    identifier: str
    draft: Version | None
    published: list[Version] = field(default_factory=list)

    def row(self) -> Row:
        return {
            "identifier": self.identifier,
            "created": "2020-03-15T21:58:29.123456Z",
            "modified": MODIFIED,
            "embargo_status": "OPEN",
            "most_recent_published_version": self.published[-1].row() if self.published else None,
            "draft_version": self.draft.row() if self.draft else None,
        }

    def versions(self) -> list[Version]:
        return [*([self.draft] if self.draft else []), *self.published]


# --- What can go wrong: each takes the handler, and returns True when it has answered -------------


def status(code: int, **headers: str) -> Callable:
    """Answer with a status; `Retry_After="1"` is the header `Retry-After`."""

    def act(handler: "Handler") -> bool:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        handler.answer(b"<html>an error page</html>", code=code, headers=named)
        return True

    return act


def drop(handler: "Handler") -> bool:
    """Close the connection without an answer."""
    handler.close_connection = True
    return True


def cut(handler: "Handler") -> bool:
    """Announce more bytes than come."""
    handler.answer(b'{"count": 1, "results": [', length=5_000)
    handler.close_connection = True
    return True


def stall(seconds: float) -> Callable:
    """Answer with silence."""

    def act(handler: "Handler") -> bool:
        time.sleep(seconds)
        handler.close_connection = True
        return True

    return act


def drip(handler: "Handler") -> bool:
    """Send a byte now and then, for a while."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)
    handler.close_connection = True
    return True


def body(content: Any) -> Callable:
    """Answer 200 with these bytes, or with this as JSON."""

    def act(handler: "Handler") -> bool:
        handler.answer(content if isinstance(content, bytes) else json.dumps(content).encode())
        return True

    return act


def page(change: Callable[[Row], Any]) -> Callable:
    """Answer with the page that it is, once `change` has changed it."""

    def act(handler: "Handler") -> bool:
        content = copy.deepcopy(handler.page())
        change(content)
        handler.answer(json.dumps(content).encode())
        return True

    return act


def meanwhile(change: Callable[[], Any]) -> Callable:
    """Change the archive, then answer as ever."""

    def act(handler: "Handler") -> bool:
        change()
        return False

    return act


# --- The server ---------------------------------------------------------------------------------


class FakeArchive:
    """The archive; a context manager that serves it.

    Attributes:
        dandisets: What it holds, by id.
        page_size: The largest page.
        requests: The path and query of each request, in order.
    """

    def __init__(self, page_size: int = LARGEST_PAGE) -> None:
        self.dandisets: dict[str, Dandiset] = {}
        self.page_size = page_size
        self.requests: list[str] = []
        self._faults: dict[str, list[tuple[int | None, Callable]]] = {}
        self._counts: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.at_once = 0
        self.most_at_once = 0

    def add(
        self, identifier: str, draft: list[Row] | None = None, **published: list[Row]
    ) -> Dandiset:
        """Add a Dandiset; `v0_240102_0304=[...]` is the published version 0.240102.0304."""
        versions = [
            Version(name.lstrip("v").replace("_", "."), rows) for name, rows in published.items()
        ]
        it = Dandiset(identifier, None if draft is None else Version("draft", draft), versions)
        self.dandisets[identifier] = it
        return it

    def load(self, snapshot: Path) -> None:
        """Add what a snapshot, `.tsv`, lists, but for the assets of no version."""
        with snapshot.open(encoding="utf-8", newline="") as file:
            for cells in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                name, version = cells["dandiset"], cells["version"]
                row = asset(cells["path"], size=int(cells["size"]), created=cells["created"])
                row |= {"blob": None, "zarr": None, cells["kind"]: cells["content_id"]}
                it = self.dandisets.get(name) or self.add(name, [])
                if version == "draft":
                    it.draft.assets.append(row)
                elif version:
                    if version not in [known.version for known in it.published]:
                        it.published.append(Version(version, []))
                    next(v for v in it.published if v.version == version).assets.append(row)

    def on(self, path: str, act: Callable, nth: int | None = None) -> None:
        """Go wrong at the n-th request of a path (pages count), from 1; at every one if None."""
        self._faults.setdefault(path, []).append((nth, act))

    def heal(self) -> None:
        """Go wrong no more, and forget the requests."""
        self._faults.clear()
        self._counts.clear()
        self.requests.clear()

    def fault_of(self, path: str) -> Callable | None:
        with self.lock:
            self._counts[path] += 1
            for nth, act in self._faults.get(path, []):
                if nth in (None, self._counts[path]):
                    return act
        return None

    def paths(self) -> list[str]:
        """The paths of the requests, without their queries."""
        return [request.partition("?")[0] for request in self.requests]

    def __enter__(self) -> Self:
        handler = type("BoundHandler", (Handler,), {"archive": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def snapshot(self) -> str:
        """What it holds as a snapshot, unsorted."""
        lines = ["dandiset\tversion\tpath\tcontent_id\tkind\tsize\tcreated"]
        for it in self.dandisets.values():
            for version in it.versions():
                for row in version.assets:
                    kind = "zarr" if row["zarr"] else "blob"
                    cells = (it.identifier, version.version, row["path"], row[kind], kind)
                    lines.append("\t".join((*cells, str(row["size"]), row["created"])))
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    """Answers for an archive."""

    archive: FakeArchive
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        archive = self.archive
        url = urlsplit(self.path)
        self.where = url.path.removeprefix("/api")
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        with archive.lock:
            archive.requests.append(f"{self.where}?{url.query}")
            archive.at_once += 1
            archive.most_at_once = max(archive.most_at_once, archive.at_once)
        try:
            act = archive.fault_of(self.where)
            if act is None or not act(self):
                content = self.page()
                if content is None:
                    self.answer(b'{"detail": "Not found."}', code=404)
                else:
                    self.answer(json.dumps(content).encode())
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with archive.lock:
                archive.at_once -= 1

    def rows(self) -> list[Row] | None:
        """All rows of the path; None if there is no such path."""
        match self.where.strip("/").split("/"):
            case ["dandisets"]:
                return [it.row() for _, it in sorted(self.archive.dandisets.items())]
            case ["dandisets", name, "versions"] if name in self.archive.dandisets:
                found = self.archive.dandisets[name].versions()
                return [version.row() | {"dandiset": {"identifier": name}} for version in found]
            case ["dandisets", name, "versions", wanted, "assets"]:
                it = self.archive.dandisets.get(name)
                for version in it.versions() if it else []:
                    if version.version == wanted:
                        return sorted(version.assets, key=lambda row: str(row["path"]))
        return None

    def page(self) -> Row | None:
        """The page that is asked for; `count` stands on the first one only for assets."""
        rows = self.rows()
        if rows is None:
            return None
        number = int(self.query.get("page", 1))
        size = min(int(self.query.get("page_size", 100)), self.archive.page_size)
        last = number * size >= len(rows)
        query = urlencode({**self.query, "page": number + 1})
        return {
            "count": len(rows) if number == 1 else None,
            "next": None if last else f"{self.archive.url}{self.where}?{query}",
            "previous": None,
            "results": rows[(number - 1) * size : number * size],
        }

    def answer(
        self,
        content: bytes,
        code: int = 200,
        headers: dict[str, str] | None = None,
        length: int | None = None,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(length or len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
