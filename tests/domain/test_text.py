"""Whatever text comes, what is stored is JSON that reads back as what was meant."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nexus.domain.text import REPLACEMENT, clean, dumps

ANY_TEXT = st.text(
    alphabet=st.one_of(
        st.sampled_from('\x00\\u0"\ud800\udfff\n é'), st.characters(exclude_categories=[])
    ),
    max_size=20,
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), ANY_TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(ANY_TEXT, inner, max_size=4)
    ),
    max_leaves=12,
)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): _cleaned(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_stored_json_reads_back_as_the_cleaned_value(value: Any) -> None:
    stored = dumps(value)

    assert "\x00" not in stored
    stored.encode("utf-8")
    assert json.loads(stored) == _cleaned(value)


def test_text_that_speaks_of_nul_is_kept_as_it_is() -> None:
    assert json.loads(dumps("JSON writes NUL as \\u0000")) == "JSON writes NUL as \\u0000"
    assert json.loads(dumps("\x00 and \\u0000")) == f"{REPLACEMENT} and \\u0000"
