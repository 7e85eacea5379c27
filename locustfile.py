"""Load for Azure Web PubSub: `locust -f locustfile.py`, and see README.md for its options."""

from wps_load.swarm.users import ScenarioUser


class WebPubSubLoad(ScenarioUser):
    """One client, which plays the role that --wps-scenario gives it."""

    abstract = False
