from locust import constant_pacing, task

from wps_load import WebPubSubUser


class Chatter(WebPubSubUser):
    wait_time = constant_pacing(1)

    @task
    def talk_to_oneself(self):
        room = self.client.name
        self.client.join_group(room)  # only the first call has to ask the service
        self.client.send_to_group(room, "hello")
        self.client.receive(timeout=5)
