"""A chat room: people who talk, a display on the wall, an app server that announces, visitors of its web page.

    locust -f examples/chat.py --host http://localhost:8000 --headless -u 20 -r 10 -t 30s

All messages are measured: the run says how long they took to each listener, and whether one was lost.
"""

from locust import HttpUser, between, constant_pacing, task

from wps_load import AppServerUser, WebPubSubUser
from wps_load.errors import Finding


class ChatUser(WebPubSubUser):
    wait_time = between(0.5, 1.5)
    weight = 4
    groups = ("lobby",)  # joined with every connection

    def on_start(self):
        self.heard = 0
        self.barred = False
        self.client.on_message(self.hear)

    def hear(self, message):
        self.heard += 1  # message.data is what was sent: the stamp is gone

    @task(9)
    def talk(self):
        self.client.send_to_group("lobby", {"text": "hello"}, measured=True)

    @task(1)
    def leave_the_room_for_a_moment(self):
        self.client.leave_group("lobby")
        try:
            self.client.join_group("lobby")
        except Finding as finding:
            self.barred = finding.label == "ack_forbidden"


class Display(WebPubSubUser):
    protocol = "simple"
    roles = ()
    groups = ("lobby",)  # a simple client's stand in its token
    fixed_count = 1

    @task
    def show(self):
        self.client.receive(timeout=5)


class Announcer(AppServerUser):
    wait_time = constant_pacing(1)
    fixed_count = 1

    @task
    def announce(self):
        if self.client.group_exists("lobby"):
            self.client.send_to_group("lobby", "The kitchen closes soon.", measured=True)


class Visitor(HttpUser):
    wait_time = between(0.5, 1.5)
    weight = 1

    @task
    def browse(self):
        self.client.get("/")
