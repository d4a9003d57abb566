"""Runs one door a source: who may come in, how much they may carry, and how long they may take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from adapters.channels.base import Channel, Peeking
from config.fleet import Fleet
from config.settings import Secrets
from ledger.session import Ledger
from routing.classes import class_of_event, class_of_method
from routing.names import Class

Classify = Callable[[str, str, bytes], Class]
"""Class of an event from its source, topic and body, before anybody has read it."""


@dataclass(frozen=True, slots=True)
class Door:
    """A configured source: its channel, its keys (newest first) and its bounds."""

    source: str
    channel: Channel
    keys: tuple[bytes, ...]
    max_body_bytes: int
    read_time_s: float


@dataclass(frozen=True, slots=True)
class Intake:
    """What the receiver works with. ``exposition`` gives the metrics' text; the ledger is the caller's to close."""

    doors: Mapping[str, Door]
    classify: Classify
    ledger: Ledger
    broker_url: str
    exposition: Callable[[], bytes]
    now: Callable[[], datetime]


def doors_of(fleet: Fleet, secrets: Secrets, channels: Mapping[str, Channel]) -> dict[str, Door]:
    """A door for every source; ``channels`` by source name. Raises ConfigError for a secret that is not set."""
    return {
        name: Door(
            name,
            channels[name],
            tuple(secrets[key] for key in source.secrets),
            source.max_body_bytes,
            source.read_time_s,
        )
        for name, source in fleet.sources.items()
    }


def classify_by(fleet: Fleet, channels: Mapping[str, Channel]) -> Classify:
    """The fleet file's classes by source and topic, and by the shipping method where a rule asks for it and it is seen."""
    peeking = {name: channel for name, channel in channels.items() if isinstance(channel, Peeking)}
    asked = any(rule.shipping_methods for rule in fleet.classes)

    def classify(source: str, topic: str, body: bytes) -> Class:
        told = class_of_event(fleet.sources[source], topic)
        channel = peeking.get(source) if asked else None
        method = channel.peek(topic, body) if channel is not None else None
        return told if method is None else class_of_method(fleet.classes, source, method, told)

    return classify
