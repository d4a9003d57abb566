"""The audit chain: what operators did becomes links of one chain that nobody updates or deletes."""

import sqlalchemy as sa
from alembic import op

import ledger.schema
from ledger.chain import START, Action, link
from ledger.session import audit_keys

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ADDED = ("role", "allowed", "sequence", "previous", "digest", "seal")
_REFUSAL = "the audit chain is only added to"
_FUNCTION = f"""
CREATE FUNCTION refuse_to_change_actions() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'insufficient_privilege'; END $$
"""
_ONLY_ADDED = """
CREATE TRIGGER actions_only_added BEFORE UPDATE OR DELETE ON actions FOR EACH ROW EXECUTE FUNCTION refuse_to_change_actions()
"""
_NEVER_EMPTIED = """
CREATE TRIGGER actions_never_emptied BEFORE TRUNCATE ON actions EXECUTE FUNCTION refuse_to_change_actions()
"""


def upgrade() -> None:
    """Apply the step. Deeds that are there already are chained, and sealed where a key is set."""
    for column in (
        sa.Column("role", sa.String(length=16), nullable=False, server_default=""),
        sa.Column("allowed", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("seal", sa.String(length=64), nullable=True),
    ):
        op.add_column("actions", column)
    _chain(op.get_bind())
    with op.batch_alter_table("actions") as batch:
        batch.alter_column("role", server_default=None, existing_type=sa.String(length=16))
        batch.alter_column("allowed", server_default=None, existing_type=sa.Boolean())
        batch.alter_column("sequence", nullable=False, existing_type=sa.BigInteger())
        batch.alter_column("previous", nullable=False, existing_type=sa.String(length=64))
        batch.alter_column("digest", nullable=False, existing_type=sa.String(length=64))
        batch.create_unique_constraint("uq_actions_sequence", ["sequence"])
    for statement in _guards(op.get_bind().dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Take the step back."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER actions_only_added ON actions")
        op.execute("DROP TRIGGER actions_never_emptied ON actions")
        op.execute("DROP FUNCTION refuse_to_change_actions()")
    else:
        op.execute("DROP TRIGGER actions_never_updated")
        op.execute("DROP TRIGGER actions_never_deleted")
    with op.batch_alter_table("actions") as batch:
        batch.drop_constraint("uq_actions_sequence", type_="unique")
        for name in _ADDED:
            batch.drop_column(name)


def _chain(connection: sa.Connection) -> None:
    table = sa.table(
        "actions",
        *(sa.column(name) for name in ("id", "by", "action", "subject", "reason", "sequence", "previous", "digest", "seal")),
        sa.column("at", ledger.schema.Utc()),
        sa.column("before", sa.JSON()),
        sa.column("after", sa.JSON()),
    )
    c = table.c
    deeds = sa.select(c.id, c.at, c.by, c.action, c.subject, c.reason, c.before, c.after).order_by(c.id)
    keys, previous, rows = audit_keys(connection), START, []
    for sequence, (row_id, *deed) in enumerate(connection.execute(deeds), 1):
        made = link(Action(*deed), sequence, previous, keys)
        rows.append({"row_id": row_id, "s": sequence, "p": previous, "d": made.digest, "l": made.seal})
        previous = made.digest
    if rows:
        chained = (
            sa.update(table)
            .where(c.id == sa.bindparam("row_id"))
            .values(sequence=sa.bindparam("s"), previous=sa.bindparam("p"), digest=sa.bindparam("d"), seal=sa.bindparam("l"))
        )
        connection.execute(chained, rows)


def _guards(dialect: str) -> tuple[str, ...]:
    if dialect == "postgresql":
        return (_FUNCTION, _ONLY_ADDED, _NEVER_EMPTIED)
    return (
        f"CREATE TRIGGER actions_never_updated BEFORE UPDATE ON actions BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        f"CREATE TRIGGER actions_never_deleted BEFORE DELETE ON actions BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
    )
