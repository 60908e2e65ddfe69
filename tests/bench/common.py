"""What the benchmarks share: a daemon started and killed, repositories, pushes, the API, medians."""

import json
import os
import http.client
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary():
    """The release binary: ASSAY, or what cargo built."""
    if "ASSAY" in os.environ:
        return os.environ["ASSAY"]
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked"], cwd=ROOT, check=True)
    return os.path.join(target, "release", "assay")


def clean_env(**more):
    """An environment in which git has nobody's configuration and a fixed author."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "ASSAY_"))}
    env.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL="/dev/null", GIT_AUTHOR_NAME="B", GIT_AUTHOR_EMAIL="b@example.org",
               GIT_COMMITTER_NAME="B", GIT_COMMITTER_EMAIL="b@example.org", GIT_TERMINAL_PROMPT="0")
    env.update(more)
    return env


def git(folder, *args, check=True, **more):
    return subprocess.run(["git", *args], cwd=folder, env=clean_env(), check=check, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


class UnixHTTP(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """`assay serve` on a state folder of its own."""

    def __init__(self, program, folder, jobs=2, more=""):
        self.program, self.folder = program, folder
        self.state = os.path.join(folder, "state")
        self.config = os.path.join(folder, "assay.yml")
        with open(self.config, "w") as file:
            file.write(f"listen: 127.0.0.1:0\njobs: {jobs}\nstate: {self.state}\n{more}")
        self.process = None
        self.log = open(os.path.join(folder, "daemon.log"), "ab")

    def start(self):
        """Starts the daemon and returns how long it took until it said that it is ready."""
        path = os.path.join(self.folder, "notify")
        if os.path.exists(path):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(path)
            ready.settimeout(60)
            begin = time.perf_counter()
            self.process = subprocess.Popen([self.program, "serve", "--config", self.config], stdin=subprocess.DEVNULL,
                                            stdout=self.log, stderr=self.log, env=clean_env(NOTIFY_SOCKET=path))
            while b"READY=1" not in ready.recv(4096):
                pass
            return time.perf_counter() - begin

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)

    def ask(self, method, path, body=None):
        connection = UnixHTTP(os.path.join(self.state, "run", "assay.sock"))
        headers = {"Accept": "application/vnd.travis-ci.2+json, application/json"}
        payload = None
        if body is not None:
            payload, headers["Content-Type"] = json.dumps(body), "application/json"
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {text[:200]!r}")
        return json.loads(text) if text else None

    def get(self, path):
        return self.ask("GET", path)

    def cli(self, *args):
        return subprocess.run([self.program, "--state", self.state, *args], env=clean_env(), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=True)

    def add(self, bare, slug):
        self.cli("repo", "add", bare, "--slug", slug)
        self.cli("hook", "install", bare)

    def cpu(self):
        """CPU seconds of the daemon and of everything it has waited for."""
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return sum(int(fields[place]) for place in (11, 12, 13, 14)) / os.sysconf("SC_CLK_TCK")

    def pss(self):
        """Proportional set size in MiB."""
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Pss:")) / 1024


def repository(folder, name, files):
    """A bare repository and a clone of it with one pushed commit; returns both paths."""
    bare, clone = os.path.join(folder, f"{name}.git"), os.path.join(folder, f"{name}")
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", bare)
    git(folder, "clone", "--quiet", bare, clone)
    git(clone, "checkout", "--quiet", "-B", "main")
    for path, text in files.items():
        path = os.path.join(clone, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "-m", "start")
    git(clone, "push", "--quiet", "origin", "main")
    return bare, clone


def commit(clone, number):
    git(clone, "commit", "--quiet", "--allow-empty", "-m", f"change {number}")


def timed_push(clone, *options):
    begin = time.perf_counter()
    done = git(clone, "push", "--quiet", *options, "origin", "main")
    return time.perf_counter() - begin, done.stderr


def median(values):
    return statistics.median(values)


def row(what, value, note=""):
    print(f"{what:<58} {value:>14}  {note}", flush=True)


class Scratch:
    """A temporary folder, readable by all so that jobs' users reach what they must."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="assay-bench-")
        os.chmod(self.path, 0o755)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def complain(text):
    print(text, file=sys.stderr)
