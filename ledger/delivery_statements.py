"""Remembers how deliveries are asked for: each statement is built once a dialect, so it is compiled and prepared once."""

from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    ScalarSelect,
    Select,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    update,
)

from ledger.documents import body_of_its_order
from ledger.many import POSTGRESQL, among, given_by, in_order, one_of
from ledger.rows import served_as
from ledger.schema import deliveries, documents, versions

UNFINISHED = ("waiting", "ready", "queued", "claimed", "retrying", "deferred", "parked")
CLAIMABLE = ("ready", "queued", "retrying")
ENTITY = (deliveries.c.target, deliveries.c.entity)

# An expression, not the column: rows named by id are then found by id. PostgreSQL takes the index of open deliveries for tiny
# while it has no statistics of a new backlog, and would read all of it for every bundle.
_STATE = deliveries.c.state + ""


def _in_state(state: ColumnElement[str], states: tuple[str, ...]) -> ColumnElement[bool]:
    """Written out: a list given as parameters is put into the statement's text anew each time it is run."""
    return state.in_([literal_column(f"'{one}'") for one in states])


@cache
def busy(dialect: str) -> Executable:
    """Unfinished deliveries of some entities, locked in one order."""
    c = deliveries.c
    met = c.id == any_(func.array(_unfinished_of_each())) if dialect == POSTGRESQL else among(dialect, ENTITY)
    return (
        select(c.target, c.entity)
        .where(met, _in_state(c.state, UNFINISHED))
        .order_by(in_order(c.id))
        .with_for_update(of=deliveries)
    )


def _unfinished_of_each() -> ScalarSelect[int]:
    """Ids of the unfinished deliveries of the entities given by ``keys``, each entity looked up by itself.

    In a plain join a plan made while the table was small goes through all of it for every bundle, and is kept while it grows;
    an offset keeps the look-up apart from the join whatever the planner thinks of sizes.
    """
    given = given_by(ENTITY)
    own = deliveries.alias("own")
    found = select(own.c.id).where(
        own.c.target == given.c.target, own.c.entity == given.c.entity, _in_state(own.c.state, UNFINISHED)
    )
    each = found.offset(literal_column("0")).lateral("each")
    return select(each.c.id).select_from(given.join(each, true())).scalar_subquery()


@cache
def claim(dialect: str, cls: str) -> Executable:
    """Take what is free and due, or what a lost worker held: ids, token, now, due_before, until. What is of a lower class than
    the message's ``cls`` is left.
    """
    c = deliveries.c
    lost = _STATE == "claimed"
    free = and_(_in_state(_STATE, CLAIMABLE), or_(c.due_at.is_(None), c.due_at <= bindparam("due_before")))
    return (
        update(deliveries)
        .where(
            one_of(dialect, c.id, "ids"),
            _in_state(c["class"], served_as(cls)),
            or_(free, and_(lost, c.claimed_until <= bindparam("now"))),
        )
        .values(
            state="claimed",
            claim=bindparam("token"),
            claimed_until=bindparam("until"),
            uncertain=or_(c.uncertain, lost),
            lost_claims=c.lost_claims + case((lost, 1), else_=0),
        )
        .returning(c.id)
    )


@cache
def mark_published(dialect: str) -> Executable:
    """Note confirmed messages: ids, now."""
    c = deliveries.c
    now = bindparam("now", type_=c.published_at.type)
    marked = update(deliveries).where(one_of(dialect, c.id, "ids"), _in_state(_STATE, CLAIMABLE))
    return marked.values(published_at=now, state=case((c.state == "ready", "queued"), else_=c.state))


@cache
def let_go(dialect: str) -> Executable:
    """Free the first waiting delivery behind each of ids."""
    c = deliveries.c
    if dialect == POSTGRESQL:
        # Each entity is looked up by itself, as in `busy`, and so is what stands before: as joins they go through all that waits.
        chosen = and_(c.id == any_(func.array(_waiting_behind_each())), literal_column("'waiting'") == _STATE)
        return _freed(chosen, _unfinished_before().offset(literal_column("0")))
    done = deliveries.alias("done")
    behind = tuple_(*ENTITY).in_(select(done.c.target, done.c.entity).where(one_of(dialect, done.c.id, "ids")))
    return _freed(and_(c.state == "waiting", behind), _unfinished_before())


def _waiting_behind_each() -> ScalarSelect[int]:
    """Ids of what waits at the entities of ids."""
    done, own = deliveries.alias("done"), deliveries.alias("own")
    entity = select(done.c.target, done.c.entity).where(one_of(POSTGRESQL, done.c.id, "ids")).distinct().subquery("entity")
    found = select(own.c.id).where(
        own.c.target == entity.c.target, own.c.entity == entity.c.entity, own.c.state == literal_column("'waiting'")
    )
    each = found.offset(literal_column("0")).lateral("each")
    return select(each.c.id).select_from(entity.join(each, true())).scalar_subquery()


def let_go_stranded() -> Executable:
    """Free every first waiting delivery."""
    return _freed(deliveries.c.state == "waiting", _unfinished_before())


def _unfinished_before() -> Select[int]:
    """What stands before a delivery at its entity."""
    c = deliveries.c
    earlier = deliveries.alias("earlier")
    return select(earlier.c.id).where(
        earlier.c.target == c.target, earlier.c.entity == c.entity, earlier.c.id < c.id, _in_state(earlier.c.state, UNFINISHED)
    )


def _freed(chosen: ColumnElement[bool], before: Select[int]) -> Executable:
    """Free the chosen waiting deliveries that nothing unfinished stands before."""
    c = deliveries.c
    return (
        update(deliveries)
        .where(chosen, ~before.exists())
        .values(
            # A delivery that was written with a failure goes to the desk when its turn comes, not to the target.
            # One that was written to rest goes to rest: when that is over, it is let go at once.
            state=case((c.failure_class.is_not(None), "parked"), (c.due_at.is_not(None), "deferred"), else_="ready"),
            published_at=None,
        )
        .returning(*ready_columns(), c.state)
    )


def ready_columns() -> tuple[Column[Any], ...]:
    """The columns of `Ready`, in its order."""
    c = deliveries.c
    return (
        c.id, c.target, c["class"], c.calls, c.business_key, c.correlation_id, c.operation, c.domain, c.accepted_at,
    )  # fmt: skip


@cache
def claimed(dialect: str) -> Executable:
    """All that a posting takes of the deliveries ids; the columns stand in the order of `Claimed`."""
    c, heads, bodies = deliveries.c, documents.c, versions.c
    create = deliveries.alias("order_create")
    order_remote = (
        select(create.c.remote_id)
        .where(
            create.c.target == c.target,
            create.c.entity == c.entity,
            create.c.operation == "order.create",
            create.c.state == "done",
        )
        .limit(1)
        .scalar_subquery()
    )
    # The order is a subquery that only runs for other kinds: joined, it was planned over every document of the source (no
    # statistics yet).
    return (
        select(
            c.id, c.claim, c.target, c.operation, c.version, c.business_key, c.entity, c.domain, c["class"].label("cls"),
            c.references, c.correlation_id, c.uncertain, c.attempts, c.lost_claims, bodies.body,
            case((heads.kind != "order", body_of_its_order()), else_=None).label("order_body"),
            case((c.operation != "order.create", order_remote), else_=None).label("order_remote_id"), c.accepted_at, c.calls,
        )
        .join(documents, heads.id == c.document_id)
        .join(versions, and_(bodies.document_id == c.document_id, bodies.version == c.version))
        .where(one_of(dialect, c.id, "ids"))
        .order_by(c.id)
    )  # fmt: skip
