import sys

from wps_load.emulator.main import run

sys.exit(run(sys.argv[1:]))
