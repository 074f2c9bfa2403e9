"""`monostack keys`, on the state directory of a cloud that runs."""

import json

import pytest

from monostack import cli
from monostack.cloud import Cloud
from monostack.identity.credentials import sealing
from monostack.identity.tables import CREDENTIALS
from monostack.identity.tokens import keys
from monostack.settings import Identity, Settings


@pytest.fixture
def cloud(tmp_path):
    identity = Identity(password_hash_rounds=4, admin_password="a", demo_password="d")
    cloud = Cloud(Settings(state=tmp_path, only=("identity",), identity=identity))
    cloud.prepare()
    yield cloud
    cloud.engine.close()
    cloud.state_lock.close()


@pytest.fixture
def monostack(cloud, capsys):
    """`monostack("keys", "status")`: the exit status and what was said."""

    def run(*words):
        try:
            code = cli.main([*words[:1], "--state", str(cloud.state), "--only", "identity", *words[1:]])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def stored(cloud, *blobs):
    def insert(tx):
        for blob in blobs:
            sealed = cloud.identity.credential_keys.seal(blob.encode(), 1000)
            tx.insert(CREDENTIALS, user_id="u", type="cert", sealed_blob=sealed, extra={})

    cloud.engine.write_now(insert)


def blobs(cloud):
    ours = cloud.identity.credential_keys
    ours.look_again()
    return sorted(ours.unseal(row["sealed_blob"]) for row in cloud.engine.now(lambda db: db.all(CREDENTIALS)))


def test_tokens_keys_are_rotated_while_the_cloud_runs(cloud, monostack):
    ours = cloud.identity.tokens.keys
    token = ours.seal(b"token", 1000)
    for number in (2, 3):
        assert monostack("keys", "rotate", "fernet") == (
            0,
            f"{cloud.state / 'fernet-keys'}: key {number} is the primary one now\n",
        )
        ours.look_again()
        newer = ours.seal(b"newer", 1000)
    assert ours.unseal(newer) == b"newer"
    assert ours.unseal(token) is None, "three keys are kept: its key is gone"


def test_credentials_survive_rotations_with_migrations_between(cloud, monostack):
    stored(cloud, "one", "two")
    for _ in range(3):
        assert monostack("keys", "rotate", "credential")[0] == 0
        assert monostack("keys", "migrate", "credential") == (0, "2 stored values were sealed anew\n")
        assert blobs(cloud) == [b"one", b"two"]
    assert monostack("keys", "migrate", "credential") == (0, "0 stored values were sealed anew\n")


def test_rotation_is_refused_until_everything_is_migrated(cloud, monostack):
    stored(cloud, "one")
    assert monostack("keys", "rotate", "credential")[0] == 0
    before = keys.status(cloud.state / "credential-keys")
    code, said = monostack("keys", "rotate", "credential")
    assert code == 1
    assert "1 stored values are sealed with an older key" in said
    assert "monostack keys migrate credential" in said
    assert keys.status(cloud.state / "credential-keys") == before
    assert blobs(cloud) == [b"one"]


def test_status_tells_keys_and_what_waits_but_no_key(cloud, monostack):
    stored(cloud, "one")
    monostack("keys", "rotate", "credential")
    stored(cloud, "two")
    code, said = monostack("keys", "status", "--json")
    facts = json.loads(said)
    assert code == 0
    assert [(key["number"], key["role"]) for key in facts["credential"]] == [
        (2, "primary"),
        (1, "secondary"),
        (0, "staged"),
    ]
    assert facts["sealed"]["older"] >= 1
    said += monostack("keys", "status")[1]
    assert "monostack keys migrate credential" in said
    for path in cloud.state.glob("*-keys/*"):
        assert path.read_text().strip() not in said


def test_a_value_whose_key_is_gone_is_told_and_stops_nothing(cloud, monostack):
    stored(cloud, "one")
    for path in (cloud.state / "credential-keys").iterdir():
        path.unlink()
    keys.setup(cloud.state / "credential-keys")
    assert "1 that no key opens" in monostack("keys", "status")[1]
    assert monostack("keys", "migrate", "credential") == (0, "0 stored values were sealed anew\n")
    assert monostack("keys", "rotate", "credential")[0] == 0


def test_setup_makes_what_is_missing_and_only_that(cloud, monostack):
    code, said = monostack("keys", "setup")
    assert code == 0
    assert said.count("there already") == 2
    assert (cloud.state / "receipt-keys/1").exists()
    assert "there already" in monostack("keys", "setup", "receipt")[1]
    assert monostack("keys", "setup", "house")[0] == 1


def test_signing_keys_are_made_by_hand_too(cloud, monostack):
    assert monostack("keys", "create_jws_keypair")[0] == 0
    code, said = monostack("keys", "create_jws_keypair")
    assert (code, "--force" in said) == (1, True)
    assert monostack("keys", "create_jws_keypair", "--force")[0] == 0
    assert len(list((cloud.state / "jws-keys/public").iterdir())) == 2


def test_everything_that_is_sealed_is_known_by_its_name(cloud):
    """A migration finds columns by their names; a domain's options are among them."""
    tables = cloud.service("identity").tables
    named = {
        f"{table.name}.{column.name}"
        for table in tables
        for column in table.c
        if column.name.startswith(sealing.PREFIX)
    }
    assert {"identity_credentials.sealed_blob", "identity_domain_options.sealed_value"} <= named
