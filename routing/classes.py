"""Decides the class (high, normal, low) of events as they come and of documents as they are understood."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase

from canonical.kinds import AnyDocument
from canonical.order import Order
from config.fleet import ClassRule, Source
from routing.names import Class


def class_of_event(source: Source, topic: str) -> Class:
    """The class of an event before anybody has read it: its topic's, else its source's."""
    return source.topic_classes.get(topic, source.cls)


def class_of_method(rules: Sequence[ClassRule], source: str, method: str, told: Class) -> Class:
    """The class in which an order waits to be read, by a shipping method that was seen in it: the first rule's that asks for
    such a method and nothing else, else ``told``.
    """
    for rule in rules:
        if not rule.shipping_methods or _asks_more(rule) or "order" not in rule.kinds:
            continue
        if _like(rule.sources, source) and _holds(rule.shipping_methods, method):
            return rule.cls
    return told


def class_of_document(rules: Sequence[ClassRule], document: AnyDocument, order: Order | None, told: Class, at: datetime) -> Class:
    """Class of the first rule the document meets ``at`` this moment, else ``told`` (its event's). What belongs to an order
    is judged by it, if it is known.
    """
    subject = document if isinstance(document, Order) else order
    return next((rule.cls for rule in rules if _meets(rule, document, subject, at)), told)


def _asks_more(rule: ClassRule) -> bool:
    """Whether a rule asks for what only the whole order tells."""
    return rule.total_at_least is not None or rule.promise_within_h is not None or bool(rule.channels or rule.customer_tiers)


def _meets(rule: ClassRule, document: AnyDocument, subject: Order | None, at: datetime) -> bool:
    if document.kind not in rule.kinds or not _like(rule.sources, document.source):
        return False
    if not rule.shipping_methods and not _asks_more(rule):
        return True
    return subject is not None and _told_by(rule, subject) and _promised(rule, subject, at)


def _told_by(rule: ClassRule, order: Order) -> bool:
    if rule.shipping_methods and not _holds(rule.shipping_methods, order.shipping_method or ""):
        return False
    if rule.channels and not _like([channel.casefold() for channel in rule.channels], (order.sales_channel or "").casefold()):
        return False
    if rule.customer_tiers and (order.customer_tier or "").casefold() not in {tier.casefold() for tier in rule.customer_tiers}:
        return False
    return rule.total_at_least is None or order.total >= Decimal(str(rule.total_at_least))


def _promised(rule: ClassRule, order: Order, at: datetime) -> bool:
    if rule.promise_within_h is None:
        return True
    return order.promised_by is not None and order.promised_by - at <= timedelta(hours=rule.promise_within_h)


def _like(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _holds(words: Sequence[str], method: str) -> bool:
    folded = method.casefold()
    return any(word.casefold() in folded for word in words)
