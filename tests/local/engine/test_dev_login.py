from pathlib import Path

from localdev.engine.dev_login import (
    DEMO_USER_ID,
    make_demo_user_token_function,
    read_or_create_jwt_secret,
)
from mailsync.api.bearer import Caller, verify_bearer_token
from mailsync.api.signing_keys import build_verification_keys
from mailsync.settings import Settings


def test_the_development_key_stays_in_its_data_folder(tmp_path: Path) -> None:
    file = tmp_path / "jwt-secret"
    key, again = read_or_create_jwt_secret(file), read_or_create_jwt_secret(file)

    assert key == again != read_or_create_jwt_secret(tmp_path / "another")
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_product_takes_a_development_token_for_the_demo_user_s(tmp_path: Path) -> None:
    """By the way of every other token: the product knows no local exception."""
    key = read_or_create_jwt_secret(tmp_path / "jwt-secret")
    settings = Settings({"JWT_SECRET": key})

    caller = verify_bearer_token(
        f"Bearer {make_demo_user_token_function(key)()}",
        settings,
        build_verification_keys(settings),
    )

    assert caller == Caller(DEMO_USER_ID, is_admin=False)
