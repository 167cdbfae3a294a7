"""Column types and the declarative base every table shares."""

import json
from typing import Annotated, Any

from sqlalchemy import BigInteger, Dialect, MetaData, String, Text
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator


class JsonText(TypeDecorator[Any]):
    """JSON kept as text: the same bytes on SQLite and PostgreSQL, decoded only when read."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


Id = Annotated[str, mapped_column(String(40), primary_key=True)]
Ref = Annotated[str, mapped_column(String(40))]
MaybeRef = Annotated[str | None, mapped_column(String(40))]
Workspace = Annotated[str, mapped_column(String(64))]
Name = Annotated[str, mapped_column(String(200))]
Word = Annotated[str, mapped_column(String(64))]
LongText = Annotated[str, mapped_column(Text)]
MaybeText = Annotated[str | None, mapped_column(Text)]
Json = Annotated[Any, mapped_column(JsonText, nullable=True)]
TimeUs = Annotated[int, mapped_column(BigInteger)]
MaybeTimeUs = Annotated[int | None, mapped_column(BigInteger)]
MaybeDigest = Annotated[str | None, mapped_column(String(64))]
MaybeSize = Annotated[int | None, mapped_column(BigInteger)]
Count = Annotated[int, mapped_column(BigInteger, default=0, server_default="0")]
Pico = Annotated[int, mapped_column(BigInteger, default=0, server_default="0")]
MaybePico = Annotated[int | None, mapped_column(BigInteger)]


class Table(DeclarativeBase):
    """Base of every table. Times are microseconds since 1970 UTC, money is pico-dollars."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
