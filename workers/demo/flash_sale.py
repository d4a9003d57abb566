"""Puts a whole sale together from a seed: which stories, when, with repeats, troubles and impatient senders among them."""

from dataclasses import replace
from datetime import datetime

from workers.demo import stories, troubles
from workers.demo.draws import Draws
from workers.demo.sale import Class
from workers.demo.stories import Story
from workers.demo.webhook import Webhook

_MIX: tuple[tuple[float, Story, Class], ...] = (
    (0.30, stories.plain, "normal"),
    (0.11, stories.plain, "high"),
    (0.12, stories.shipped, "normal"),
    (0.03, stories.shipped, "high"),
    (0.07, stories.changed, "normal"),
    (0.05, stories.echoed, "normal"),
    (0.05, stories.changed_first, "normal"),
    (0.05, stories.shipped_first, "normal"),
    (0.05, stories.returned, "normal"),
    (0.03, stories.cancelled, "normal"),
    (0.02, stories.cancelled, "high"),
    (0.03, stories.cancelled_first, "normal"),
    (0.06, stories.from_portal, "low"),
    (0.03, stories.portal_shipped, "normal"),
)
BURST_S = 2.0
POUR_S = 7.0
_IN_BURST = 0.75
_REPEATED = 0.12
_IMPATIENT = 0.03
_AT_ONCE = 20


def flash_sale(seed: int, orders: int, opened_at: datetime) -> list[Webhook]:
    """Every webhook of the sale, by the time it is sent. ``orders`` counts the good ones; troubles come on top."""
    draws = Draws(seed, opened_at)
    told = [webhook for story, cls in _stories(draws, orders) for webhook in story(draws, _moment(draws, cls), cls)]
    told = _impatient(draws, told)
    told += _repeats(draws, told)
    for n in range(max(1, orders // 150)):
        told += _troubles(draws, 0.3 + n)
    return sorted(told, key=lambda webhook: webhook.at_s)


def _stories(draws: Draws, orders: int) -> list[tuple[Story, Class]]:
    """As many of each kind as its share says, at least one, in any order."""
    chosen = [(story, cls) for share, story, cls in _MIX for _ in range(max(1, int(share * orders)))]
    chosen = chosen[: max(orders, len(_MIX))]
    chosen += [(stories.plain, "normal")] * (orders - len(chosen))
    draws.random.shuffle(chosen)
    return chosen


def _moment(draws: Draws, cls: Class) -> float:
    """Most come in the first rush; every other express order comes when the backlog stands."""
    in_burst = draws.random.random() < (0.4 if cls == "high" else _IN_BURST)
    return draws.random.uniform(0, BURST_S) if in_burst else draws.random.uniform(BURST_S, POUR_S)


def _impatient(draws: Draws, told: list[Webhook]) -> list[Webhook]:
    """Hang up on some before they are answered."""
    chosen = set(draws.random.sample(range(len(told)), max(1, int(len(told) * _IMPATIENT))))
    return [replace(webhook, gives_up=n in chosen) for n, webhook in enumerate(told)]


def _repeats(draws: Draws, told: list[Webhook]) -> list[Webhook]:
    """The same events again: some a little later, one many times at once."""
    later = [
        replace(webhook, at_s=webhook.at_s + draws.random.uniform(0.05, 2), gives_up=False)
        for webhook in draws.random.sample(told, int(len(told) * _REPEATED))
    ]
    return later + [replace(draws.random.choice(told), gives_up=False)] * (_AT_ONCE - 1)


def _troubles(draws: Draws, at_s: float) -> list[Webhook]:
    return [
        *troubles.orphaned(draws, at_s),
        *troubles.forged(draws, at_s),
        *troubles.spoiled(draws, at_s + 0.3),
        *troubles.unknown_article(draws, at_s + 0.4),
        *troubles.disliked(draws, at_s + 0.5),
        *troubles.unknown_topic(draws, at_s + 0.6),
    ]
