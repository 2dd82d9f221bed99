"""A Kafka that trusts nobody: SCRAM over TLS for clients, certificates among controllers, no right without an ACL.

There is no plaintext listener. The nodes speak to clients and to each other as the user `admin`; the controllers'
listener, where SCRAM cannot work because users are kept behind it, asks for the nodes' own certificate instead.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from local_servers import processes
from local_servers.errors import NotUp
from local_servers.processes import Launch
from local_servers.tools import OPENSSL, plain_environment

USER = "admin"
_NODES = "ringtrue-kafka"
_DAYS = "3650"
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", _DAYS]


@dataclass(frozen=True, slots=True)
class Security:
    """The certificates of a cluster, in a folder that only this user reads, and its administrator's password."""

    folder: Path
    password: str

    @property
    def authority(self) -> Path:
        """The certificate that clients check the brokers against."""
        return self.folder / "authority.pem"

    @property
    def _nodes(self) -> Path:
        return self.folder / "nodes.pem"

    def make_certificates(self) -> None:
        """Makes an authority and the nodes' certificate, unless they are there. The authority's key is not kept."""
        if self._nodes.exists():
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key, node_key, certificate = (self.folder / name for name in ("authority.key", "nodes.key", "nodes.crt"))
        _openssl(*_KEY, "-subj", "/CN=ringtrue-local", "-keyout", key, "-out", self.authority)
        signed_by: list[str | Path] = ["-CA", self.authority, "-CAkey", key]
        names: list[str | Path] = ["-subj", f"/CN={_NODES}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        # The authority's default: whoever it signs may sign others. The nodes may not.
        names += ["-addext", "basicConstraints=critical,CA:FALSE"]
        _openssl(*_KEY, *signed_by, *names, "-keyout", node_key, "-out", certificate)
        key.unlink()
        whole = self._nodes.with_suffix(".new")
        whole.write_text(node_key.read_text() + certificate.read_text())
        node_key.unlink()
        certificate.unlink()
        whole.replace(self._nodes)

    def node_settings(self) -> dict[str, str]:
        """What a node adds to its settings."""
        return {
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": self._login,
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._nodes),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{USER};User:CN={_NODES}",
            "allow.everyone.if.no.acl.found": "false",
        }

    def format_options(self) -> list[str]:
        """Writes the administrator into the new cluster: the user who then makes the others."""
        return ["--add-scram", f"SCRAM-SHA-512=[name={USER},password={self.password}]"]

    def client_settings(self) -> dict[str, str]:
        """How Kafka's own tools log in."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.jaas.config": self._login,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority),
        }

    def context(self) -> ssl.SSLContext:
        """How we connect ourselves."""
        return ssl.create_default_context(cafile=str(self.authority))

    @property
    def _login(self) -> str:
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        return f'{module} required username="{USER}" password="{self.password}";'


def _openssl(*arguments: str | Path) -> None:
    answer = processes.run(Launch([OPENSSL.path, "req", "-x509", *arguments], plain_environment()))
    if answer.returncode:
        raise NotUp(f"openssl makes no certificate:\n{answer.stdout}")
