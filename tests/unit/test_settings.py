"""Settings from the environment, and what is said when one is wrong."""

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from ringtrue.errors import Misconfigured
from ringtrue.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("RINGTRUE_"):
            monkeypatch.delenv(name)


def wrong(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What is said about these settings, which are wrong."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        load_settings()
    return str(caught.value)


def test_without_any_setting_one_machine_is_enough() -> None:
    settings = load_settings()
    assert settings.log_path == Path("ringtrue-data/log.sqlite")
    assert settings.database_url == f"sqlite:///{Path('ringtrue-data/results.sqlite')}"
    assert settings.zone == ZoneInfo("Africa/Casablanca")
    assert settings.log.partitions == 4


def test_a_setting_is_read_and_the_others_of_its_group_keep_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTRUE_LOG__PARTITIONS", "8")
    monkeypatch.setenv("RINGTRUE_DATA_DIR", "elsewhere")
    monkeypatch.setenv("RINGTRUE_DATABASE__URL", "postgresql://host/results")
    settings = load_settings()
    assert (settings.log.partitions, settings.log.session_timeout_s) == (8, 15.0)
    assert settings.log_path == Path("elsewhere/log.sqlite")
    assert settings.database_url == "postgresql://host/results"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("RINGTRUE_DATADIR", "RINGTRUE_DATA_DIR"),
        ("RINGTRUE_LOG__PARTITION", "RINGTRUE_LOG__PARTITIONS"),
        ("RINGTRUE_LOG_PARTITIONS", "RINGTRUE_LOG__PARTITIONS"),
        ("RINGTRUE_TIMEZONE", "RINGTRUE_TIME_ZONE"),
    ],
)
def test_an_unknown_setting_is_named_with_the_one_that_may_be_meant(
    monkeypatch: pytest.MonkeyPatch, name: str, near: str
) -> None:
    assert f"{name} is not a setting; did you mean {near}?" in wrong(monkeypatch, **{name: "1"})


def test_an_unknown_setting_that_is_like_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "RINGTRUE_XYZZY_42 is not a setting" in wrong(monkeypatch, RINGTRUE_XYZZY_42="1")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("RINGTRUE_LOG__PARTITIONS", "0", "greater than or equal to 1"),
        ("RINGTRUE_LOG__PARTITIONS", "many", "valid integer"),
        ("RINGTRUE_LOG__SESSION_TIMEOUT_S", "0", "greater than 0"),
        ("RINGTRUE_SELECTION", "some", "'all' or 'matched'"),
        ("RINGTRUE_TIME_ZONE", "Mars/Olympus", "such as Africa/Casablanca"),
        ("RINGTRUE_TIME_ZONE", "../../etc/passwd", "such as Africa/Casablanca"),
        ("RINGTRUE_ASR__DEVICE", "gpu", "cuda"),
        ("RINGTRUE_COUNTRY", "Morocco", "[A-Z]{2}"),
        ("RINGTRUE_METRICS_PORT", "99999", "65535"),
        ("RINGTRUE_S3__SECURE", "perhaps", "valid boolean"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    said = wrong(monkeypatch, **{name: value})
    assert f"{name}='{value}': " in said
    assert allowed in said


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said = wrong(monkeypatch, RINGTRUE_SELECTION="some", RINGTRUE_LOG__PARTITIONS="0", RINGTRUE_NOTHING="1")
    assert {"RINGTRUE_SELECTION", "RINGTRUE_LOG__PARTITIONS", "RINGTRUE_NOTHING"} <= set(said.replace("=", " ").split())


def test_what_test_runs_set_is_no_setting_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTRUE_TEST_KILL", "asr:handled:1")
    load_settings()


def test_settings_do_not_change_once_they_are_read() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.source = "elsewhere"
    with pytest.raises(ValidationError, match="frozen"):
        settings.log.partitions = 1


def test_a_secret_does_not_show_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGTRUE_S3__SECRET_KEY", "do-not-show")
    settings = load_settings()
    assert "do-not-show" not in f"{settings!r} {settings}"
    assert settings.s3.secret_key.get_secret_value() == "do-not-show"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("RINGTRUE_SECRETS_DIR", str(folder))
    return folder


def test_settings_may_stand_in_files_one_each(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "ringtrue_s3__secret_key").write_text(" do-not-show \n")
    (secrets / "ringtrue_kafka__sasl_password").write_bytes(b"do-not-show\r\n")
    (secrets / "ringtrue_database__url").write_text("postgresql://host/results")
    (secrets / "ringtrue_log__partitions").write_text("8\n")
    (secrets / "ringtrue_time_zone").write_text("Europe/Paris\n")
    (secrets / "password_of_another_program").write_text("not ours")
    (secrets / "..data").mkdir()
    monkeypatch.setenv("RINGTRUE_S3__ACCESS_KEY", "ingest")
    settings = load_settings()
    assert settings.s3.secret_key.get_secret_value() == " do-not-show "
    assert settings.kafka.sasl_password.get_secret_value() == "do-not-show"
    assert (settings.s3.access_key, settings.s3.endpoint) == ("ingest", "localhost:9000")
    assert (settings.log.partitions, settings.log.session_timeout_s) == (8, 15.0)
    assert settings.database_url == "postgresql://host/results"
    assert settings.zone == ZoneInfo("Europe/Paris")


def test_the_environment_wins_over_a_file(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "ringtrue_s3__secret_key").write_text("of the file")
    (secrets / "ringtrue_source").write_text("s3://of-the-file")
    monkeypatch.setenv("RINGTRUE_S3__SECRET_KEY", "of the environment")
    monkeypatch.setenv("RINGTRUE_SOURCE", "")
    settings = load_settings()
    assert (settings.s3.secret_key.get_secret_value(), settings.source) == ("of the environment", "")


def test_a_file_that_is_named_like_no_setting_is_named(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "ringtrue_s3__secretkey").write_text("do-not-show")
    (secrets / "ringtrue_s3").write_text("do-not-show")
    said = wrong(monkeypatch)
    assert "RINGTRUE_S3__SECRETKEY is not a setting; did you mean RINGTRUE_S3__SECRET_KEY?" in said
    assert "RINGTRUE_S3 is not a setting" in said
    assert "do-not-show" not in said


def test_a_wrong_value_in_a_file_is_named_but_not_shown(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "ringtrue_log__partitions").write_text("do-not-show")
    said = wrong(monkeypatch)
    assert "the file of RINGTRUE_LOG__PARTITIONS: Input should be a valid integer" in said
    assert "do-not-show" not in said


def test_a_folder_or_a_file_of_secrets_that_cannot_be_read_is_named(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (secrets / "ringtrue_s3__secret_key").symlink_to("missing")
    assert "ringtrue_s3__secret_key cannot be read: No such file" in wrong(monkeypatch)
    (secrets / "ringtrue_s3__secret_key").unlink()
    (secrets / "ringtrue_s3__secret_key").write_bytes(b"\xff\xfe")
    assert "ringtrue_s3__secret_key is not UTF-8" in wrong(monkeypatch)
    assert "RINGTRUE_SECRETS_DIR: nowhere cannot be read" in wrong(monkeypatch, RINGTRUE_SECRETS_DIR="nowhere")


def test_a_child_process_gets_what_stood_in_files(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (secrets / "ringtrue_s3__secret_key").write_text("do-not-show")
    parent = load_settings()
    environment = parent.environment()
    (secrets / "ringtrue_s3__secret_key").write_text("changed meanwhile")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == parent


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("postgresql://ringtrue@host/results", "postgresql://ringtrue:p%40ss%2Fword@host/results"),
        (
            "postgresql://ringtrue:old@host:5433/results?sslmode=verify-full",
            "postgresql://ringtrue:p%40ss%2Fword@host:5433/results?sslmode=verify-full",
        ),
        ("sqlite:///results.sqlite", "sqlite:///results.sqlite"),
        ("no URL", "no URL"),
    ],
)
def test_the_password_of_the_database_need_not_stand_in_its_url(
    secrets: Path, monkeypatch: pytest.MonkeyPatch, url: str, whole: str
) -> None:
    (secrets / "ringtrue_database__password").write_text("p@ss/word\n")
    monkeypatch.setenv("RINGTRUE_DATABASE__URL", url)
    assert load_settings().database_url == whole


def test_a_password_without_a_url_leaves_sqlite(secrets: Path) -> None:
    (secrets / "ringtrue_database__password").write_text("unused")
    assert load_settings().database_url == f"sqlite:///{Path('ringtrue-data/results.sqlite')}"


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "RINGTRUE_LOG__PARTITIONS": "3",
        "RINGTRUE_S3__SECRET_KEY": "do-not-show",
        "RINGTRUE_RULES": "rules.yaml",
        "RINGTRUE_S3__SECURE": "false",
        "RINGTRUE_TEST_KILL": "asr:handled:1",
        "UNRELATED": "kept",
    }.items():
        monkeypatch.setenv(name, value)
    parent = load_settings().model_copy(update={"settle_s": 0.0, "source": "/recordings"})
    environment = parent.environment()
    assert (environment["RINGTRUE_TEST_KILL"], environment["UNRELATED"]) == ("asr:handled:1", "kept")
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    child: Settings = load_settings()
    assert child == parent
