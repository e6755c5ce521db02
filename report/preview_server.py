"""Serves a preview to this machine alone: one page, and a stream of what became of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnlab.errors import CnnlabError
from report.preview import Preview
from report.watch import watched_folders

if TYPE_CHECKING:
    from starlette.applications import Starlette

HOST = "127.0.0.1"
NAMES = (HOST, "localhost", "[::1]")
"""What a browser on this machine may call this machine."""

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)

PACKAGES = ("starlette", "uvicorn", "watchfiles")

LONGEST_WAIT = 1000
"""Milliseconds after which files are looked at even when no change was told."""

Announce = Callable[[str], None]


class Live:
    """A preview that watches its files while it is served."""

    def __init__(self, preview: Preview) -> None:
        self.preview = preview
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Builds the page, and again with each change until the end."""
        await asyncio.to_thread(self.preview.refresh)
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self.close()
            await watching

    async def stream(self) -> AsyncIterator[str]:
        """What is shown, now and whenever it changes, as server-sent events."""
        told = None
        while not self._over.is_set():
            news = self._news
            if (now := self.preview.shown.news) != told:
                told = now
                yield f"data: {now}\n\n"
            else:
                await news.wait()

    def close(self) -> None:
        """End every stream and the watching."""
        self._over.set()
        self._tell()

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()

    async def _watch(self) -> None:
        """Files are compared after each hint from the system, and every second in case that it gave none."""
        from watchfiles import awatch

        while not self._over.is_set():
            folders = self._folders()
            hints = awatch(
                *folders,
                recursive=False,
                watch_filter=None,
                debounce=200,
                step=20,
                stop_event=self._over,
                rust_timeout=LONGEST_WAIT,
                yield_on_timeout=True,
            )
            try:
                async for _ in hints:
                    await self._refresh()
                    if self._folders() != folders:
                        break
            except OSError:  # a folder went away meanwhile, or the system has no watches left
                await self._refresh()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), LONGEST_WAIT / 1000)

    def _folders(self) -> list[Path]:
        return watched_folders(self.preview.lab, self.preview.store)

    async def _refresh(self) -> None:
        if await asyncio.to_thread(self.preview.refresh):
            self._tell()


class _LocalOnly:
    """Answers only what a page of this very server asks: another site's page, or its name for this machine, is refused."""

    def __init__(self, app: Any, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts
        self.origins = frozenset(f"http://{host}" for host in hosts)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        await (self.app if self._is_own(scope) else self._refuse)(scope, receive, send_with_headers)

    def _is_own(self, scope: Any) -> bool:
        values: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            values.setdefault(name, []).append(value.decode("latin-1").lower())
        hosts, origins = values.get(b"host", []), values.get(b"origin", [])
        return len(hosts) == 1 and hosts[0] in self.hosts and self.origins.issuperset(origins)

    async def _refuse(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.responses import PlainTextResponse

        await PlainTextResponse("this preview answers only to its own address\n", 403)(scope, receive, send)


def preview_app(live: Live, port: int) -> Starlette:
    """The application: `/`, the page, and `/events`, its stream; nothing else is there."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def page(request: Request) -> Response:
        return HTMLResponse(live.preview.page())

    async def events(request: Request) -> Response:
        return StreamingResponse(live.stream(), media_type="text/event-stream")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with live.watched():
            yield

    hosts = frozenset(name if port == 80 else f"{name}:{port}" for name in NAMES)
    app = Starlette(
        routes=[Route("/", page, methods=["GET"]), Route("/events", events, methods=["GET"])],
        middleware=[Middleware(_LocalOnly, hosts=hosts)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return app


def serve(preview: Preview, port: int, announce: Announce) -> None:
    """Serve until a signal ends it; `announce` is told the address once it answers.

    Args:
        port: 0 for a free one.

    Raises:
        CnnlabError: what it needs is not installed, or the port cannot be had.
    """
    check_installed()
    with _listening(port) as listener:
        asyncio.run(_serve(preview, listener, announce))


async def _serve(preview: Preview, listener: socket.socket, announce: Announce) -> None:
    import uvicorn

    live, port = Live(preview), listener.getsockname()[1]

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce(f"http://{HOST}:{port}/")

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            live.close()  # first, since it waits for open streams
            await super().shutdown(sockets)

    config = uvicorn.Config(
        preview_app(live, port),
        lifespan="on",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
    )
    await Server(config).serve([listener])


def check_installed() -> None:
    """Refuse to go on without the packages that only a preview needs."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise CnnlabError(
            "the preview needs packages that are not installed",
            received=f"no {', '.join(missing)}",
            hint="install them: pip install 'cnnlab[preview]', or in a checkout .venv/bin/pip install -e '.[preview]'",
        )


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except OSError as problem:
        listener.close()
        raise CnnlabError(
            "the preview cannot have this port",
            where=f"{HOST}:{port}",
            received=problem.strerror,
            hint="leave --port out for a free one, or name another",
        ) from None
    return listener
