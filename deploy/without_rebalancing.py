"""Becomes Locust, without --enable-rebalancing.

The Kubernetes operator gives that option to every master, and nothing in a LocustTest takes it away. It would move
users between workers in the middle of a run: each of them would close its connection and open another one, which is no
test of anything, so wps-load refuses to run with it.
"""

import os
import sys

REFUSED = "--enable-rebalancing"

os.execvp("locust", ["locust", *(argument for argument in sys.argv[1:] if argument != REFUSED)])
