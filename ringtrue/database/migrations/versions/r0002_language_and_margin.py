"""The language of a transcript, and by how much it was not another text."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns, empty for what was transcribed before."""
    op.add_column("transcripts", sa.Column("language", sa.Text))
    op.add_column("transcripts", sa.Column("margin", sa.Double))
