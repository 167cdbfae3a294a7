"""Passages of documents in the database, with their vectors and an index of their words.

Chroma keeps copies of the vectors from now on. Documents of before have no passages here:
workers read them again, which their empty `embedding` asks for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Tokens of where a passage belongs end in a digit: the stemmer leaves those alone.
OWNERS = "'w' || hex({0}.workspace || '/' || {0}.shelf) || '0 d' || replace({0}.document_id, '_', '') || '0'"
WORDS = "heading, text, owners"


def upgrade() -> None:
    with op.batch_alter_table("documents") as table:
        table.add_column(sa.Column("shelf", sa.String(64), server_default="documents"))
        table.add_column(sa.Column("project_id", sa.String(40), nullable=True))
        table.add_column(sa.Column("source", sa.Text(), nullable=True))
        table.add_column(sa.Column("wanted_url", sa.Text(), nullable=True))
        table.add_column(sa.Column("edition", sa.BigInteger(), server_default="0"))
        table.add_column(sa.Column("coming", sa.BigInteger(), server_default="0"))
        table.add_column(sa.Column("embedding", sa.String(200), server_default=""))
        table.alter_column("shelf", nullable=False)
        table.alter_column("edition", nullable=False)
        table.alter_column("coming", nullable=False)
        table.alter_column("embedding", nullable=False)
    op.execute("UPDATE documents SET source = title")
    op.drop_index("ix_documents_workspace_created", "documents")
    op.create_index(
        "ix_documents_workspace_shelf_created",
        "documents",
        ["workspace", "shelf", "created_at", "id"],
    )
    op.create_index(
        "ix_documents_workspace_shelf_source", "documents", ["workspace", "shelf", "source"]
    )
    op.create_index("ix_documents_project", "documents", ["project_id"])
    op.create_index("ix_documents_embedding", "documents", ["embedding"])
    op.create_table(
        "passages",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("shelf", sa.String(64), nullable=False),
        sa.Column("document_id", sa.String(40), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("locator", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("embedding", sa.String(200), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_passages")),
    )
    op.create_index("uq_passages_id", "passages", ["id"], unique=True)
    op.create_index("ix_passages_document", "passages", ["document_id", "edition", "position"])
    op.create_index("ix_passages_space", "passages", ["workspace", "shelf", "embedding", "id"])
    op.create_table(
        "forgotten_passages",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.Column("shelf", sa.String(64), nullable=False),
        sa.Column("embedding", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_forgotten_passages")),
    )
    op.create_table(
        "untidy_documents",
        sa.Column("document_id", sa.String(40), nullable=False),
        sa.Column("workspace", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("document_id", name=op.f("pk_untidy_documents")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _index_words_of_sqlite()
    else:
        op.execute(
            "ALTER TABLE passages ADD COLUMN words tsvector GENERATED ALWAYS AS ("
            "setweight(to_tsvector('english', heading), 'B') || to_tsvector('english', text)) STORED"
        )
        op.execute("CREATE INDEX ix_passages_words ON passages USING gin (words)")


def _index_words_of_sqlite() -> None:
    op.execute(
        f"CREATE VIRTUAL TABLE passage_words USING fts5({WORDS}, content='', "
        "tokenize='porter unicode61 remove_diacritics 2')"
    )
    # Owners weigh nothing: they say where to look, not what fits.
    op.execute(
        "INSERT INTO passage_words(passage_words, rank) VALUES ('rank', 'bm25(0.5, 1.0, 0.0)')"
    )
    op.execute(
        "CREATE TRIGGER passages_added AFTER INSERT ON passages BEGIN "
        f"INSERT INTO passage_words(rowid, {WORDS}) "
        f"VALUES (new.number, new.heading, new.text, {OWNERS.format('new')}); END"
    )
    op.execute(
        "CREATE TRIGGER passages_removed AFTER DELETE ON passages BEGIN "
        f"INSERT INTO passage_words(passage_words, rowid, {WORDS}) "
        f"VALUES ('delete', old.number, old.heading, old.text, {OWNERS.format('old')}); END"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER passages_added")
        op.execute("DROP TRIGGER passages_removed")
        op.execute("DROP TABLE passage_words")
    op.drop_table("untidy_documents")
    op.drop_table("forgotten_passages")
    op.drop_table("passages")
    op.drop_index("ix_documents_embedding", "documents")
    op.drop_index("ix_documents_project", "documents")
    op.drop_index("ix_documents_workspace_shelf_source", "documents")
    op.drop_index("ix_documents_workspace_shelf_created", "documents")
    op.create_index(
        "ix_documents_workspace_created", "documents", ["workspace", "created_at", "id"]
    )
    with op.batch_alter_table("documents") as table:
        for column in (
            "shelf",
            "project_id",
            "source",
            "wanted_url",
            "edition",
            "coming",
            "embedding",
        ):
            table.drop_column(column)
