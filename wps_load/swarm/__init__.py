"""The only room that imports Locust. Once it is imported in Locust's program, Ctrl-C prints no traceback."""

from wps_load.swarm.early import leave_quietly

leave_quietly()
