"""What the gateway's own credentials may do with a real store, and that `doctor` notices more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import s3, s3access
from infra.stack import seaweedfs, stack
from infra.stack.processes import this_process
from infra.verbs.doctor import OK, UNSAFE, WARNING, gateway_line
from schemas.errors import Transient

BUCKET = "counterfoil-archive"
POLICY = (Path(s3.__file__).parent / "examples" / "s3" / "gateway.json").read_text("utf-8")


def _identity(name: str, **more: object) -> dict[str, object]:
    return {"name": name, "actions": [], **more,
            "credentials": [{"accessKey": name, "secretKey": name * 3}]}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store that knows four: its administrator, a gateway with the policy that we ship, one with
    everything, one with nothing."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "s3").mkdir()
    everything = ["Admin", "Read", "Write", "List", "Tagging"]
    seaweedfs.identities_file(folder / "s3").write_text(json.dumps({
        "identities": [_identity("admin", actions=everything),
                       _identity("gateway", policyNames=["gateway"]),
                       _identity("broad", actions=everything), _identity("nobody")],
        "policies": [{"name": "gateway", "content": POLICY}]}), "utf-8")
    address = stack.up(folder, servers=["s3"], tied_to=this_process())
    assert address.s3_endpoint
    s3.provision(_settings(address.s3_endpoint, "admin"))
    s3.S3Store(_settings(address.s3_endpoint, "admin")).put_once("segments/one", b"sealed", None)
    yield address.s3_endpoint
    stack.down(folder, grace_s=0)


def _settings(endpoint: str, who: str) -> s3.S3Settings:
    return s3.S3Settings(bucket=BUCKET, endpoint=endpoint, access_key=who, secret_key=who * 3)


def _outcomes(endpoint: str, who: str) -> dict[str, str]:
    return {one.name: gateway_line(one).outcome
            for one in s3access.try_gateway(_settings(endpoint, who), "segments/one")}


@pytest.mark.slow
@pytest.mark.real
def test_the_policy_that_we_ship_is_enough_and_no_more(endpoint: str) -> None:
    """A gateway that has it passes every check, and the check leaves nothing in the bucket."""
    assert {OK} == set(_outcomes(endpoint, "gateway").values())
    assert ["segments/one"] == [one.key for one in
                                s3.S3Store(_settings(endpoint, "admin")).versions("")]


@pytest.mark.slow
@pytest.mark.real
def test_what_is_too_much_or_too_little_is_named(endpoint: str) -> None:
    """Each right that a gateway should not have is a warning; without the one that it needs, files
    are lost: unsafe."""
    broad = _outcomes(endpoint, "broad")
    assert OK == broad.pop("put below media/") and len(broad) == 6
    assert {WARNING} == set(broad.values())
    nobody = _outcomes(endpoint, "nobody")
    assert UNSAFE == nobody.pop("put below media/")
    assert {OK} == set(nobody.values())


def test_a_store_that_is_not_there_is_no_answer() -> None:
    """Nothing is said of rights when nobody answered."""
    with pytest.raises(Transient):
        list(s3access.try_gateway(_settings("http://127.0.0.1:1", "gateway"), None))
