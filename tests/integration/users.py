"""Users of a Kafka with passwords, and what each is allowed."""

import secrets
import uuid
from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from pydantic import SecretStr

from ringtrue.settings import KafkaSettings
from ringtrue.streaming.kafka.acls import Acl
from ringtrue.streaming.kafka.config import connection
from tests.integration.process import until

_CALL_S = 20.0
_OPERATIONS = {"DescribeConfigs": "DESCRIBE_CONFIGS"}
_KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}


class Users:
    """Makes users, and takes them away in the end.

    Args:
        administrator: How one who may make them reaches the cluster.
    """

    def __init__(self, administrator: KafkaSettings) -> None:
        self._settings = administrator
        self._admin = AdminClient(connection(administrator))
        self._made = list[str]()

    def make(self, rights: Iterable[Acl]) -> KafkaSettings:
        """A new user with these rights and no other; how he reaches the cluster."""
        name, password = f"user-{uuid.uuid4().hex[:8]}", secrets.token_urlsafe()
        self._made.append(name)
        scram = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        upsertion = UserScramCredentialUpsertion(name, scram, password.encode())
        for future in self._admin.alter_user_scram_credentials([upsertion]).values():
            future.result(_CALL_S)
        bindings = [_binding(name, right) for right in rights]
        for future in self._admin.create_acls(bindings).values() if bindings else ():
            future.result(_CALL_S)
        settings = self._settings.model_copy(update={"sasl_username": name, "sasl_password": SecretStr(password)})
        # The controller has decided; the broker learns of it a moment later.
        until(lambda: self._is_known(settings, len(bindings)), lambda: f"{name} is not known")
        return settings

    def close(self) -> None:
        """Takes the users and their rights away."""
        scram = ScramMechanism.SCRAM_SHA_512
        deletions: list[UserScramCredentialAlteration] = [
            UserScramCredentialDeletion(name, scram) for name in self._made
        ]
        for future in self._admin.alter_user_scram_credentials(deletions).values() if deletions else ():
            future.result(_CALL_S)
        for name in self._made:
            for removed in self._admin.delete_acls([_all_of(name)]).values():
                removed.result(_CALL_S)

    def _is_known(self, settings: KafkaSettings, rights: int) -> bool:
        found = self._admin.describe_acls(_all_of(settings.sasl_username)).result(_CALL_S)
        try:
            AdminClient(connection(settings)).list_topics(timeout=1.0)
        except KafkaException:
            return False
        return len(found) == rights


def _binding(user: str, right: Acl) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if right.prefixed else ResourcePatternType.LITERAL
    operation = AclOperation[_OPERATIONS.get(right.operation, right.operation.upper())]
    kind = _KINDS[right.resource]
    return AclBinding(kind, right.name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def _all_of(user: str) -> AclBindingFilter:
    return AclBindingFilter(
        ResourceType.ANY,
        None,  # type: ignore[arg-type]  # any name; the stubs do not know
        ResourcePatternType.ANY,
        f"User:{user}",
        None,  # type: ignore[arg-type]  # any host
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
