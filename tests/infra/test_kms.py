"""What an answer of the key service means, beyond the contract of its port."""

from __future__ import annotations

import pytest
from botocore.stub import Stubber

from infra.kms import KmsKeyService, KmsSettings
from schemas.errors import Transient


@pytest.mark.parametrize("code", ["AccessDeniedException", "ExpiredTokenException"])
def test_what_we_may_not_do_is_said_in_words(code: str) -> None:
    """It is tried again for as long as it takes: the operator reads why."""
    service = KmsKeyService(KmsSettings(key_id="x", access_key="a", secret_key="b"))
    with Stubber(service._client) as answers:
        answers.add_client_error("decrypt", service_error_code=code)
        with pytest.raises(Transient, match=f"does not let us, an operator has to: {code}"):
            service.unwrap(b"wrapped", b"context")
