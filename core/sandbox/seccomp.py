"""A seccomp filter: system calls that no computation needs end in "not permitted" (kernel documentation, userspace-api/seccomp_filter).

Forbidden: new processes and programs, sockets, signals to others, looking into other processes, file attributes, namespaces, mounts, shared
memory that outlives the process, limits. Threads stay allowed. The filter is for the machine's own instruction set and kills any other's calls.

Where sockets are let through, for ranks that talk to each other, those of the network namespace alone are: a UNIX socket reaches a service of the
machine by its path, which neither that namespace nor Landlock bars.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct

SET_SECCOMP, FILTER = 22, 2
LOAD, JUMP_EQUAL, JUMP_GE, JUMP_SET, AND, RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NR, ARCH, ARG0, ARG1, ARG2_LOW, ARG2_HIGH = 0, 4, 16, 24, 32, 36       # offsets in seccomp_data, little-endian
CLONE_THREAD = 0x10000
X32 = 0x40000000

# name: (x86-64, arm64); -1 where there is none
FORBIDDEN = {
    "fork": (57, -1), "vfork": (58, -1), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    "sendto": (44, 206),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "chmod": (90, -1), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, -1), "lchown": (94, -1), "fchown": (93, 55),
    "fchownat": (260, 54), "utime": (132, -1), "utimes": (235, -1), "futimesat": (261, -1), "utimensat": (280, 88), "mknod": (133, -1), "mknodat": (259, 33),
    "symlink": (88, -1), "symlinkat": (266, 36), "link": (86, -1), "linkat": (265, 37),  # the parent follows no link that a child made
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442),
    "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "memfd_create": (319, 279), "memfd_secret": (447, 447),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "fanotify_init": (300, 262), "inotify_init": (253, -1),
    "inotify_init1": (294, 26), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "personality": (135, 92), "acct": (163, 89), "quotactl": (179, 60), "setrlimit": (160, 164), "setpriority": (141, 140),
    "setsid": (112, 157), "setpgid": (109, 154), "setuid": (105, 146), "setgid": (106, 144), "setresuid": (117, 147), "setresgid": (119, 149),
}
CLONE, CLONE3, KILL_ONE, TGKILL, TKILL, PRLIMIT, PRCTL = (56, 220), (435, 435), (62, 129), (234, 131), (200, 130), (302, 261), (157, 167)
PRCTL_FORBIDDEN = (1, 4)             # the signal at the parent's death, and being readable by others
ARCHES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


PROGRAMS = ("fork", "vfork", "execve", "execveat", "setsid", "setpgid")         # what starting a compiler takes
SOCKETS = ("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto")
UNIX, INET, INET6, NETLINK, ROUTE = 1, 2, 10, 16, 0              # Linux's numbers; netlink's protocol that tells of interfaces
KINDS = 0xF                                                      # of a socket's second argument; above it are flags


def restrict(programs: bool = False, sockets: bool = False, datagrams: bool = False) -> str:
    """Apply it to this process, which must have one thread. `datagrams`: UNIX datagram sockets beside `sockets`, which NCCL cannot start without
    (its proxy's ncclIpcSocketInit); services listen on streams. Raises OSError where it cannot be."""
    machine = platform.machine()
    if machine not in ARCHES:
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    program = _program(*ARCHES[machine], programs, sockets, datagrams)
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in program))
    header = struct.pack("@HxxxxxxP", len(program), ctypes.addressof(code))
    if libc.prctl(SET_SECCOMP, FILTER, header, 0, 0):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    left = len(FORBIDDEN) - len(PROGRAMS) * programs - len(SOCKETS) * sockets
    among = " and ".join(([] if programs else ["new processes"]) + (["UNIX sockets"] if sockets else ["sockets"]))
    return f"{left} kinds of system calls are forbidden" + (f", {among} among them" if among else "")


def _program(arch: int, column: int, programs: bool, sockets: bool, datagrams: bool = False) -> list[tuple[int, int, int, int]]:
    """(code, jump if true, jump if false, operand) lines; each test skips its own return, so that no jump is long."""
    lines = [(LOAD, 0, 0, ARCH), (JUMP_EQUAL, 1, 0, arch), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NR)]
    if column == 0:
        lines += [(JUMP_GE, 0, 1, X32), (RETURN, 0, 0, KILL)]
    refused = ERRNO | errno.EPERM
    open_ = {*(PROGRAMS if programs else ()), *(SOCKETS if sockets else ())}
    for name, numbers in FORBIDDEN.items():
        if numbers[column] >= 0 and name not in open_:
            lines += [(JUMP_EQUAL, 0, 1, numbers[column]), (RETURN, 0, 0, refused)]
    if sockets:
        lines += _families(column, datagrams)
    lines += [(JUMP_EQUAL, 0, 1, CLONE3[column]), (RETURN, 0, 0, ERRNO | errno.ENOSYS)]  # its flags cannot be seen: the C library falls back to clone
    lines += [(JUMP_EQUAL, 0, 1, TKILL[column]), (RETURN, 0, 0, refused)]
    if not programs:
        lines += [(JUMP_EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, ARG0), (JUMP_SET, 0, 1, CLONE_THREAD), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refused)]
    for number in () if programs else (KILL_ONE[column], TGKILL[column]):  # Landlock keeps signals inside where the kernel is new enough
        lines += [(JUMP_EQUAL, 0, 4, number), (LOAD, 0, 0, ARG0), (JUMP_EQUAL, 0, 1, os.getpid()), (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refused)]
    lines += [(JUMP_EQUAL, 0, 6, PRLIMIT[column]), (LOAD, 0, 0, ARG2_LOW), (JUMP_EQUAL, 0, 3, 0), (LOAD, 0, 0, ARG2_HIGH), (JUMP_EQUAL, 0, 1, 0),
              (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, refused)]
    lines += [(JUMP_EQUAL, 0, 2 * len(PRCTL_FORBIDDEN) + 2, PRCTL[column]), (LOAD, 0, 0, ARG0)]
    for option in PRCTL_FORBIDDEN:
        lines += [(JUMP_EQUAL, 0, 1, option), (RETURN, 0, 0, refused)]
    return [*lines, (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ALLOW)]


def _families(column: int, datagrams: bool) -> list[tuple[int, int, int, int]]:
    """Of socket(family, kind, protocol): IPv4 and IPv6, netlink for the list of interfaces, and no UNIX socket but a datagram where asked. Of
    socketpair: no datagrams, since such a one can be sent to any path."""
    allow, refused = (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, ERRNO | errno.EAFNOSUPPORT)
    families = [(LOAD, 0, 0, ARG0), (JUMP_EQUAL, 0, 1, INET), allow, (JUMP_EQUAL, 0, 1, INET6), allow,
                (JUMP_EQUAL, 0, 4, NETLINK), (LOAD, 0, 0, ARG2_LOW), (JUMP_EQUAL, 0, 1, ROUTE), allow, refused]
    if datagrams:
        families += [(JUMP_EQUAL, 0, 5, UNIX), (LOAD, 0, 0, ARG1), (AND, 0, 0, KINDS), (JUMP_EQUAL, 0, 1, socket.SOCK_DGRAM), allow, refused]
    families.append(refused)
    pairs = [(LOAD, 0, 0, ARG1), (AND, 0, 0, KINDS), (JUMP_EQUAL, 0, 1, socket.SOCK_STREAM), allow, (JUMP_EQUAL, 0, 1, socket.SOCK_SEQPACKET), allow, refused]
    return [(JUMP_EQUAL, 0, len(families), FORBIDDEN["socket"][column]), *families, (JUMP_EQUAL, 0, len(pairs), FORBIDDEN["socketpair"][column]), *pairs]
