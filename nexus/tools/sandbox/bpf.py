"""A tiny assembler for classic BPF: the instructions a seccomp filter needs, no more.

Source: linux/filter.h, linux/seccomp.h. Jumps are relative to the next instruction.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LOAD_WORD: Final = 0x20
_JUMP_EQUAL: Final = 0x15
_JUMP_GREATER_OR_EQUAL: Final = 0x35
_JUMP_ANY_BIT: Final = 0x45
_RETURN: Final = 0x06

NUMBER: Final = 0  # offsets into struct seccomp_data
ARCHITECTURE: Final = 4


def argument(index: int) -> int:
    """Return the offset of the low word of a syscall's argument (little endian)."""
    return 16 + 8 * index


ALLOW: Final = 0x7FFF_0000
KILL: Final = 0x8000_0000


def fail(errno: int) -> int:
    """Return the verdict that makes the syscall fail with `errno`."""
    return 0x0005_0000 | errno


@dataclass(frozen=True, slots=True)
class Instruction:
    """One `struct sock_filter`."""

    code: int
    operand: int
    if_true: int = 0
    if_false: int = 0


def load(offset: int) -> Instruction:
    """Load the word at `offset` of the syscall's data."""
    return Instruction(_LOAD_WORD, offset)


def answer(verdict: int) -> Instruction:
    """End the filter with `verdict`."""
    return Instruction(_RETURN, verdict)


def unless_equal(value: int, skip: int) -> Instruction:
    """Skip `skip` instructions unless the loaded word is `value`."""
    return Instruction(_JUMP_EQUAL, value, 0, skip)


def if_equal(value: int, skip: int) -> Instruction:
    """Skip `skip` instructions if the loaded word is `value`."""
    return Instruction(_JUMP_EQUAL, value, skip, 0)


def unless_at_least(value: int, skip: int) -> Instruction:
    """Skip `skip` instructions unless the loaded word is `value` or more."""
    return Instruction(_JUMP_GREATER_OR_EQUAL, value, 0, skip)


def unless_any_bit(mask: int, skip: int) -> Instruction:
    """Skip `skip` instructions unless the loaded word shares a bit with `mask`."""
    return Instruction(_JUMP_ANY_BIT, mask, 0, skip)


def assemble(program: Sequence[Instruction]) -> bytes:
    """Return the program as the kernel reads it."""
    return b"".join(
        struct.pack("<HBBI", step.code, step.if_true, step.if_false, step.operand)
        for step in program
    )
