"""The mounts of the internal listener: which endpoint answers under which path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from aiohttp import hdrs, web

from broker.api.call import Call, Handler
from broker.api.intake import Intake
from broker.api.nchan.publisher import NchanPublisher
from broker.api.posting import Posting
from broker.api.pushstream.explain import explained
from broker.api.pushstream.publisher import PushStreamPublisher
from broker.api.pushstream.statistics import Statistics
from broker.api.router import Endpoint
from broker.api.services import Services
from broker.api.survey import Surveyor
from broker.catalog import Catalog
from broker.core.mounts import Mount, find_mount
from broker.core.publisher_mounts import PublisherMount, StatisticsMount

AnyMount = TypeVar("AnyMount", bound=Mount)
Answering = Callable[[AnyMount, Call], Awaitable[web.StreamResponse]]


class Mounts:
    """
    Finds the endpoint of a mount; looks again whenever there are other rules.

    Args:
        services: What the endpoints work with.
        intake: Stores messages.
    """

    def __init__(self, services: Services, intake: Intake) -> None:
        surveyor = Surveyor(services.store, services.census)
        posting = Posting(services, intake, surveyor)
        settings = services.settings
        self._catalog = services.catalog
        self._statistics = Statistics(surveyor, settings, services.wall_clock)
        self._pushstream = PushStreamPublisher(posting, surveyor, self._statistics, settings)
        self._nchan = NchanPublisher(posting, surveyor, settings)
        self._known: Catalog | None = None
        self._mounts: tuple[Mount, ...] = ()
        self._endpoints: dict[str, Endpoint] = {}

    def find(self, path: str) -> tuple[Endpoint, str] | None:
        """
        Return the endpoint of a path, and what follows in the path; None where no mount has it.

        Args:
            path: The path of a request, still percent-encoded, without its query.
        """
        catalog = self._catalog()
        if catalog is not self._known:
            self._take(catalog)
        found = find_mount(self._mounts, path)
        return None if found is None else (self._endpoints[found[0].path], found[1])

    def _take(self, catalog: Catalog) -> None:
        self._known = catalog
        mounts = [
            mount for mount in catalog.mounts if isinstance(mount, PublisherMount | StatisticsMount)
        ]
        self._mounts = tuple(mounts)
        self._endpoints = {mount.path: self._endpoint(mount) for mount in mounts}

    def _endpoint(self, mount: PublisherMount | StatisticsMount) -> Endpoint:
        if isinstance(mount, StatisticsMount):
            methods = {hdrs.METH_GET: _on(mount, self._statistics.show)}
        else:
            methods = self._publisher(mount)
        return Endpoint(mount.path, methods)

    def _publisher(self, mount: PublisherMount) -> dict[str, Handler]:
        dialect = self._nchan if mount.mode == "nchan_publisher" else self._pushstream
        publish = _on(mount, dialect.publish)
        methods = {
            hdrs.METH_GET: _on(mount, dialect.tell),
            hdrs.METH_OPTIONS: _on(mount, dialect.options),
            hdrs.METH_POST: publish,
            hdrs.METH_PUT: publish,
        }
        if mount.delete:
            methods[hdrs.METH_DELETE] = _on(mount, dialect.delete)
        return methods


def _on(mount: AnyMount, answering: Answering[AnyMount]) -> Handler:
    return explained(partial(answering, mount))
