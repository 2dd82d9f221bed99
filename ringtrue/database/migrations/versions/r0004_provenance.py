"""What a recording is known by again, what else a call shows, who said so, and what a verdict was made of."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Adds the columns, empty for what was judged before."""
    op.add_column("calls", sa.Column("arrived_at_ms", sa.BigInteger))
    op.add_column("classifications", sa.Column("fingerprint", sa.LargeBinary))
    op.add_column("classifications", sa.Column("shown", _json))
    op.add_column("classifications", sa.Column("model", sa.Text))
    op.add_column("classifications", sa.Column("prompt", sa.Text))
    op.add_column("classifications", sa.Column("shortened", sa.Boolean))
    op.add_column("verdicts", sa.Column("warnings", _json))
    for name in ("layouts_hash", "models_hash", "inputs_hash"):
        op.add_column("verdicts", sa.Column(name, sa.Text))
