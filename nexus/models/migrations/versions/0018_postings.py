"""PostgreSQL: an index of words as rows, one for each word of a passage, in the place of tsvector.

Its text search reads the whole of every passage that it ranks; a row here has all that BM25
asks for, and the index holds it. SQLite keeps its own index.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

# Which shelf a word stands in: the first eight bytes of a SHA-256 of its name.
SPACE = (
    "('x' || encode(substr(sha256(convert_to({0}.workspace || '/' || {0}.shelf, 'UTF8')), 1, 8), "
    "'hex'))::bit(64)::bigint"
)
# Marks of ASCII part words, as in questions; the parser would keep `os.path` whole.
WORDS = "to_tsvector('english', regexp_replace({0}.heading || ' ' || {0}.text, '[\\x01-\\x2f\\x3a-\\x40\\x5b-\\x60\\x7b-\\x7f]+', ' ', 'g'))"
ADD = (
    "INSERT INTO passage_words (space, word, number, times, tokens) "
    "SELECT {space}, w.lexeme, {0}.number, cardinality(w.positions), {0}.tokens"
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute(
        'CREATE TABLE passage_words (space BIGINT NOT NULL, word TEXT COLLATE "C" NOT NULL, '
        "number BIGINT NOT NULL, times INTEGER NOT NULL, tokens INTEGER NOT NULL)"
    )
    op.execute(
        f"{ADD.format('p', space=SPACE.format('p'))} FROM passages p, unnest({WORDS.format('p')}) w"
    )
    op.execute(
        "CREATE INDEX ix_passage_words_word ON passage_words (space, word) "
        "INCLUDE (number, times, tokens)"
    )
    op.execute("CREATE INDEX ix_passage_words_number ON passage_words (number)")
    op.execute("ALTER TABLE passages DROP COLUMN words")
    op.execute(
        "CREATE FUNCTION add_passage_words() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{ADD.format('new', space=SPACE.format('new'))} FROM unnest({WORDS.format('new')}) w; "
        "RETURN NULL; END $$"
    )
    op.execute(
        "CREATE FUNCTION remove_passage_words() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "DELETE FROM passage_words w USING gone WHERE w.number = gone.number; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER passages_added AFTER INSERT ON passages "
        "FOR EACH ROW EXECUTE FUNCTION add_passage_words()"
    )
    op.execute(
        "CREATE TRIGGER passages_removed AFTER DELETE ON passages REFERENCING OLD TABLE AS gone "
        "FOR EACH STATEMENT EXECUTE FUNCTION remove_passage_words()"
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute("DROP TRIGGER passages_removed ON passages")
    op.execute("DROP TRIGGER passages_added ON passages")
    op.execute("DROP FUNCTION remove_passage_words")
    op.execute("DROP FUNCTION add_passage_words")
    op.execute("DROP TABLE passage_words")
    op.execute(
        "ALTER TABLE passages ADD COLUMN words tsvector GENERATED ALWAYS AS ("
        "setweight(to_tsvector('english', heading), 'B') || to_tsvector('english', text)) STORED"
    )
    op.execute("CREATE INDEX ix_passages_words ON passages USING gin (words)")
