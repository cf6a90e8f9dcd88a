"""Key records of both forms under AWS KMS (moto): bound by its encryption context."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from archive.keyring import DomainKeys, name_of, opened, rewrapped
from infra.kms import KmsKeyService, KmsSettings
from schemas.domains import DomainFacts
from tests.fakes.keys import FakeKeyring
from tests.golden.firstform import in_first_form, restated
from tests.world import NOW, Random

pytestmark = pytest.mark.slow

DOMAIN = bytes(range(16))


def test_a_record_under_kms_binds_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its date and the name of its KEK; both forms open, also for who calls the key otherwise."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        made = boto3.client("kms", region_name="us-east-1").create_key()["KeyMetadata"]
        service = KmsKeyService(KmsSettings(key_id=made["KeyId"]))
        keyring, name = FakeKeyring(), name_of(DOMAIN, 0)
        DomainKeys(keyring, service, Random("key"), lambda: NOW).current(
            DOMAIN, lambda: DomainFacts("anna", "seven", "2025-11", "", 7))
        record = keyring.records[name]
        for fields in ({"created_at": NOW + 1}, {"kek": f"kms:{made['Arn']}"}):
            assert opened(restated(record, **fields), name, service) is None
        first = in_first_form(record, name, service)
        by_arn = KmsKeyService(KmsSettings(key_id=made["Arn"]))
        for reader in (service, by_arn):
            there, before = opened(record, name, reader), opened(first, name, reader)
            assert there is not None and before is not None
            assert (True, False) == (there.is_bound, before.is_bound)
            assert there.may_replace(before) and not before.may_replace(there)
        anew = rewrapped(first, name, service, by_arn)
        assert anew is not None and opened(anew, name, service) == opened(record, name, service)
