"""Hostile blocks: where the attack stands, and its lines. OUTSIDE, SECRET and PARENT are filled in by the test."""

from __future__ import annotations

IMPORT, INIT, FORWARD = "import", "init", "forward"

ATTACKS: dict[str, tuple[str, str]] = {
    # time
    "endless loop at import": (IMPORT, "while True: pass"),
    "endless loop in init": (INIT, "while True: pass"),
    "endless loop in forward": (FORWARD, "while True: pass"),
    "endless loop in C": (FORWARD, "sum(iter(int, 1))"),
    "endless regular expression": (FORWARD, "import re; re.match('(a+)+$', 'a' * 60 + 'b')"),
    "huge power": (FORWARD, "x = 10 ** (10 ** 9)"),
    "sleep": (FORWARD, "import time; time.sleep(3600)"),
    "signals ignored": (FORWARD, "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n    except Exception: pass\ntime.sleep(3600)"),
    "exceptions swallowed": (FORWARD, "import time\nwhile True:\n    try: time.sleep(1)\n    except BaseException: pass"),
    "deadlock": (FORWARD, "import threading\nlock = threading.Lock(); lock.acquire(); lock.acquire()"),
    "wait on stdin": (FORWARD, "import sys; sys.stdin.read(); input()"),
    "busy threads": (FORWARD, "import threading\nfor _ in range(8): threading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\nwhile True: pass"),
    "thread bomb": (FORWARD, "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()"),
    "non-daemon thread at the end": (IMPORT, "import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()"),
    # memory
    "a terabyte": (FORWARD, "torch.ones(10**12 // 4)"),
    "a terabyte of bytes": (FORWARD, "b = bytearray(10**12)"),
    "growing list": (FORWARD, "a = []\nwhile True: a.append(bytearray(10**7))"),
    "growing tensors": (FORWARD, "a = []\nwhile True: a.append(torch.ones(10**7))"),
    "growing string": (FORWARD, "s = 'x' * 10**6\nwhile True: s += s"),
    "growing dict of strings": (FORWARD, "d = {}\ni = 0\nwhile True:\n    d[i] = str(i) * 1000; i += 1"),
    "memory file": (FORWARD, "import os\nfd = os.memfd_create('x')\nwhile True: os.write(fd, b'x' * 10**7)"),
    "shared memory": (FORWARD, "from multiprocessing import shared_memory\nkeep = [shared_memory.SharedMemory(create=True, size=10**8) for _ in range(10**4)]"),
    "deep recursion": (FORWARD, "import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)"),
    "deep nesting": (FORWARD, "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)"),
    # ending
    "os._exit at import": (IMPORT, "import os; os._exit(0)"),
    "os._exit in forward": (FORWARD, "import os; os._exit(0)"),
    "sys.exit in init": (INIT, "import sys; sys.exit(0)"),
    "SystemExit raised": (FORWARD, "raise SystemExit(0)"),
    "KeyboardInterrupt raised": (FORWARD, "raise KeyboardInterrupt"),
    "segmentation fault": (FORWARD, "import ctypes; ctypes.string_at(0)"),
    "abort": (FORWARD, "import os; os.abort()"),
    "kill itself": (FORWARD, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
    "fault handler": (FORWARD, "import faulthandler; faulthandler._sigsegv()"),
    # others
    "kill the parent": (FORWARD, "import os, signal; os.kill(os.getppid(), signal.SIGKILL)"),
    "kill the supervisor": (FORWARD, "import os, signal; os.kill(PARENT, signal.SIGKILL)"),
    "kill everybody": (FORWARD, "import os, signal; os.kill(-1, signal.SIGKILL)"),
    "fork bomb": (FORWARD, "import os\nwhile True: os.fork()"),
    "fork and stay": (FORWARD, "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(3600)"),
    "a shell": (FORWARD, "import os; os.system('touch OUTSIDE/shell; sleep 3600 &')"),
    "a program": (FORWARD, "import subprocess; subprocess.Popen(['sleep', '3600'], start_new_session=True)"),
    "another program in its place": (FORWARD, "import os; os.execv('/bin/sleep', ['sleep', '3600'])"),
    "posix_spawn": (FORWARD, "import os; os.posix_spawn('/bin/sleep', ['sleep', '3600'], {})"),
    "multiprocessing": (FORWARD, "import multiprocessing, time\nmultiprocessing.get_context('fork').Process(target=time.sleep, args=(3600,)).start()"),
    # output
    "gigabytes of output": (FORWARD, "while True: print('x' * 10**6)"),
    "gigabytes of error output": (FORWARD, "import sys\nwhile True: sys.stderr.write('x' * 10**6)"),
    "output below Python": (FORWARD, "import os\nwhile True: os.write(1, b'x' * 10**6)"),
    # files
    "writes outside": (FORWARD, "open('OUTSIDE/new', 'w').write('x')"),
    "changes a file outside": (FORWARD, "open('OUTSIDE/kept', 'a').write('x')"),
    "empties a file outside": (FORWARD, "import os; os.truncate('OUTSIDE/kept', 0)"),
    "removes a file outside": (FORWARD, "import os; os.remove('OUTSIDE/kept')"),
    "removes a tree": (FORWARD, "import shutil; shutil.rmtree('OUTSIDE')"),
    "renames outside": (FORWARD, "import os; os.rename('OUTSIDE/kept', 'OUTSIDE/other')"),
    "mode of a file outside": (FORWARD, "import os; os.chmod('OUTSIDE/kept', 0o777)"),
    "time of a file outside": (FORWARD, "import os; os.utime('OUTSIDE/kept', (0, 0))"),
    "link outside": (FORWARD, "import os; os.symlink('/etc/passwd', 'OUTSIDE/link')"),
    "saves a tensor outside": (FORWARD, "torch.save(X, 'OUTSIDE/tensor')"),
    "a database outside": (FORWARD, "import sqlite3; sqlite3.connect('OUTSIDE/db').execute('create table t (x)')"),
    "changes the program": (FORWARD, "open('ROOT/core/types.py', 'a').write('#')"),
    "fills the disk by one file": (FORWARD, "f = open('big', 'wb')\nwhile True: f.write(b'x' * 10**7)"),
    "fills the disk by many files": (FORWARD, "i = 0\nwhile True:\n    open(str(i), 'wb').write(b'x' * 10**6); i += 1"),
    # looking around
    "reads the environment": (FORWARD, "import os; raise RuntimeError(str(dict(os.environ)))"),
    "reads the parent's environment": (FORWARD, "import os\nfor p in os.listdir('/proc'):\n    if p.isdigit():\n        try: print(open(f'/proc/{p}/environ').read())\n        except OSError: pass"),
    "reads the supervisor's environment": (FORWARD, "raise RuntimeError(open('/proc/PARENT/environ').read())"),
    "reads the supervisor's memory": (FORWARD, "raise RuntimeError(str(open('/proc/PARENT/mem', 'rb')))"),
    "reads its own memory": (FORWARD, "import re\nfor line in open('/proc/self/maps'):\n    a, b = (int(n, 16) for n in line.split()[0].split('-'))\n    m = open('/proc/self/mem', 'rb'); m.seek(a)\n    try: data = m.read(min(b - a, 10**8))\n    except OSError: continue\n    found = re.search(rb'sk-v[e]rysecret', data)\n    if found: raise RuntimeError(found.group().decode() + ' found')"),
    "reads a file outside": (FORWARD, "raise RuntimeError(open('OUTSIDE/secret').read())"),
    "reads through a descriptor": (FORWARD, "import os\nfor fd in range(256):\n    try: print(os.readlink(f'/proc/self/fd/{fd}'), os.pread(fd, 100, 0))\n    except OSError: pass"),
    "the network": (FORWARD, "import socket; socket.create_connection(('127.0.0.1', 22), 1)"),
    "a unix socket": (FORWARD, "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/dbus/system_bus_socket')"),
    "a server": (FORWARD, "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()"),
    "urllib": (FORWARD, "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1')"),
    # the checker itself
    "monkeypatches torch": (IMPORT, "torch.equal = lambda *a: True\ntorch.isfinite = lambda x: torch.ones_like(x, dtype=torch.bool)\ntorch.Tensor.__eq__ = lambda *a: True"),
    "monkeypatches the oracle": (IMPORT, "import core.checker.child as c\nc.Oracle.do_forward = lambda self, *a, **k: ({'dtype': 'float32', 'seconds': 0, 'mutated': [], 'scales': []}, [])"),
    "forges frames": (IMPORT, "import sys, gc\nf = sys._getframe()\nwhile f:\n    ch = f.f_locals.get('channel')\n    if ch is not None: ch.send({'fit': {'n_layers': 1, 'd_model': 1, 'params': 1, 'params_embedding': 1, 'reference_params': 1}})\n    f = f.f_back"),
    "raw bytes among the frames": (IMPORT, "import os\nfor fd in range(3, 64):\n    try: os.write(fd, b'\\xff' * 64)\n    except OSError: pass"),
    "an endless frame": (IMPORT, "import os, struct\nfor fd in range(3, 64):\n    try: os.write(fd, struct.pack('>I', 2**22 - 1))\n    except OSError: pass"),
    "closes its descriptors": (FORWARD, "import os; os.closerange(0, 256)"),
    "a lying str": (FORWARD, "class E(Exception):\n    def __str__(self): return 'x' * 10**9\nraise E"),
    "a str that raises": (FORWARD, "class E(Exception):\n    def __str__(self): raise SystemExit(0)\nraise E"),
    "returns garbage": (FORWARD, "return object()"),
    "returns a lying tensor": (FORWARD, "class T(torch.Tensor):\n    shape = (1, 1, 1)\n    def numpy(self, *a): return 'no'\nreturn X.as_subclass(T)"),
    "returns a lazy object": (FORWARD, "class L:\n    def __getattr__(self, n): return L()\n    def __call__(self, *a, **k): return L()\nreturn L()"),
    "returns another dtype": (FORWARD, "return X.to(torch.complex64)"),
    "Z of a million keys": (FORWARD, "return X, {str(i): i for i in range(10**6)}"),
    "takes the model's parameters away": (FORWARD, "self._parameters.clear(); self._modules.clear()"),
    "default dtype changed": (IMPORT, "torch.set_default_dtype(torch.float16)"),
}


def source(where: str, lines: str) -> str:
    def indented(n: int) -> str:
        return "\n".join(" " * n + line for line in lines.split("\n"))

    return f'''import torch
from torch import nn
from core.gab import GABBase
{lines if where == IMPORT else ""}


class GAB(GABBase):
    def __init__(self, embed_dim, block_loc, device=None, dtype=None):
        super().__init__(embed_dim, block_loc)
        self.mix = nn.Sequential(*[nn.Linear(embed_dim, embed_dim, device=device, dtype=dtype) for _ in range(12)])
{indented(8) if where == INIT else ""}

    def _forward(self, X):
        if X.device.type == "meta":
            return X
{indented(8) if where == FORWARD else ""}
        return X + self.mix(X)


gab_config = {{}}
'''
