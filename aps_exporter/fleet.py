"""All ECUs that this exporter serves: those of the configuration, and those somebody probes."""

from __future__ import annotations

import heapq
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final
from weakref import WeakValueDictionary

from aps_exporter.config_entries import EcuSettings, address_of
from aps_exporter.config_fleet import Configuration
from aps_exporter.ecu.trace import Trace
from aps_exporter.posts import Asked, OpenPost, Post, Terms
from aps_exporter.station import Outcome, Station
from aps_exporter.targets import Target, TargetPolicy, parse_target
from aps_exporter.workers import Workers, in_new_thread

__all__ = ["Changes", "Fleet"]

MOST_STRANGERS: Final = 1024
"""Targets that aren't listed, and modules of those that are, that are remembered at a time."""
CLOSERS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a new configuration brought, in numbers of ECUs."""

    kept: int
    opened: int
    closed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """The ECUs of one configuration; replaced as a whole."""

    configuration: Configuration
    policy: TargetPolicy
    posts: Mapping[str, Post] = field(default_factory=dict)
    """By name."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Address → name."""


class Fleet:
    """Stations by name and by address; safe to use from several threads.

    An ECU has one poller, whoever asks for it in whatever way, and what it costs to find one
    doesn't depend on how many there are.
    """

    def __init__(
        self, configuration: Configuration, open_post: OpenPost, *, loopback: bool = False
    ) -> None:
        """Open a station for each ECU of the configuration; raises `ConfigError`.

        `loopback`: targets on this machine may be probed.
        """
        self._open_post = open_post
        self._loopback = loopback
        self._reloading = threading.Lock()
        self._lock = threading.Lock()
        self._talking: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._strangers: OrderedDict[tuple[str, str], Post] = OrderedDict()
        self._workers = Workers("poll")
        self._shared_before = 0
        self.version = 0
        """Changes with the configuration."""
        self._listed = _Listed(
            configuration=configuration, policy=configuration.policy(loopback=loopback)
        )
        self.apply(configuration)

    @property
    def configuration(self) -> Configuration:
        """What is in force."""
        return self._listed.configuration

    @property
    def stations(self) -> Mapping[str, Station]:
        """The stations of the configuration by name, in its order."""
        return {name: post.station for name, post in self._listed.posts.items()}

    @property
    def size(self) -> int:
        """Count the ECUs of the configuration."""
        return len(self._listed.posts)

    @property
    def only(self) -> Station | None:
        """The one ECU, if the configuration is about one and lists none."""
        listed = self._listed
        if not listed.configuration.single:
            return None
        return next(post.station for post in listed.posts.values())

    @property
    def shared(self) -> int:
        """Count the reads that were answered with another reader's poll."""
        with self._lock:
            strangers = sum(post.shared() for post in self._strangers.values())
            return (
                self._shared_before
                + strangers
                + sum(post.shared() for post in self._listed.posts.values())
            )

    def station(self, name: str) -> Station | None:
        """Find an ECU of the configuration by its name."""
        post = self._listed.posts.get(name)
        return post.station if post else None

    def resolve(self, target: str, module: str = "") -> Asked:
        """Find out what is asked for by a name or an address; raises `TargetError`."""
        # The version first, so that what is of an older list never passes for new.
        version, listed = self.version, self._listed
        post = listed.posts.get(target)
        if post is None:
            parsed = parse_target(target)
            post = listed.posts.get(listed.addresses.get(str(parsed), ""))
        if post is None:
            listed.policy.require(parsed)
            settings = listed.configuration.stranger(parsed)
            pages = Target(host=parsed.host)
            if parsed.port == settings.tcp_port != pages.port and pages.port in listed.policy.ports:
                # The other port of the same ECU, which must not be asked for pages.
                return self.resolve(str(pages), module)
            talking = self._talking_at(str(parsed))
            terms = Terms(
                talking=talking, policy=listed.policy, listed=False, run=self._workers.run
            )
        else:
            settings = post.settings
            terms = replace(
                post.terms, memory=post.memory, tcp_client=post.tcp_client, listed=False, ecus=1
            )
        if module:
            tcp_port = settings.tcp_port
            post, settings = None, listed.configuration.with_module(settings, module)
            if settings.tcp_port != tcp_port:
                terms = replace(terms, tcp_client=None)
        return Asked(settings=settings, terms=terms, module=module, post=post, version=version)

    @contextmanager
    def visit(self, asked: Asked) -> Iterator[Station]:
        """Give the station that is asked for."""
        with self._visit(asked) as post:
            yield post.station

    @contextmanager
    def _visit(self, asked: Asked) -> Iterator[Post]:
        if asked.post is not None:
            yield asked.post
            return
        post = self._stranger(asked)
        try:
            yield post
        finally:
            with self._lock:
                post.visitors -= 1

    def open_apart(self, asked: Asked, trace: Trace) -> Post:
        """Open a station for one poll of which all is told, and nothing is remembered.

        But it has no TCP client of its own: a port that is asked too often hangs.
        """
        with self._visit(asked) as post:
            terms = replace(
                asked.terms,
                memory=None,
                tcp_client=post.tcp_client,
                trace=trace,
                run=in_new_thread,
            )
        return self._open_post(asked.settings, terms)

    def failures(self, most: int = 20) -> list[tuple[str, Outcome]]:
        """Give the last failure of each target, the newest first."""
        with self._lock:
            posts = [*self._listed.posts.values(), *self._strangers.values()]
        found = [
            (post.station.name, failure)
            for post in posts
            if (failure := post.station.last_failure) is not None
        ]
        return heapq.nlargest(most, found, key=lambda each: each[1].at)

    def apply(self, configuration: Configuration) -> Changes:
        """Serve another configuration; ECUs whose settings didn't change go on as they are.

        Raises `ConfigError`, and then nothing has changed.
        """
        with self._reloading:
            before = self._listed.posts
            kept = {
                ecu.name: post
                for ecu in configuration.ecus
                if (post := before.get(ecu.name)) and _same(post.settings, ecu)
            }
            opened = self._open(
                [e for e in configuration.ecus if e.name not in kept], configuration
            )
            posts = kept | opened
            listed = _Listed(
                configuration=configuration,
                policy=configuration.policy(loopback=self._loopback),
                posts={ecu.name: posts[ecu.name] for ecu in configuration.ecus},
                addresses={address_of(ecu.host): ecu.name for ecu in configuration.ecus},
            )
            for ecu in configuration.ecus:
                post = posts[ecu.name]
                post.settings, post.station.labels = ecu, ecu.labels
            gone = [post for name, post in before.items() if name not in kept]
            with self._lock:
                forgotten = [*gone, *self._strangers.values()]
                self._shared_before += sum(post.shared() for post in forgotten)
                self._strangers.clear()
                self._listed = listed
                self.version += 1
            _close(forgotten)
            for post in opened.values():
                post.start()
            return Changes(kept=len(kept), opened=len(opened), closed=len(gone))

    def close(self) -> None:
        """Close all stations; what is in flight may finish."""
        with self._lock:
            posts = [*self._listed.posts.values(), *self._strangers.values()]
        _close(posts)

    def _open(self, ecus: list[EcuSettings], configuration: Configuration) -> dict[str, Post]:
        opened: dict[str, Post] = {}
        try:
            for ecu in ecus:
                terms = Terms(
                    talking=self._talking_at(address_of(ecu.host)),
                    ecus=len(configuration.ecus),
                    run=self._workers.run,
                )
                opened[ecu.name] = self._open_post(ecu, terms)
        except BaseException:
            _close([*opened.values()])
            raise
        return opened

    def _talking_at(self, address: str) -> threading.Lock:
        """Give the lock of an address, which is there as long as anybody has it."""
        with self._lock:
            return self._talking.setdefault(address, threading.Lock())

    def _stranger(self, asked: Asked) -> Post:
        """Give a post that isn't listed to a visitor, and forget the one unused for longest.

        Who asked before a reload and comes after it gets what was, and leaves nothing behind.
        """
        key = (asked.address, asked.module)
        with self._lock:
            if asked.version != self.version:
                return self._open_post(asked.settings, asked.terms)
            post = self._strangers.get(key)
            if post is None:
                self._forget_one()
                post = self._strangers[key] = self._open_post(asked.settings, asked.terms)
            self._strangers.move_to_end(key)
            post.visitors += 1
            return post

    def _forget_one(self) -> None:
        if len(self._strangers) < MOST_STRANGERS:
            return
        unused = (key for key, post in self._strangers.items() if not post.visitors)
        if key := next(unused, None):
            self._shared_before += self._strangers.pop(key).shared()


def _same(before: EcuSettings, after: EcuSettings) -> bool:
    """Compare all but the labels, which need no new poller."""
    return before.model_copy(update={"labels": after.labels}) == after


def _close(posts: list[Post]) -> None:
    """Close posts, several at a time, because each may have to wait for an upload."""
    with ThreadPoolExecutor(CLOSERS) as closers:
        for _ in closers.map(lambda post: post.close(), posts):
            pass
