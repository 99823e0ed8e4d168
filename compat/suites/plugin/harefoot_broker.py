"""pytest plugin: gives the suites of aio-pika and aiormq the broker under test where they would start a container.

Both ask Docker for a RabbitMQ. Here "a container" is the broker that compat/run.py names in the environment, with the certificates
that it has put into tests/certs. A test that wants to restart a container is skipped and says so.
"""

import os
import sys
import types
from dataclasses import dataclass

import pytest
from yarl import URL

HOST, PORT = os.environ["AMQP_HOST"], int(os.environ["AMQP_PORT"])
# A broker that was only named has none: port 1 (tcpmux) refuses at once.
TLS_PORT = int(os.environ.get("AMQPS_PORT") or 0) or 1


@dataclass
class ContainerInfo:
    """The broker as those suites see it."""

    id: str
    ports: dict[str, int]
    host: str


BROKER = ContainerInfo("the broker under test", {"5672/tcp": PORT, "5671/tcp": TLS_PORT}, HOST)


class DockerClient:
    """Runs nothing: every container is the broker."""

    def __init__(self, *_: object):
        pass

    def run(self, *_: object, **__: object) -> ContainerInfo:
        return BROKER

    def kill(self, _container: str) -> None:
        pass

    def remove(self, _container: str) -> None:
        pass

    def _request(self, method: str, path: str, *_: object) -> None:
        pytest.skip("restarts the broker inside a container")


class DockerNotAvailableError(Exception):
    """Never raised here."""


stand_in = types.ModuleType("tests.docker_client")
stand_in.ContainerInfo = ContainerInfo
stand_in.DockerClient = DockerClient
stand_in.DockerHostInfo = object
stand_in.DockerNotAvailableError = DockerNotAvailableError
stand_in.check_docker_available = lambda: None
sys.modules["tests.docker_client"] = stand_in


@pytest.fixture(scope="session")
def rabbitmq_container() -> ContainerInfo:
    return BROKER


@pytest.fixture(scope="session")
def amqp_direct_url() -> URL:
    user, password = os.environ["AMQP_USER"], os.environ["AMQP_PASSWORD"]
    return URL.build(scheme="amqp", user=user, password=password, host=HOST, port=PORT, path="//")
