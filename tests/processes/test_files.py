"""What processes share as files: policy.yaml and the keys. Each of them sees a change within a second."""

from __future__ import annotations

import time

from cryptography.fernet import Fernet, InvalidToken
from tests.conftest import PLAIN, World

from monostack.identity.tokens import keys

SECOND = 1.0


def states(pair, path: str, token: str) -> list[int]:
    headers = {"X-Auth-Token": token}
    return [PLAIN.get(world.cloud.auth_url + path, headers=headers).status_code for world in pair]


def new_token(world: World) -> str:
    world.tokens.clear()
    return world.token()


def made_by(token: str, key: bytes) -> bool:
    try:
        Fernet(key).decrypt(token + "=" * (-len(token) % 4))
    except InvalidToken:
        return False
    return True


def test_a_changed_policy_is_in_force_everywhere_within_a_second(pair):
    file = pair[0].cloud.cloud.state / "policy.yaml"
    token = pair[0].token()
    assert states(pair, "/roles", token) == [200, 200]
    file.write_text('"identity:list_roles": "!"\n')
    time.sleep(SECOND)
    assert states(pair, "/roles", token) == [403, 403]
    file.unlink()
    time.sleep(SECOND)
    assert states(pair, "/roles", token) == [200, 200]


def test_rotated_keys_are_used_everywhere_within_a_second(pair):
    folder = pair[0].cloud.cloud.state / "fernet-keys"
    staged = (folder / "0").read_bytes().strip()
    old = new_token(pair[0])
    assert states(pair, "/auth/projects", old) == [200, 200]
    assert not made_by(old, staged)
    keys.rotate(folder, 3)
    at_once = new_token(pair[1])
    assert states(pair, "/auth/projects", at_once) == [200, 200]
    time.sleep(SECOND)
    later = [new_token(world) for world in pair]
    assert all(made_by(token, staged) for token in later)
    for token in (old, at_once, *later):
        assert states(pair, "/auth/projects", token) == [200, 200]


def test_a_key_that_was_dropped_lets_nobody_in_anywhere(pair):
    """Rotations beyond the number that is kept: what an old key made is not known within a second."""
    folder = pair[0].cloud.cloud.state / "fernet-keys"
    old = new_token(pair[0])
    for _ in range(3):
        keys.rotate(folder, 2)
    time.sleep(SECOND)
    assert [world.cloud.cloud.identity.tokens.unseal(old) for world in pair] == [None, None]
    for world in pair:
        answer = PLAIN.get(
            world.cloud.auth_url + "/auth/tokens",
            headers={"X-Auth-Token": new_token(world), "X-Subject-Token": old},
        )
        assert answer.status_code == 404
    assert states(pair, "/auth/projects", old) == [401, 401]
