"""Which of the two databases a test runs on that needs a process and its death, or much time.

The engine's statements are tested on both; what dies, and when, the chaos suite tries on both.
"""

from typing import Final

import pytest

ON_SQLITE: Final = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ON_POSTGRESQL: Final = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
