"""Processes that do tasks side by side (psc.cli.worker), and a thread here that looks after each.

The messages are lines of JSON. A process that dies, say because the system has run out of memory, costs the
one file that it was at.

Why not concurrent.futures: a ProcessPoolExecutor for each slot would lose no more than a file either, but it
has no public way to interrupt a task that runs (``kill -INT`` would leave the encodes going), its idle or
starting processes answer Ctrl-C with a traceback, and it starts them as ``python -c`` with the current folder
first among those of modules. What it would save is the reading of lines.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict

from psc.cli.batch import FileTask, Job
from psc.cli.search_path import trusted
from psc.cli.worker import Event, Model
from psc.errors import PscError

PATIENCE = 30.0
"""Seconds that interrupted processes have to clear up."""

Told = Callable[[FileTask, Event], None]


def command() -> list[str]:
    """The command that starts a process, which finds the modules that this one would, and none in the current
    folder.
    """
    code = f"import sys; sys.path[:] = {trusted()!r}; from psc.cli.worker import main; main()"
    return [sys.executable, "-P", "-c", code]


def run(job: Job, tasks: list[FileTask], model: Model, count: int, told: Told, quiet: bool = False) -> None:
    """Do the tasks in ``count`` processes.

    Each process has its share of the cores (OMP_NUM_THREADS, unless that is set). Whatever is raised here,
    such as a KeyboardInterrupt, interrupts the processes and waits for them: they leave nothing half-written.

    Args:
        job: What is to be done.
        tasks: At least one.
        model: The prior that every process loads.
        count: Of processes; no more are started than there are tasks.
        told: Called in this thread with whatever happens to a task.
        quiet: As of EncodeJob.

    Raises:
        PscError: For options that suit no file.
    """
    pool = ProcessPool(job, tasks, model, min(count, len(tasks)), quiet)
    left = len(tasks)
    try:
        while left:
            task, event = pool.events.get()
            if task is None:
                raise PscError(event["refused"])
            told(task, event)
            left -= "figures" in event or "error" in event
    finally:
        pool.stop()


class ProcessPool:
    """Processes at work.

    Attributes:
        events: What happens to tasks; without a task, the reason why none can be done.
    """

    def __init__(self, job: Job, tasks: list[FileTask], model: Model, count: int, quiet: bool) -> None:
        self.events: queue.SimpleQueue[tuple[FileTask | None, Event]] = queue.SimpleQueue()
        self._first = {"verb": job.verb, "job": asdict(job), "model": asdict(model), "quiet": quiet}
        self._tasks = deque(tasks)
        self._environment = {"OMP_NUM_THREADS": str(max(1, cores() // count)), **os.environ}
        self._lock = threading.Lock()
        self._stopped = False
        self._processes: set[_Process] = set()
        self._threads = [threading.Thread(target=self._look_after, daemon=True) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _look_after(self) -> None:
        """Give tasks to one process, and to another one if it dies, as long as there are any."""
        process = None
        while not self._stopped:
            try:
                task = self._tasks.popleft()
            except IndexError:
                break
            process = process or self._start()
            if process is None:
                break
            process.send([task.source, task.target])
            if not self._follow(process, task):
                self._gone(process, task)
                process = None
        if process:
            process.end()

    def _follow(self, process: "_Process", task: FileTask) -> bool:
        """Pass on what a process says of a task; False if it has died."""
        for event in process.events():
            self.events.put((task, event))
            if "figures" in event or "error" in event:
                return True
        return False

    def _gone(self, process: "_Process", task: FileTask) -> None:
        code = process.end()
        if not self._stopped:
            reason = "killed, perhaps for want of memory" if code < 0 else f"ended with code {code}"
            self.events.put((task, {"error": f"the process that worked on it was {reason}"}))

    def _start(self) -> "_Process | None":
        """A process that is ready; None if there shall be none, or if it refuses what is to be done."""
        with self._lock:
            if self._stopped:
                return None
            process = _Process(self._environment)
            self._processes.add(process)
        process.send(self._first)
        for event in process.events():
            process.awake = True
            if "ready" in event:
                return process
            if "refused" in event:
                self.events.put((None, event))
        process.end()
        if not self._stopped:
            self.events.put((None, {"refused": "a process of psc's own ended before its work"}))
        return None

    def stop(self) -> None:
        """Interrupt whatever still works, once, and wait."""
        with self._lock:
            self._stopped = True
        for process in self._processes:
            process.interrupt()
        for thread in self._threads:
            thread.join(PATIENCE)
        for process in self._processes:
            process.popen.kill()


class _Process:
    """A worker; a session of its own keeps the terminal's Ctrl-C from it, which is passed on just once."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.popen = subprocess.Popen(
            command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env=environment, start_new_session=True,
        )  # fmt: skip
        self.awake = False

    def send(self, message: object) -> None:
        assert self.popen.stdin
        try:
            self.popen.stdin.write(json.dumps(message) + "\n")
            self.popen.stdin.flush()
        except BrokenPipeError:
            pass  # its output will have ended, too

    def events(self) -> Iterator[Event]:
        assert self.popen.stdout
        for line in self.popen.stdout:
            yield json.loads(line)

    def end(self) -> int:
        """Close its input, wait; its exit code."""
        self.popen.communicate()
        return self.popen.returncode

    def interrupt(self) -> None:
        if self.popen.poll() is None:
            gentle = self.awake and os.name == "posix"
            self.popen.send_signal(signal.SIGINT if gentle else signal.SIGTERM)


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
