"""A web shop with live prices: visitors browse it by HTTP, and others watch a price in a Web PubSub group.

    locust -f examples/mixed.py --host http://localhost:8000 --headless -u 20 -r 10 -t 30s

Three of four users are watchers. Both kinds are in one table, and in one report the Web PubSub side.
"""

from uuid import uuid4

from locust import HttpUser, between, task

from wps_load import WebPubSubUser


class Visitor(HttpUser):
    wait_time = between(0.5, 1.5)
    weight = 1

    @task
    def browse(self):
        self.client.get("/")


class Watcher(WebPubSubUser):
    wait_time = between(0.5, 1.5)
    weight = 3
    groups = ("prices",)

    def on_start(self):
        self.seen = 0
        self.client.on_message(self.price_changed)

    def price_changed(self, message):
        self.seen += 1

    @task
    def bid(self):
        # data of its own lets its copy be known when it comes back: that is `rtt`
        self.client.send_to_group("prices", {"bid": uuid4().hex})
