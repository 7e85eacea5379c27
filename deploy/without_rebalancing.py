"""Replaces itself with Locust, without --enable-rebalancing.

The Kubernetes operator passes that option to every master, and a LocustTest cannot remove it. The option would move
users between workers in the middle of a run: each of them would close its connection and open another one, which no
test wants, so wps-load refuses to run with it.
"""

import os
import sys

REFUSED = "--enable-rebalancing"

os.execvp("locust", ["locust", *(argument for argument in sys.argv[1:] if argument != REFUSED)])
