"""What servers say of tokens, and what is shown of an address that is refused."""

import json

import pytest

from ringtrue.errors import Misconfigured
from services.classifier.models.port import tokens
from services.classifier.models.wire import Wire


@pytest.mark.parametrize("counted", ["1e999", "-5000000", "100000000000000000000", '"12"', "true", "null"])
def test_a_count_that_no_request_can_have_is_nonsense(counted: str) -> None:
    with pytest.raises(ValueError, match="tokens"):
        tokens(json.loads(counted))


def test_a_count_is_a_whole_number() -> None:
    assert [tokens(count) for count in (0, 12, 12.0)] == [0, 12, 12]


@pytest.mark.parametrize("url", ["https://bob:s3cret@host/v1", "https://host/v1?api-key=s3cret"])
def test_an_address_that_is_refused_shows_no_secret(url: str) -> None:
    with pytest.raises(Misconfigured) as error:
        Wire(url, 1.0)
    assert "s3cret" not in str(error.value)
    assert "host" in str(error.value)
