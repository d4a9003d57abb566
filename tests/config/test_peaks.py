"""Peak profiles: a wrong one is named with the nearest right word; the shipped ones fit the shipped fleet."""

from pathlib import Path

import pytest

from config.fleet import load_fleet
from config.nearest import ConfigError
from config.peaks import SHIPPED, load_profile, load_profiles, read_profile
from config.settings import DEFAULT_FLEET, DEFAULT_PEAKS

FLEET = load_fleet(DEFAULT_FLEET)
WHOLE = """\
summary = "A night of returns"
lasts_s = 3600

[lanes."deliver.sandbox"]
weights = { high = 9, normal = 3, low = 1 }
shares = { returns = 50 }
limit = { rate_per_s = 20 }

[[classes]]
class = "high"
customer_tiers = ["gold"]

[pools.deliver]
concurrency = 20

[[defer]]
kinds = ["return"]
quiet_from = "22:00"
quiet_to = "06:00"
zone = "Europe/Berlin"

[[sourcing]]
target = "sandbox"
sources = ["shop*"]

[[guards]]
metric = "waiting"
lane = "deliver.sandbox"
class = "high"
above = 100
"""


def profile_in(folder: Path, old: str = "", new: str = "") -> Path:
    assert old in WHOLE
    path = folder / "returns.toml"
    path.write_text(WHOLE.replace(old, new, 1) if old else WHOLE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("lasts_s", "last_s", "did you mean 'lasts_s'"),
        ("weights =", "wieghts =", "did you mean 'weights'"),
        ("rate_per_s = 20", "rate_pers = 20", "did you mean 'rate_per_s'"),
        ("high = 9", "hihg = 9", "did you mean 'high'"),
        ("customer_tiers", "customer_tier", "did you mean 'customer_tiers'"),
        ("quiet_from =", "quiet_form =", "did you mean 'quiet_from'"),
        ('"waiting"', '"waitin"', "no metric 'waitin'; did you mean 'waiting'"),
        ('"Europe/Berlin"', '"Europe/Berlinn"', "no time zone 'Europe/Berlinn'"),
        ('"06:00"', '"22:00"', "quiet hours need a length"),
        ('"06:00"', '"6"', "defer.0.quiet_to"),
        ("above = 100", "above = 100\nbelow = 5", "give one of above and below"),
        ('metric = "waiting"', 'metric = "breaker_open"', "breaker_open is not told by class"),
        ("lasts_s = 3600", "lasts_s = 0", "greater than 0"),
        ("lasts_s = 3600", 'name = "other"', "a profile is called after its file, 'returns'"),
        ("summary =", "summary", "cannot be read as TOML"),
    ],
)
def test_a_wrong_profile_is_named_with_its_remedy(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"returns\.toml") as caught:
        load_profile(profile_in(tmp_path, old, new))

    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('[lanes."deliver.sandbox"]', '[lanes."deliver.sandbx"]', "lane 'deliver.sandbx' is not in the fleet file; did you mean"),
        ("[pools.deliver]", "[pools.delivery]", "pool 'delivery' is not in the fleet file; did you mean 'deliver'"),
        ('target = "sandbox"', 'target = "sandbxo"', "target 'sandbxo' is not in the fleet file; did you mean 'sandbox'"),
        ('sources = ["shop*"]', 'sources = ["shopfy"]', "source 'shopfy' is not in the fleet file; did you mean 'shopify'"),
        ('lane = "deliver.sandbox"', 'lane = "deliver"', "guards: lane 'deliver'"),
        ('[lanes."deliver.sandbox"]', "[lanes.orders]", "it posts to no target: only its weights can be set"),
    ],
)
def test_a_profile_that_does_not_fit_the_fleet_is_refused_with_the_nearest_name(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    profile = load_profile(profile_in(tmp_path, old, new))

    with pytest.raises(ConfigError) as caught:
        profile.fits(FLEET)

    assert told in str(caught.value)


def test_the_shipped_profiles_fit_the_shipped_fleet() -> None:
    profiles = load_profiles(SHIPPED)

    assert set(profiles) == {"black-friday", "flash-sale", "quiet"}
    assert DEFAULT_PEAKS == SHIPPED
    for profile in profiles.values():
        profile.fits(FLEET)


@pytest.mark.parametrize("name", ["black-friday", "flash-sale", "quiet"])
def test_what_is_kept_of_a_profile_is_the_profile(name: str) -> None:
    profile = load_profiles(SHIPPED)[name]

    kept = profile.kept()

    assert read_profile(kept, "the ledger") == profile
    assert "learn" not in str(kept)


def test_a_folder_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MILLRACE_PEAKS_FOLDER"):
        load_profiles(tmp_path / "nowhere")
