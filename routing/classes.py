"""Decides the class (high, normal, low) of events as they come and of documents as they are understood."""

from collections.abc import Sequence
from decimal import Decimal
from fnmatch import fnmatchcase

from canonical.order import Order
from canonical.returns import Return
from canonical.shipment import Shipment
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
        if not rule.shipping_methods or rule.total_at_least is not None or "order" not in rule.kinds:
            continue
        if any(fnmatchcase(source, pattern) for pattern in rule.sources) and _holds(rule.shipping_methods, method):
            return rule.cls
    return told


def class_of_document(rules: Sequence[ClassRule], document: Order | Shipment | Return, order: Order | None, told: Class) -> Class:
    """Class of the first rule the document meets, else ``told`` (its event's). A shipment or return is judged by its order."""
    subject = document if isinstance(document, Order) else order
    return next((rule.cls for rule in rules if _meets(rule, document, subject)), told)


def _meets(rule: ClassRule, document: Order | Shipment | Return, subject: Order | None) -> bool:
    if document.kind not in rule.kinds or not any(fnmatchcase(document.source, s) for s in rule.sources):
        return False
    if rule.shipping_methods and not _named(rule.shipping_methods, subject):
        return False
    if rule.total_at_least is not None:
        return subject is not None and subject.total >= Decimal(str(rule.total_at_least))
    return True


def _named(words: Sequence[str], subject: Order | None) -> bool:
    return _holds(words, (subject.shipping_method or "") if subject else "")


def _holds(words: Sequence[str], method: str) -> bool:
    folded = method.casefold()
    return any(word.casefold() in folded for word in words)
