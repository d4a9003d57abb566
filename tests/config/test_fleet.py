"""The fleet file and the settings: a wrong key stops the boot and names the nearest right one."""

from pathlib import Path

import pytest

from config.fleet import load_fleet
from config.nearest import ConfigError
from config.settings import DEFAULT_FLEET, load_secrets, load_settings


def fleet_with(folder: Path, old: str, new: str) -> Path:
    text = DEFAULT_FLEET.read_text(encoding="utf-8")
    assert old in text
    path = folder / "fleet.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("burst = 10", "brust = 10", "did you mean 'burst'"),
        ('adapter = "netsuite"', 'adaptor = "netsuite"', "did you mean 'adapter'"),
        ('target = "sandbox"', 'target = "sandbx"', "did you mean 'sandbox'"),
        ('"orders", "shipments"', '"ordres", "shipments"', "did you mean 'orders'"),
        ("rate_per_s = 50", "rate_per_s = 0", "greater than 0"),
        ("[sources.shopify]", "[sources.Shopify]", "pattern"),
        ("[sources.shopify]", '[sources.shopify]\nsettles = "opne"', "did you mean 'open'"),
        ("[sources.shopify]", "[sources.shopify]\nsettlement_tolerance = -1", "greater than or equal to 0"),
        ("[pools.prepare]", "[pools.prepare", "not TOML"),
    ],
)
def test_a_wrong_fleet_file_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"fleet\.toml") as caught:
        load_fleet(fleet_with(tmp_path, old, new))

    assert told in str(caught.value)


def test_a_route_for_stock_needs_a_pool_that_prepares_it(tmp_path: Path) -> None:
    routed = '[[routes]]\ntarget = "sandbox"\nkinds = ["stock"]\n\n[[routes]]'
    file = fleet_with(tmp_path, "[[routes]]", routed)
    assert load_fleet(file).routes[0].kinds == ("stock",)

    file.write_text(file.read_text().replace(', "stock"]', "]"))

    with pytest.raises(ConfigError, match="no pool serves the family 'stock'"):
        load_fleet(file)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('speaks_for = "storse"', "sources.open: speaks_for 'storse' is not configured; did you mean 'stores'?"),
        ('speaks_for = "sandbox"', "sources.open: speaks_for 'sandbox', and no route publishes stock to it"),
        ("reserves_within_s = 0", "sources.open.reserves_within_s: Input should be greater than 0"),
        ('reserves_within = "15m"', "did you mean 'reserves_within_s'?"),
    ],
)
def test_what_a_source_says_of_stock_must_hold(tmp_path: Path, said: str, told: str) -> None:
    text = DEFAULT_FLEET.with_name("with-stock.toml").read_text()
    file = tmp_path / "fleet.toml"
    file.write_text(text.replace('secrets = ["OPEN"]', f'secrets = ["OPEN"]\n{said}'))

    with pytest.raises(ConfigError) as caught:
        load_fleet(file)

    assert told in str(caught.value)


def test_the_fleet_with_stock_is_right_and_orders_keep_their_own_way() -> None:
    fleet = load_fleet(DEFAULT_FLEET.with_name("with-stock.toml"))

    assert [(route.target, route.kinds) for route in fleet.routes] == [
        ("sandbox", ("order", "shipment", "return")), ("stores", ("stock", "reservation")),
    ]  # fmt: skip


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'MILLRACE_BROKER_URL'"):
        load_settings({"MILLRACE_BROKER_ULR": "amqp://x"})


def test_layers_are_toml_below_environment_below_command_line(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('log_level = "error"\nenvironment = "file"\nreceiver_port = 1\n', encoding="utf-8")
    env = {"MILLRACE_SETTINGS_FILE": str(file), "MILLRACE_ENVIRONMENT": "env", "MILLRACE_RECEIVER_PORT": "2"}

    settings = load_settings(env, receiver_port=3)

    assert (settings.log_level, settings.environment, settings.receiver_port) == ("error", "env", 3)


def test_a_secret_comes_from_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:hush@h/d\n", encoding="utf-8")
    (tmp_path / "key").write_text("hush-key\n", encoding="utf-8")

    settings = load_settings({"MILLRACE_LEDGER_URL_FILE": str(tmp_path / "url")})
    secrets = load_secrets({"MILLRACE_SECRET_SHOPIFY_FILE": str(tmp_path / "key")})

    assert settings.ledger_url.get_secret_value() == "postgresql://u:hush@h/d"
    assert secrets["SHOPIFY"] == b"hush-key"
    assert "hush" not in repr(settings) + repr(secrets)


def test_a_missing_secret_says_what_to_export() -> None:
    with pytest.raises(ConfigError, match="MILLRACE_SECRET_SHOPIFY"):
        load_secrets({})["SHOPIFY"]
