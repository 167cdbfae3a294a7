"""Every fault that the documents name is one that can be run."""

import re

from tests.chaos.fault import all_faults
from tests.support.places import ROOT


def test_the_documents_name_faults_that_exist() -> None:
    named = {
        name
        for path in (ROOT / "docs").rglob("*.md")
        for name in re.findall(r"--only ([a-z][a-z-]*)", path.read_text())
    }
    assert named
    assert named <= all_faults().keys()
