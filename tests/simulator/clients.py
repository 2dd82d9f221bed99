"""The simulated cluster in the place of the client library."""

from collections.abc import Callable
from typing import cast

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from ringtrue.streaming.kafka.clients import Clients, Config
from tests.simulator.admin import SimAdmin
from tests.simulator.consumer import SimConsumer
from tests.simulator.producer import SimProducer
from tests.simulator.world import World


def simulated_clients(world: World) -> Clients:
    """Clients of the simulated cluster, with its clocks."""

    # The library's classes are no protocols; what is used of them is all here.
    def consumer(config: Config) -> Consumer:
        return cast(Consumer, SimConsumer(world, config))

    def producer(config: Config) -> Producer:
        return cast(Producer, SimProducer(world, config))

    def admin(config: Config) -> AdminClient:
        return cast(AdminClient, SimAdmin(world, config))

    schedule = world.schedule

    def sleep(seconds: float) -> None:
        until = schedule.now() + seconds
        while (left_s := until - schedule.now()) > 0:
            schedule.sleep(left_s)

    def within(call: Callable[[], None], seconds: float) -> bool:
        call()  # no call of the simulator ignores its time-out
        return True

    return Clients(consumer, producer, admin, schedule.now, schedule.now_ms, sleep, within)
