"""The papers' library: records, files, passages, notes, citations, imports, what other libraries said; and the index for searching."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
TEXT = sa.Text()


def column(name: str, kind: sa.types.TypeEngine, *more: object, **options: bool) -> sa.Column:
    return sa.Column(name, kind, *more, **{"nullable": False, **options})


def serial(name: str = "id") -> sa.Column:
    return sa.Column(name, SERIAL, autoincrement=True, nullable=False, primary_key=True)


def paper() -> sa.Column:
    return column("paper_id", TEXT, sa.ForeignKey("papers.id"))


def upgrade() -> None:
    op.create_table("papers", serial("seq"), column("id", TEXT, unique=True), column("title", TEXT), column("title_key", TEXT), column("year", sa.Integer(), nullable=True),
                    column("tiers", TEXT), column("designs", TEXT), column("facts", sa.JSON()), column("created_at", MOMENT))
    op.create_index("ix_papers_title_key", "papers", ["title_key"])
    op.create_index("ix_papers_year", "papers", ["year"])
    op.create_table("paper_records", serial(), paper(), column("source", TEXT), column("tier", TEXT), column("data", sa.JSON()), column("data_hash", TEXT), column("created_at", MOMENT),
                    sa.UniqueConstraint("paper_id", "source", "data_hash"))
    op.create_table("paper_ids", column("kind", TEXT, primary_key=True), column("value", TEXT, primary_key=True), paper())
    op.create_index("ix_paper_ids_paper_id", "paper_ids", ["paper_id"])
    op.create_table("paper_files", column("hash", TEXT, primary_key=True), paper(), column("name", TEXT), column("path", TEXT), column("form", TEXT), column("tier", TEXT),
                    column("first", sa.Integer()), column("passages", sa.Integer()), column("note", TEXT), column("created_at", MOMENT))
    op.create_index("ix_paper_files_paper_id", "paper_files", ["paper_id"])
    op.create_table("paper_passages", serial(), paper(), column("number", sa.Integer()), column("section", TEXT), column("text", TEXT), sa.UniqueConstraint("paper_id", "number"))
    op.create_table("paper_notes", serial(), paper(), column("author", TEXT), column("text", TEXT), column("created_at", MOMENT))
    op.create_index("ix_paper_notes_paper_id", "paper_notes", ["paper_id"])
    op.create_table("paper_citations", serial(), column("proposal_id", SERIAL, sa.ForeignKey("proposals.id")), column("design_id", TEXT, sa.ForeignKey("designs.id")), column("kind", TEXT),
                    column("told", TEXT), column("paper_id", TEXT), column("passage", sa.Integer()), column("trouble", TEXT), column("created_at", MOMENT),
                    sa.UniqueConstraint("proposal_id", "kind", "told", "passage"))
    op.create_index("ix_paper_citations_paper", "paper_citations", ["paper_id"])
    op.create_index("ix_paper_citations_design_id", "paper_citations", ["design_id"])
    op.create_table("paper_imports", column("import_id", TEXT, primary_key=True), column("item", TEXT, primary_key=True), column("state", TEXT), column("note", TEXT),
                    column("paper_id", TEXT), column("created_at", MOMENT))
    op.create_table("paper_lookups", serial(), column("source", TEXT), column("key", TEXT), column("state", TEXT), column("data", sa.JSON()), column("until", MOMENT), column("created_at", MOMENT))
    op.create_index("ix_paper_lookups_key", "paper_lookups", ["source", "key", "id"])
    op.create_table("paper_vectors", column("paper_seq", sa.BigInteger(), primary_key=True, autoincrement=False), column("model", TEXT, primary_key=True), column("card_hash", TEXT),
                    column("vector", sa.LargeBinary()))
    _index()


def _index() -> None:
    """SQLite: FTS5, its words stemmed, accents left out; the passages' texts stay in their table. PostgreSQL: the words beside a GIN index."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE paper_cards USING fts5(title, people, gist, body, tokenize='porter unicode61 remove_diacritics 2')")
        op.execute("CREATE VIRTUAL TABLE paper_words USING fts5(section, text, content='paper_passages', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2')")
        return
    for table in ("paper_cards", "paper_words"):
        op.execute(f"CREATE TABLE {table} (rowid BIGINT PRIMARY KEY, body TEXT NOT NULL, words TSVECTOR NOT NULL)")
        op.execute(f"CREATE INDEX ix_{table} ON {table} USING gin (words)")
