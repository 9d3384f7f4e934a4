"""Promises of the settings: typed, bounded, documented; a wrong one is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings, settings_page

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"USAGE_FEED_{name.upper()}", raising=False)


def test_without_any_variable_the_defaults_hold() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url is None
    assert settings.require_durable_database


def test_values_are_read_into_their_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_FEED_DATABASE_URL", "postgresql:///feed?host=/run/postgresql")
    monkeypatch.setenv(
        "USAGE_FEED_ALLOWED_ORIGINS", "https://app.example.com/, http://localhost:3000"
    )
    monkeypatch.setenv("USAGE_FEED_GRAPHIQL", "false")
    monkeypatch.setenv("USAGE_FEED_LOG_LEVEL", "")
    settings = load_settings()
    assert settings.database_url == "postgresql:///feed?host=/run/postgresql"
    assert settings.allowed_origins == ("https://app.example.com", "http://localhost:3000")
    assert settings.graphiql is False
    assert settings.log_level == "info"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        (
            "USAGE_FEED_DATABASE_URL",
            "mysql://u:hunter2@host/name",
            "such as postgresql://host/name",
        ),
        ("USAGE_FEED_DATABASE_URL", "postgresql://", "such as postgresql://host/name"),
        ("USAGE_FEED_DATABASE_POOL_SIZE", "0", "greater than or equal to 1"),
        ("USAGE_FEED_REQUIRE_DURABLE_DATABASE", "maybe", "valid boolean"),
        ("USAGE_FEED_BROKER_URL", "kafka://host", "such as redis://host/name"),
        ("USAGE_FEED_PORT", "65536", "less than or equal to 65535"),
        ("USAGE_FEED_PORT", "http", "valid integer"),
        ("USAGE_FEED_ALLOWED_ORIGINS", "https://a.example/path", "is no origin"),
        ("USAGE_FEED_ALLOWED_ORIGINS", "*", "is no origin"),
        ("USAGE_FEED_JWT_KEYS_FILE", "/nowhere/keys.json", "names no readable file"),
        ("USAGE_FEED_JWKS_URL", "http://issuer.example/jwks.json", "such as https://issuer/"),
        ("USAGE_FEED_JWKS_URL", "https://", "such as https://issuer/"),
        ("USAGE_FEED_SWEEP_INTERVAL_SECONDS", "nan", "less than or equal to 3600"),
        ("USAGE_FEED_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_right(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    told = str(raised.value)
    assert told.startswith(f"{variable} is wrong: ")
    assert sentence in told
    assert "hunter2" not in told
    assert len(told.splitlines()) == 1


def test_the_keys_of_customers_tokens_have_one_source(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{}")
    monkeypatch.setenv("USAGE_FEED_JWKS_URL", "http://localhost:9/jwks.json")
    assert load_settings().jwks_url == "http://localhost:9/jwks.json"
    monkeypatch.setenv("USAGE_FEED_JWT_KEYS_FILE", str(path))
    with pytest.raises(SettingsError, match=r"JWKS_URL is wrong: .*not from both"):
        load_settings()


def test_an_unknown_variable_is_named_with_the_nearest_known_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("USAGE_FEED_DATABSE_URL", "postgresql://host/name")
    with pytest.raises(
        SettingsError, match=r"DATABSE_URL is no setting\. Did you mean USAGE_FEED_DATA"
    ):
        load_settings()


def test_all_problems_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USAGE_FEED_COLOUR", "green")
    monkeypatch.setenv("USAGE_FEED_PORT", "-1")
    monkeypatch.setenv("USAGE_FEED_MAX_BODY_BYTES", "1")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert [line.split(" is ")[0] for line in str(raised.value).splitlines()] == [
        "USAGE_FEED_COLOUR",
        "USAGE_FEED_PORT",
        "USAGE_FEED_MAX_BODY_BYTES",
    ]


def test_every_setting_is_documented_as_the_code_has_it() -> None:
    assert all(field.description for field in Settings.model_fields.values())
    page = (ROOT / "docs/settings.md").read_text()
    assert page == settings_page(), "run: python -m app.settings > docs/settings.md"
