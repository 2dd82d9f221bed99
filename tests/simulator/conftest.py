from collections.abc import Iterator

import pytest

from ringtrue.streaming.kafka.clients import LIBRDKAFKA
from tests.servers import server
from tests.simulator.clients import simulated_clients
from tests.simulator.schedule import Baton
from tests.simulator.truth import Cluster
from tests.simulator.world import World


@pytest.fixture(params=["simulated", pytest.param("real", marks=pytest.mark.servers)])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Each of the two."""
    if request.param == "real":
        cluster = Cluster(LIBRDKAFKA, server("kafka"))
    else:
        cluster = Cluster(simulated_clients(World(Baton(0), marker_delay_s=0.01)), "simulated")
    yield cluster
    cluster.close()
