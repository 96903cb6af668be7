"""Servers on 127.0.0.1 that answer as the services around the workflow do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Asked(NamedTuple):
    path: str
    query: dict[str, str]
    body: Any
    authorization: str


class Server:
    """What a server was asked, and how it answers.

    `answer` takes a request and gives a status and content: bytes, or what becomes JSON; None
    instead of both breaks the connection off.
    """

    def __init__(self, answer: Callable[[Asked], tuple[int, Any] | None]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""


@contextmanager
def serving(answer: Callable[[Asked], tuple[int, Any] | None]) -> Iterator[Server]:
    state = Server(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = Asked(
                parts.path,
                {name: values[-1] for name, values in parse_qs(parts.query).items()},
                json.loads(body) if body else None,
                self.headers.get("Authorization", ""),
            )
            state.asked.append(request)
            reply = state.answer(request)
            if reply is None:
                self.close_connection = True
                return
            status, content = reply
            content = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
