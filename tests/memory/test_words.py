"""The index of words: what a word is, how fits are ranked, and that it forgets what is deleted."""

from nexus.memory.passages import SourceDocument, Where
from nexus.models.writing import Query
from tests.support.bookcase import Bookcase

PATHS = "Größe, цена: the module os.path joins names; see https://docs.example/library/joining_names.html."
TIDES = "Tides rise and fall twice a day. A tide table says when. Tides follow the moon."
MOON = "The moon has no air. Whoever walks there sees a black sky at noon, and no tides."


def text(name: str, content: str) -> SourceDocument:
    return SourceDocument(name, f"{name}.txt", "text/plain", content.encode())


async def fits(memory: Bookcase, workspace: str, *terms: str) -> list[str]:
    """Return the documents whose words fit best."""
    where = Where(workspace)
    found = await memory.catalogue.find_words(where, terms, None, 10)
    assert list(found.fits.values()) == sorted(found.fits.values(), reverse=True)
    return [found.kept[one].document_id for one in found.fits]


async def test_parts_of_names_are_words_and_words_are_stemmed(
    memory: Bookcase, workspace: str
) -> None:
    await memory.add(workspace, text("doc_1", PATHS))
    for term in ("path", "joined", "names", "joining", "library", "html", "größe", "цена"):
        assert await fits(memory, workspace, term) == ["doc_1"], term
    for absent in ("pat", "ospath"):
        assert await fits(memory, workspace, absent) == [], absent


async def test_rare_words_and_repeated_ones_weigh_more(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text("doc_1", TIDES))
    await memory.add(workspace, text("doc_2", MOON))
    await memory.add(workspace, text("doc_3", PATHS))
    assert await fits(memory, workspace, "tides") == ["doc_1", "doc_2"]
    assert await fits(memory, workspace, "moon", "sky") == ["doc_2", "doc_1"]
    await memory.add(f"{workspace}-other", text("doc_4", TIDES))
    assert await fits(memory, workspace, "tides") == ["doc_1", "doc_2"]


async def test_words_of_what_is_deleted_are_gone(memory: Bookcase, workspace: str) -> None:
    await memory.add(workspace, text("doc_1", TIDES))
    await memory.add(workspace, text("doc_2", MOON))
    await memory.remove(workspace, "doc_1")
    assert await fits(memory, workspace, "tides") == ["doc_2"]
    (rows,) = await memory.database.ask(
        Query(
            "SELECT count(*) FROM passage_words WHERE NOT EXISTS "
            "(SELECT 1 FROM passages p WHERE p.number = passage_words.number)"
        )
        if memory.database.address.dialect == "postgresql"
        else Query("SELECT count(*) FROM passage_words WHERE passage_words MATCH 'twice'")
    )
    assert rows[0][0] == 0
