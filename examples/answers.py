"""An assistant that streams its answers, word by word, and people who read them as they come."""

import gevent
from locust import constant_pacing, task

from wps_load import WebPubSubUser

ANSWER = ("Nobody", "waits", "for", "the", "end", "of", "an", "answer", "that", "comes", "word", "by", "word.")


class Assistant(WebPubSubUser):
    wait_time = constant_pacing(2)
    weight = 1

    @task
    def answer(self):
        with self.client.stream("room", measured=True) as stream:  # waits until the service has accepted it
            for word in ANSWER:
                stream.send(word)
                gevent.sleep(0.05)  # as fast as a model writes


class Reader(WebPubSubUser):
    weight = 4
    groups = ("room",)

    @task
    def read(self):
        stream = self.client.receive_stream(timeout=5)
        if stream is not None:
            for fragment in stream:
                self.show(fragment.data)

    def show(self, word):
        """Where a page would be drawn."""
