"""/documents and /memory/search: what users put in memory, and what is found in it."""

from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.responses import Response

from nexus.errors import FieldProblem, InvalidInput
from nexus.routers.access import Author, IdempotencyKey, Opened, Reader, once
from nexus.routers.answers import send_answer
from nexus.schemas.documents import Document, DocumentListParams, Passages, Search
from nexus.schemas.lists import Page
from nexus.services import documents
from nexus.services.documents import Upload

PARTS = frozenset({"file", "title"})

router = APIRouter(tags=["documents"])


@router.post("/documents", status_code=202, response_model=Document)
@router.post("/documents/", status_code=202, response_model=Document, include_in_schema=False)
async def add_document(
    request: Request,
    caller: Author,
    parts: Opened,
    file: Annotated[UploadFile, File(description="At most 50 MB.")],
    title: Annotated[str | None, Form(min_length=1, max_length=200)] = None,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Put a document in memory. It is read in the background; search finds it once `ready`."""
    unknown = set(await request.form()) - PARTS
    if unknown:
        raise InvalidInput(
            "the form has a part that is not known",
            hint="send `file` and perhaps `title`",
            problems=(FieldProblem("body", "unknown part"),),
        )
    upload = Upload(file.filename, title, file.content_type, await file.read())
    promise = once(request, caller, idempotency_key, upload.fingerprint())
    return send_answer(await documents.add_document(parts.engine, caller, upload, promise))


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
    await documents.remove_document(parts.engine, parts.memory, caller, document_id)


@router.post("/memory/search")
@router.post("/memory/search/", include_in_schema=False)
async def search_memory(caller: Reader, parts: Opened, wanted: Search) -> Passages:
    """Find passages of the workspace's documents, best first."""
    return await documents.search_memory(parts.memory, parts.database, caller, wanted)
