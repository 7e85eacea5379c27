"""What an engine of Azure Load Testing has: Python, Locust, cores, memory, open files. Runs on Python 3.9 and later.

The engines keep only warnings and errors of the log, and the results keep only requests, so the probe reports in both.
"""

import logging
import os
import platform
import sys

import locust
from locust import User, constant, task

NEEDED = {"python": (3, 11), "locust": (2, 43, 4)}


def facts():
    """A sentence for people, without anything that identifies this engine."""
    try:
        import resource

        files = f"{resource.getrlimit(resource.RLIMIT_NOFILE)[1]}"
    except ImportError:
        files = "unknown"
    try:
        gib = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f}"
    except (AttributeError, ValueError, OSError):
        gib = "unknown"
    has = f"Python {platform.python_version()}, Locust {locust.__version__}, {platform.system()}"
    return f"{has}, {os.cpu_count()} cores, {gib} GiB, {files} open files"


def verdict():
    """Whether wps-load can be installed on this engine."""
    has = tuple(int(part) for part in locust.__version__.split(".")[:3] if part.isdigit())
    fits = sys.version_info[:2] >= NEEDED["python"] and has >= NEEDED["locust"]
    return "wps-load can be installed here" if fits else "wps-load needs Python 3.11 and Locust 2.43.4: not here"


class Probe(User):
    """Reports once, then waits for the end."""

    wait_time = constant(3600)

    @task
    def tell(self):
        sentence = facts()
        logging.warning("%s: %s", sentence, verdict())
        for name in (sentence, verdict()):
            self.environment.events.request.fire(
                request_type="PROBE", name=name, response_time=0, response_length=0, exception=None, context={}
            )
