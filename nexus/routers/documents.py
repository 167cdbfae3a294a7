"""/documents and /memory/search: what users put in memory, and what is found in it."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.responses import Response

from nexus.errors import FieldProblem, InvalidInput
from nexus.routers.access import Author, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.documents import Document, DocumentListParams, Passages, Search
from nexus.schemas.lists import Page
from nexus.services import documents, searching
from nexus.services.documents import Upload
from nexus.services.idempotency import fingerprint_of

PARTS = frozenset({"file", "title", "url", "source"})

router = APIRouter(tags=["documents"])


@router.post("/documents", status_code=202, response_model=Document)
@router.post("/documents/", status_code=202, response_model=Document, include_in_schema=False)
async def add_document(
    request: Request,
    caller: Author,
    parts: Opened,
    file: Annotated[UploadFile | None, File(description="At most 50 MB.")] = None,
    url: Annotated[str | None, Form(min_length=1, max_length=2_000)] = None,
    title: Annotated[str | None, Form(min_length=1, max_length=200)] = None,
    source: Annotated[str | None, Form(min_length=1, max_length=500)] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put a document in memory. It is read in the background; search finds it once `ready`."""
    unknown = set(await request.form()) - PARTS
    if unknown:
        raise InvalidInput(
            "the form has a part that is not known",
            hint="send `file` or `url`, and perhaps `title` and `source`",
            problems=(FieldProblem("body", "unknown part"),),
        )
    if file is not None and url is None:
        upload = Upload(file.filename, title, file.content_type, await file.read(), source)
        promise = once(request, caller, idempotency_key, upload.fingerprint())
        return send_answer(await documents.add_document(parts.engine, caller, upload, promise))
    if url is not None and file is None and source is None:
        promise = once(request, caller, idempotency_key, fingerprint_of(url, title or ""))
        return send_answer(await documents.add_link(parts.engine, caller, url, title, promise))
    raise InvalidInput(
        "a document is a file or an address",
        hint="send the part `file`, perhaps with its `source`, or the part `url`",
        problems=(FieldProblem("body.file", "send it, or `url`"),),
    )


@router.get("/documents")
@router.get("/documents/", include_in_schema=False)
async def list_documents(
    caller: Reader, parts: Opened, wanted: Annotated[DocumentListParams, Query()]
) -> Page[Document]:
    """List documents, newest first."""
    return await documents.list_documents(parts.database, caller, wanted)


@router.get("/documents/{document_id}")
async def show_document(caller: Reader, parts: Opened, document_id: str) -> Document:
    """Show a document: whether it is ready, or why it could not be read."""
    return await documents.get_document(parts.database, caller, document_id)


@router.delete("/documents/{document_id}", status_code=204)
async def remove_document(caller: Author, parts: Opened, document_id: str) -> None:
    """Remove a document from memory."""
    data = parts.settings.data
    await documents.remove_document(parts.engine, data, parts.memory, caller, document_id)


@router.post("/memory/search")
@router.post("/memory/search/", include_in_schema=False)
async def search_memory(caller: Reader, parts: Opened, wanted: Search) -> Passages:
    """Find passages of the workspace's documents, best first."""
    return await searching.search_memory(parts.memory, parts.database, caller, wanted)
