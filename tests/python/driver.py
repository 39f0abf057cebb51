"""Runs the clients that the tests need, in one process that imports them once.

Reads one request per line on standard input, and writes one response per line on standard output, both as JSON:

    {"id": 1, "program": "client", "arguments": [], "environment": {"HOME": "/tmp/x"}, "input": "{}", "seconds": 60}
    {"id": 1, "status": 0, "out": "...", "err": "..."}

A program is a script of this directory (`client`, `provision`) or `aws`, the AWS CLI. It sees the arguments, the
environment variables and the standard input of its request and nothing of any other request: each one runs in a
fork of this process. Requests run concurrently, so responses may come in another order. A program that exceeds its
seconds is killed, and its response is {"id": 1, "timeout": true, "out": "...", "err": "..."}.

The driver ends when its standard input does, and kills the programs that still run. Thus it ends with the process that
started it, however that one ends.
"""

import ctypes
import importlib
import io
import json
import os
import selectors
import signal
import sys
import time
import traceback

SCRIPTS = ("client", "provision")
# Stands for every request's home folder while the clients are imported: see `move_home`.
PLACEHOLDER_HOME = "/nonexistent/rolecall-driver-home"
# The services whose models are parsed once.
SERVICES = ("sts", "iam", "s3", "secretsmanager", "ecr")
CHUNK = 64 * 1024
# prctl(2): the signal that a process gets when its parent ends.
PR_SET_PDEATHSIG = 1


def import_clients():
    """Imports what every program needs, so that a fork has it already.

    Returns the environment variables that the CLI set while it was imported, and needs.
    """
    os.environ["HOME"] = PLACEHOLDER_HOME
    before = dict(os.environ)
    for name in ("boto3", "awscli.clidriver", "awscli.handlers", *SCRIPTS):
        importlib.import_module(name)
    added = {name: value for name, value in os.environ.items() if before.get(name) != value}
    cache_model_files()
    return added


def cache_model_files():
    """Keeps the parsed JSON of service models: parsing takes most of the time of making a client."""
    loader = sys.modules["botocore.loaders"].JSONFileLoader
    load_file, files = loader.load_file, {}

    def load_file_once(self, path):
        if path not in files:
            files[path] = load_file(self, path)
        return files[path]

    loader.load_file = load_file_once
    for service in SERVICES:
        session = sys.modules["boto3"].Session("none", "none", region_name="eu-west-1")
        session.client(service)


def move_home(home):
    """Replaces the folders under the home that the clients computed when they were imported.

    The CLI keeps assumed sessions in such a folder: without this, one request would find the sessions of another.
    """

    def move(owner):
        for name, value in list(vars(owner).items()):
            if isinstance(value, str) and value.startswith(PLACEHOLDER_HOME):
                setattr(owner, name, home + value[len(PLACEHOLDER_HOME) :])

    for module_name, module in list(sys.modules.items()):
        if module_name.split(".")[0] in ("awscli", "boto3", "botocore", "s3transfer"):
            move(module)
            for value in list(vars(module).values()):
                if isinstance(value, type) and value.__module__ == module_name:
                    move(value)


def run_program(request):
    """Runs the program of a request in this process. Returns its exit status, as `sys.exit` takes it."""
    if request["program"] == "aws":
        sys.argv = ["aws", *request["arguments"]]
        return importlib.import_module("awscli.clidriver").main()
    if request["program"] not in SCRIPTS:
        return f"driver: unknown program {request['program']!r}"
    sys.argv = [request["program"], *request["arguments"]]
    return importlib.import_module(request["program"]).main()


def run_in_fork(request, cli_variables, out, err):
    """Becomes the program of a request: its output goes to these descriptors. Never returns."""
    status = 1
    try:
        # A group of its own, so that a timeout also ends what the program started.
        os.setpgid(0, 0)
        if sys.platform == "linux":
            # The driver kills its programs when it ends, unless it is killed itself.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for source, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        # The driver's pipes must not stay open here: their readers wait until all copies are closed.
        os.closerange(3, min(os.sysconf("SC_OPEN_MAX"), 65536))
        sys.stdin = io.StringIO(request["input"])
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        os.environ.clear()
        if request["program"] == "aws":
            os.environ.update(cli_variables)
        os.environ.update(request["environment"])
        move_home(request["environment"].get("HOME", PLACEHOLDER_HOME))
        try:
            code = run_program(request)
        except SystemExit as end:
            code = end.code
        if isinstance(code, int):
            status = code & 0xFF
        elif code is None:
            status = 0
        else:
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # No `atexit` handlers and no destructors of the driver's.
            os._exit(status)


class Running:
    """A program that runs, and its output so far."""

    def __init__(self, request, cli_variables):
        self.id = request["id"]
        self.deadline = time.monotonic() + request["seconds"]
        (self.out, out), (self.err, err) = os.pipe(), os.pipe()
        self.output = {self.out: b"", self.err: b""}
        self.open = {self.out, self.err}
        self.timed_out = False
        self.pid = os.fork()
        if self.pid == 0:
            run_in_fork(request, cli_variables, out, err)
        os.close(out)
        os.close(err)

    def read(self, descriptor):
        """Reads what there is. Returns False at the end of the output."""
        chunk = os.read(descriptor, CHUNK)
        self.output[descriptor] += chunk
        if not chunk:
            self.open.remove(descriptor)
        return bool(chunk)

    def kill(self):
        for kill, target in ((os.killpg, self.pid), (os.kill, self.pid)):
            try:
                kill(target, signal.SIGKILL)
            except OSError:
                pass

    def finish(self):
        """Waits for the program, whose output has ended, and returns the response."""
        _, status = os.waitpid(self.pid, 0)
        out, err = (self.output[end].decode(errors="replace") for end in (self.out, self.err))
        for descriptor in (self.out, self.err):
            os.close(descriptor)
        response = {"id": self.id, "out": out, "err": err}
        if self.timed_out:
            return response | {"timeout": True}
        code = os.waitstatus_to_exitcode(status)
        # As a shell reports a signal.
        return response | {"status": code if code >= 0 else 128 - code}


def serve(requests, responses, cli_variables):
    """Reads requests from one descriptor and writes responses to the other, until the requests end."""
    selector = selectors.DefaultSelector()
    selector.register(requests, selectors.EVENT_READ)
    running = []
    pending = b""

    def respond(response):
        line = json.dumps(response).encode() + b"\n"
        while line:
            line = line[os.write(responses, line) :]

    def start(line):
        request = json.loads(line)
        program = Running(request, cli_variables)
        running.append(program)
        for descriptor in program.open:
            selector.register(descriptor, selectors.EVENT_READ, program)

    try:
        while True:
            now = time.monotonic()
            for program in running:
                if program.deadline <= now and not program.timed_out:
                    program.timed_out = True
                    program.kill()
            deadlines = [program.deadline for program in running if not program.timed_out]
            wait = max(0.0, min(deadlines) - now) if deadlines else None
            for key, _ in selector.select(wait):
                if key.data is None:
                    chunk = os.read(requests, CHUNK)
                    if not chunk:
                        return
                    *lines, pending = (pending + chunk).split(b"\n")
                    for line in lines:
                        start(line)
                elif not key.data.read(key.fd):
                    selector.unregister(key.fd)
                    if not key.data.open:
                        running.remove(key.data)
                        respond(key.data.finish())
    finally:
        for program in running:
            program.kill()
            os.waitpid(program.pid, 0)


def main():
    # What a library prints must not be taken for a response, nor a prompt read a request.
    requests, responses = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    serve(requests, responses, import_clients())


if __name__ == "__main__":
    main()
