"""A process of Locust as its program makes one, with wps-load in it: real options, environment, runner, users, page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from locust import argument_parser
from locust.env import Environment
from locust.event import Events

from wps_load.settings.options import OPTIONS
from wps_load.swarm.install import install
from wps_load.swarm.lifecycle import Lifecycle
from wps_load.swarm.users import ScenarioUser


def load_class() -> Any:
    """A User class that plays the scenario; one for each process, as the page and Locust write into it."""

    class Load(ScenarioUser):
        abstract = False

    return Load


def parsed_options(argv: Sequence[str], ours: dict[str, Any]) -> Any:
    """Locust's parsed command line; wps-load's options by dest without `wps_`."""
    parser = argument_parser.get_empty_argument_parser(add_help=False, default_config_files=[])
    argument_parser.setup_parser_arguments(parser)  # type: ignore[no-untyped-call]
    parsed = parser.parse_args(list(argv))
    for option in OPTIONS:
        setattr(parsed, option.dest, False if option.is_switch else option.default)
    for name, value in {"report_dir": "", **ours}.items():
        setattr(parsed, f"wps_{name}", value)
    parsed.run_time = None if parsed.run_time is None else float(parsed.run_time.removesuffix("s"))
    return parsed


class Process:
    """`argv`: Locust's own options. `master`: it has no users; `worker_of`: the master at this port deals them out."""

    def __init__(
        self,
        *argv: str,
        classes: Sequence[Any] | None = None,
        web: bool = False,
        shape: Any = None,
        master: bool = False,
        worker_of: int | None = None,
        **ours: Any,
    ) -> None:
        classes = [load_class()] if classes is None else classes
        parsed = parsed_options(argv or ("--headless", "--only-summary"), ours)
        self.environment: Any = Environment(
            user_classes=list(classes),
            events=Events(),  # type: ignore[no-untyped-call]
            host=parsed.host,
            shape_class=shape,
            parsed_options=parsed,
            available_user_classes={cls.__name__: cls for cls in classes},
            available_user_tasks={cls.__name__: cls.tasks for cls in classes},
        )
        self.runner: Any = self._runner(master, worker_of)
        self.web_ui: Any = self.environment.create_web_ui("127.0.0.1", 0, delayed_start=True) if web else None

    def _runner(self, master: bool, worker_of: int | None) -> Any:
        if master:
            return self.environment.create_master_runner("127.0.0.1", 0)
        if worker_of is not None:
            return self.environment.create_worker_runner("127.0.0.1", worker_of)
        return self.environment.create_local_runner()

    def compose(self) -> Lifecycle:
        """What Locust's `init` event does. Raises SystemExit for what can never run."""
        events = self.environment.events
        install(events)
        events.init.fire(environment=self.environment, runner=self.runner, web_ui=self.web_ui)
        found = self.environment.wps_lifecycle
        assert isinstance(found, Lifecycle)
        return found

    def quit(self) -> int:
        """As Locust's program ends: the exit code."""
        self.environment.events.quitting.fire(environment=self.environment, reverse=True)
        self.runner.quit()
        code = self.environment.process_exit_code
        self.environment.events.quit.fire(exit_code=code or 0)
        return int(code or 0)

    def end(self) -> None:
        """Whatever a test has left."""
        self.runner.quit()
