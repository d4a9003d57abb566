"""Reports errors to Sentry, rebuilt from an allow-list: type, stack and ids leave, values do not."""

import logging
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import sentry_sdk
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration

from telemetry import bus
from telemetry.events import Name
from telemetry.fields import FIELDS, Kind, admit
from telemetry.logs import level_of
from telemetry.masking import mask_key, mask_text

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

WITHHELD = "[withheld]"
MOST_BREADCRUMBS = 20
_EVENT_KEYS = ("event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk")
_FRAME_KEYS = ("filename", "function", "module", "lineno", "context_line", "pre_context", "post_context", "in_app")
_TRACE_KEYS = ("trace_id", "span_id", "parent_span_id")
_RUNTIME_KEYS = ("name", "version")
_ERRNO = re.compile(r"\[Errno \d{1,5}\]")
_NAMES = frozenset(name.value for name in Name)


def start(
    dsn: str,
    release: str,
    environment: str,
    *,
    server_name: str = "",
    reportable: frozenset[type[BaseException]] = frozenset(),
) -> None:
    """Report from now on what is emitted with `error=` at level error, and whatever nobody caught.

    The text of an exception is withheld, as it may quote a customer's data, unless its class is in `reportable`:
    classes of ours whose messages are made of ids and codes; these texts are masked. Call again in a forked child.
    """
    names = frozenset(f"{kind.__module__}.{kind.__qualname__}" for kind in reportable)
    sentry_sdk.init(
        dsn=dsn,
        release=release,
        environment=environment,
        server_name=server_name or "millrace",
        # `send_default_pii` is off by being absent (naming it is deprecated, `data_collection` would switch the rest on).
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=MOST_BREADCRUMBS,
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            AtexitIntegration(callback=_nothing),
            DedupeIntegration(),
            ExcepthookIntegration(),
            ThreadingIntegration(propagate_scope=False),
        ],
        before_send=partial(_rebuilt, reportable=names),
        before_breadcrumb=lambda crumb, _: _crumb(crumb),
        # Traces leave through OpenTelemetry; nothing but errors may leave here.
        before_send_transaction=_nothing,
        before_send_log=_nothing,
        before_send_metric=_nothing,
        enable_logs=False,
        enable_metrics=False,
        auto_session_tracking=False,
        send_client_reports=False,
        propagate_traces=False,
        spotlight=False,
    )
    bus.attach("sentry", _hear)


def stop(timeout_s: float = 2.0) -> None:
    """Stop listening and send what waits, for at most `timeout_s` seconds."""
    bus.detach("sentry")
    sentry_sdk.get_client().close(timeout=timeout_s)


def _hear(event: bus.Event) -> None:
    level = level_of(event.name)
    if event.error is not None and level >= logging.ERROR:
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("event", event.name.value)
            for name, value in event.fields.items():
                scope.set_tag(name, str(value))
            sentry_sdk.capture_exception(event.error)
    elif level > logging.DEBUG:
        sentry_sdk.add_breadcrumb(category=event.name.value, level=logging.getLevelName(level).lower(), data=dict(event.fields))


def _nothing(*_: object) -> None:
    """Let nothing through; as the exit callback, say nothing."""


def _rebuilt(event: "Event", hint: "Hint", reportable: frozenset[str]) -> "Event | None":
    raw: Mapping[str, object] = dict(event)
    hint["attachments"] = []
    exceptions = _values(raw.get("exception"))
    if raw.get("type") is not None or not exceptions:
        return None
    kept: Event = _picked(raw, _EVENT_KEYS)  # type: ignore[assignment]
    kept["exception"] = {
        "values": [_exception_rebuilt(value, reportable) for value in exceptions],
    }
    kept["breadcrumbs"] = {
        "values": [crumb for found in _values(raw.get("breadcrumbs")) if (crumb := _crumb(found)) is not None],
    }
    kept["tags"] = _tags_rebuilt(_mapping(raw.get("tags")))
    contexts = _mapping(raw.get("contexts"))
    kept["contexts"] = {
        "trace": _picked(_mapping(contexts.get("trace")), _TRACE_KEYS),
        "runtime": _picked(_mapping(contexts.get("runtime")), _RUNTIME_KEYS),
    }
    return kept


def _exception_rebuilt(raw: Mapping[str, object], reportable: frozenset[str]) -> dict[str, object]:
    mechanism = _mapping(raw.get("mechanism"))
    frames = _mappings(_mapping(raw.get("stacktrace")).get("frames"))
    return {
        "type": raw.get("type"),
        "module": raw.get("module"),
        "value": _text_rebuilt(raw, reportable),
        "mechanism": _picked(mechanism, ("type", "handled", "exception_id", "parent_id", "is_exception_group")),
        "stacktrace": {"frames": [_picked(frame, _FRAME_KEYS) for frame in frames]},
    }


def _text_rebuilt(raw: Mapping[str, object], reportable: frozenset[str]) -> str:
    text = str(raw.get("value") or "")
    if f"{raw.get('module')}.{raw.get('type')}" in reportable:
        return mask_text(text)
    system = _ERRNO.match(text)
    return f"{system.group()} {WITHHELD}" if system else WITHHELD


def _crumb(raw: Mapping[str, object]) -> dict[str, object] | None:
    if raw.get("category") not in _NAMES:
        return None
    data = admit({str(name): value for name, value in _mapping(raw.get("data")).items()}).values
    return {**_picked(raw, ("category", "level", "timestamp")), "data": dict(data)}


def _tags_rebuilt(tags: Mapping[str, object]) -> dict[str, str]:
    kept = {}
    for name, value in tags.items():
        if name == "event" and value in _NAMES:
            kept[name] = str(value)
        elif name in FIELDS:
            kept[name] = mask_key(str(value)) if FIELDS[name] is Kind.ID else mask_text(str(value))
    return kept


def _values(raw: object) -> list[Mapping[str, object]]:
    return _mappings(_mapping(raw).get("values"))


def _mappings(raw: object) -> list[Mapping[str, object]]:
    return [_mapping(item) for item in raw] if isinstance(raw, list) else []


def _mapping(raw: object) -> Mapping[str, object]:
    return raw if isinstance(raw, dict) else {}


def _picked(raw: Mapping[str, object], keys: tuple[str, ...]) -> dict[str, object]:
    return {key: raw[key] for key in keys if raw.get(key) is not None}
