from locust import constant_pacing, task

from wps_load import WebPubSubUser


class Chatter(WebPubSubUser):
    wait_time = constant_pacing(1)
    groups = ("lobby",)

    @task
    def say_hello(self):
        self.client.send_to_group("lobby", {"from": self.client.user_id, "text": "hello"})
