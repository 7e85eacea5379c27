"""`AppServerClient`: what an app server does by REST, from a Locust task. It is what `AppServerUser.client` is.

Every call blocks the caller's greenlet until the service has answered, and is counted: sends as `rest_publish`, all
others as `rest_manage`. A failure raises a `Finding`, which has been counted, and logged if it is the first of its
kind; its `label` is the one in the table of failures. A value that cannot be sent raises WrongType or WrongValue before
anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from wps_load.auth import client_url_with_token, mint_client_token
from wps_load.client import api_values
from wps_load.client.context import PopulationContext
from wps_load.client.rest_access import rest_access
from wps_load.client.rest_manager import RestManager
from wps_load.client.rest_sender import RestSender, Unanswered
from wps_load.client.task_accounts import TaskPublisher
from wps_load.clock import NS_PER_S, now_ns, unix_time_s
from wps_load.errors import Finding, LocalProtocolError, WrongValue
from wps_load.protocol import names
from wps_load.protocol.messages import DataType
from wps_load.settings.texts import judged_roles

R = TypeVar("R")
Send = Callable[[bytes, DataType], None]
PERMISSIONS = ("joinLeaveGroup", "sendToGroup")


class AppServerClient:
    """One user's client. `rest`: the app server's connections to the service, which its users in this process share."""

    def __init__(self, context: PopulationContext, rest: RestSender) -> None:
        self._context = context
        self._rest = rest
        self._manager = RestManager(self._rest)
        self._publisher = TaskPublisher(context, None)

    # -- sending ---------------------------------------------------------------------------------------------

    def send_to_all(self, data: Any, *, measured: bool = False) -> None:
        """To every connection of the hub: str as text, bytes as binary, anything else as JSON.

        `measured`: the message carries a stamp, and is accounted for at all of the run's clients that should get it, as
        `WebPubSubClient.send_to_group` does it.
        """
        self._publish("all", "", data, measured, self._rest.send_to_all)

    def send_to_group(self, group: str, data: Any, *, measured: bool = False) -> None:
        """As `send_to_all`, to the members of one group."""
        names.group_name(group)
        self._publish("group", group, data, measured, partial(self._rest.send_to_group, group))

    def send_to_user(self, user_id: str, data: Any, *, measured: bool = False) -> None:
        """As `send_to_all`, to the connections of one user."""
        _name(user_id, "user_id")
        self._publish("user", user_id, data, measured, partial(self._rest.send_to_user, user_id))

    def send_to_connection(self, connection_id: str, data: Any, *, measured: bool = False) -> None:
        """As `send_to_all`, to one connection."""
        _name(connection_id, "connection_id")
        send = partial(self._rest.send_to_connection, connection_id)
        self._publish("connection", connection_id, data, measured, send)

    def _publish(self, kind: str, name: str, data: Any, measured: bool, send: Send) -> None:
        data_type, body = api_values.rest_body(data)
        context = self._context
        sending = self._publisher.due(kind, name) if measured else None
        if sending is not None:
            sealed = self._publisher.sealed(bytes(data) if data_type is DataType.BINARY else data, sending)
            try:
                body = api_values.rest_body(sealed)[1]
            except WrongValue:  # too long with its stamp
                sending.forget(context.epochs.number)
                raise
        sent_ns = now_ns()
        epoch = context.epochs.measured_at(sent_ns)
        if epoch is not None and sending is None:
            context.recorder.count("tasks_published")
        try:
            self._counted("rest_publish", lambda: send(body, data_type))
        except Unanswered:
            if sending is not None:
                self._publisher.unanswered(sending)
            raise
        except Finding as failure:
            if sending is not None:
                self._publisher.not_sent(sending, failure.label)
            raise
        if epoch is not None and epoch == context.epochs.number:
            context.recorder.buffer("rest_publish").append(now_ns() - sent_ns)

    # -- groups ----------------------------------------------------------------------------------------------

    def add_connection_to_group(self, group: str, connection_id: str) -> None:
        """Adds a connection to a group. Raises Finding `rest_404` if there is no such connection."""
        names.group_name(group)
        _name(connection_id, "connection_id")
        self._manage(lambda: self._manager.add_connection(group, connection_id))

    def remove_connection_from_group(self, group: str, connection_id: str) -> None:
        names.group_name(group)
        _name(connection_id, "connection_id")
        self._manage(lambda: self._manager.remove_connection(group, connection_id))

    def add_user_to_group(self, group: str, user_id: str) -> None:
        """Adds all connections of a user to a group. Raises Finding `rest_404` if there is no such user."""
        names.group_name(group)
        _name(user_id, "user_id")
        self._manage(lambda: self._manager.add_user(group, user_id))

    def remove_user_from_group(self, group: str, user_id: str) -> None:
        names.group_name(group)
        _name(user_id, "user_id")
        self._manage(lambda: self._manager.remove_user(group, user_id))

    # -- permissions -----------------------------------------------------------------------------------------

    def grant_permission(self, permission: str, connection_id: str, group: str) -> None:
        """`permission`: `joinLeaveGroup` or `sendToGroup`, for one group."""
        _permission(permission, connection_id, group)
        self._manage(lambda: self._manager.grant(permission, connection_id, group))

    def revoke_permission(self, permission: str, connection_id: str, group: str) -> None:
        _permission(permission, connection_id, group)
        self._manage(lambda: self._manager.revoke(permission, connection_id, group))

    def has_permission(self, permission: str, connection_id: str, group: str) -> bool:
        _permission(permission, connection_id, group)
        return self._manage(lambda: self._manager.has_permission(permission, connection_id, group))

    # -- connections -----------------------------------------------------------------------------------------

    def connection_exists(self, connection_id: str) -> bool:
        _name(connection_id, "connection_id")
        return self._manage(lambda: self._manager.connection_exists(connection_id))

    def user_exists(self, user_id: str) -> bool:
        """Whether the user has a connection."""
        _name(user_id, "user_id")
        return self._manage(lambda: self._manager.user_exists(user_id))

    def group_exists(self, group: str) -> bool:
        """Whether the group has a member."""
        names.group_name(group)
        return self._manage(lambda: self._manager.group_exists(group))

    def close_connection(self, connection_id: str, reason: str = "") -> None:
        """Closes a connection. For a client that did not expect it, this is a dropped connection."""
        _name(connection_id, "connection_id")
        names.text(reason, "reason")
        self._manage(lambda: self._manager.close_connection(connection_id, reason))

    def client_url(
        self,
        user_id: str | None = None,
        *,
        roles: Iterable[str] = (),
        groups: Iterable[str] = (),
        lifetime_s: int | None = None,
    ) -> str:
        """A Client URL with a token, signed here as a negotiate endpoint does it, without a request. It is a secret.

        `lifetime_s` None: that of `--wps-token-lifetime`. Raises LocalProtocolError for a target without a key.
        """
        config = self._context.run.config
        connection = config.target.connection
        if connection is None:
            raise LocalProtocolError("client_url signs with the access key: give a connection string")
        if lifetime_s is None:
            lifetime_s = config.token_lifetime_ns // NS_PER_S
        try:
            judged = judged_roles(names.text(each, "roles") for each in roles)
        except ValueError as error:
            raise WrongValue(f"roles: expected {error}") from None
        token = mint_client_token(
            connection,
            self._context.settings.hub,
            names.user_id(user_id),
            judged,
            names.group_names(groups),
            int(api_values.seconds(lifetime_s)),
            unix_time_s(),
        )
        return client_url_with_token(connection, self._context.settings.hub, token)

    def _manage(self, call: Callable[[], R]) -> R:
        sent_ns = now_ns()
        answer = self._counted("rest_manage", call)
        self._context.recorder.buffer("rest_manage").append(now_ns() - sent_ns)
        return answer

    def _counted(self, metric: str, call: Callable[[], R]) -> R:
        """Makes a call, whose failure is counted, and logged once of its kind."""
        try:
            return call()
        except Finding as failure:
            self._context.failed(metric, failure.label, failure.message, failure.advice)
            raise


def make_sender(context: PopulationContext) -> RestSender:
    """The REST sender for the app servers of a population."""
    config = context.run.config
    access = rest_access(config.target)
    assert access is not None, "the rules of the options demand a key"
    limit_s = config.answer_timeout_ns / NS_PER_S
    return RestSender(access, context.settings.hub, context.run.network, timeout_s=limit_s)


def _name(value: object, argument: str) -> None:
    """Checks an id that the service may or may not know. Raises WrongType, WrongValue."""
    if not names.text(value, argument).strip():
        raise WrongValue(f"{argument} is {value!r}; expected a text that is not empty")


def _permission(permission: object, connection_id: object, group: object) -> None:
    if names.text(permission, "permission") not in PERMISSIONS:
        raise WrongValue(f"permission is {str(permission)[:40]!r}; expected one of {', '.join(PERMISSIONS)}")
    _name(connection_id, "connection_id")
    names.group_name(group)
