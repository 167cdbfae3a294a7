"""Words that ask for one another: a question says `eat`, the answer says `feed`.

A short list of everyday English, not of any subject; matching another way round counts less.
"""

from typing import Final

from nexus.llm.offline.words import stem

FAMILIES: Final = """
eat feed food diet prey hunt consume
nest breed colony
differ difference compare comparison distinguish contrast unlike
recognise recognize identify distinguish apart
change trend decline fall rise grow shrink warm increase decrease
measure measurement gauge record caliper ruler
large big size tall heavy
small little short tiny
weight mass weigh heavy
live habitat home inhabit
place location site region area
begin start origin found
end finish stop close
cause reason because why due
effect result consequence outcome impact
cost price expense fee pay
money fund budget finance
risk danger threat hazard
safe safety protect
benefit advantage gain
problem fault failure defect issue
improve better enhance
law rule regulation act
buy purchase acquire
sell sale market
work job employ labour labor
people person human population
child children young
old age ancient
build construct construction
use usage apply application
fast speed quick rapid
help support aid assist
teach school learn education
ill disease sick illness
treat treatment therapy cure
call name named
"""


def _read() -> dict[str, frozenset[str]]:
    kin: dict[str, set[str]] = {}
    for line in FAMILIES.split("\n"):
        roots = {stem(word) for word in line.split()}
        for root in roots:
            kin.setdefault(root, set()).update(roots - {root})
    return {root: frozenset(others) for root, others in kin.items()}


KIN: Final = _read()


def kin_of(root: str) -> frozenset[str]:
    """List the stems that answer a stem."""
    return KIN.get(root, frozenset())
