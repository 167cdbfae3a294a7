"""The seccomp filter of the bubblewrap sandbox: which system calls fail, on x86-64 and aarch64.

A list of what is refused on top of namespaces and an unprivileged user: calls that reach
the network, other processes, mounts, keys, kernel programs or new namespaces.
Numbers: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

import errno
from dataclasses import dataclass
from typing import Final

from nexus.tools.sandbox import bpf
from nexus.tools.sandbox.bpf import Instruction

_AF_UNIX: Final = 1
_NEW_NAMESPACES: Final = 0x7E02_0000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
_TIOCSTI: Final = 0x5412
_TIOCLINUX: Final = 0x541C
_FIRST_UNKNOWN: Final = 463
_CLONE3: Final = 435

# io_uring, new mount interface, pidfd_getfd, process_madvise, quotactl_fd, memfd_secret,
# set_mempolicy_home_node, statmount, listmount: the same numbers on every architecture.
_SHARED: Final = (*range(425, 434), 438, 440, 442, 443, 447, 450, 457, 458)


@dataclass(frozen=True, slots=True)
class Architecture:
    """Numbers of one machine type; `audit` is its AUDIT_ARCH constant."""

    audit: int
    refused: tuple[int, ...]
    clone: int
    socket: int
    socketpair: int
    ioctl: int
    has_x32: bool = False


_ARCHITECTURES: Final = {
    "x86_64": Architecture(
        audit=0xC000_003E,
        refused=(
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(165, 166, 155, 161),  # mount, umount2, pivot_root, chroot
            *(272, 308),  # unshare, setns
            *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(246, 320, 174, 175, 313, 176, 169),  # kexec, kernel modules, reboot
            *(167, 168, 163, 179),  # swapon, swapoff, acct, quotactl
            *(303, 304),  # name_to_handle_at, open_by_handle_at
            *(172, 173, 154),  # iopl, ioperm, modify_ldt
            *(164, 227, 159, 305),  # the clock
            *(103, 300, 153, 170, 171),  # syslog, fanotify, vhangup, host and domain name
            *(279, 256, 237, 238),  # memory placement
            *(212, 180, 134, 135, 136, 139, 278),  # relics, personality, vmsplice
        ),
        clone=56,
        socket=41,
        socketpair=53,
        ioctl=16,
        has_x32=True,
    ),
    "aarch64": Architecture(
        audit=0xC000_00B7,
        refused=(
            *(117, 270, 271, 272),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(40, 39, 41, 51),  # mount, umount2, pivot_root, chroot
            *(97, 268),  # unshare, setns
            *(280, 241, 282),  # bpf, perf_event_open, userfaultfd
            *(217, 218, 219),  # add_key, request_key, keyctl
            *(104, 294, 105, 273, 106, 142),  # kexec, kernel modules, reboot
            *(224, 225, 89, 60),  # swapon, swapoff, acct, quotactl
            *(264, 265),  # name_to_handle_at, open_by_handle_at
            *(170, 112, 171, 266),  # the clock
            *(116, 262, 58, 161, 162),  # syslog, fanotify, vhangup, host and domain name
            *(239, 238, 235, 237),  # memory placement
            *(18, 42, 92, 75),  # relics, personality, vmsplice
        ),
        clone=220,
        socket=198,
        socketpair=199,
        ioctl=29,
    ),
}


def knows(machine: str) -> bool:
    """Tell whether there is a filter for `machine` (as `platform.machine()` names it)."""
    return machine in _ARCHITECTURES


def filter_for(machine: str) -> bytes:
    """Return the compiled filter; KeyError for a machine that `knows` denies."""
    numbers = _ARCHITECTURES[machine]
    program: list[Instruction] = [
        bpf.load(bpf.ARCHITECTURE),
        bpf.if_equal(numbers.audit, 1),
        bpf.answer(bpf.KILL),
        bpf.load(bpf.NUMBER),
    ]
    if numbers.has_x32:
        program += [bpf.unless_at_least(0x4000_0000, 1), bpf.answer(bpf.KILL)]
    # glibc falls back to clone() on ENOSYS, whose flags a filter can read.
    program += _refuse(_CLONE3, errno.ENOSYS)
    for number in (*numbers.refused, *_SHARED):
        program += _refuse(number, errno.EPERM)
    for number in (numbers.socket, numbers.socketpair):
        program += _only_unix(number)
    program += [
        *(bpf.unless_equal(numbers.clone, 4), bpf.load(bpf.argument(0))),
        *(bpf.unless_any_bit(_NEW_NAMESPACES, 1), bpf.answer(bpf.fail(errno.EPERM))),
        bpf.answer(bpf.ALLOW),
        *(bpf.unless_equal(numbers.ioctl, 5), bpf.load(bpf.argument(1))),
        *(bpf.if_equal(_TIOCSTI, 1), bpf.unless_equal(_TIOCLINUX, 1)),
        *(bpf.answer(bpf.fail(errno.EPERM)), bpf.answer(bpf.ALLOW)),
        *(bpf.unless_at_least(_FIRST_UNKNOWN, 1), bpf.answer(bpf.fail(errno.ENOSYS))),
        bpf.answer(bpf.ALLOW),
    ]
    return bpf.assemble(program)


def _refuse(number: int, code: int) -> list[Instruction]:
    return [bpf.unless_equal(number, 1), bpf.answer(bpf.fail(code))]


def _only_unix(number: int) -> list[Instruction]:
    return [
        *(bpf.unless_equal(number, 4), bpf.load(bpf.argument(0))),
        *(bpf.if_equal(_AF_UNIX, 1), bpf.answer(bpf.fail(errno.EAFNOSUPPORT))),
        bpf.answer(bpf.ALLOW),
    ]
