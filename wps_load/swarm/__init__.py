"""The only room that knows Locust. From its import on, in Locust's program, Ctrl-C is no traceback."""

from wps_load.swarm.early import leave_quietly

leave_quietly()
