"""The vendors' own words about limits, normalised."""

import pytest

from adapters.throttle.base import Hints
from adapters.throttle.hints import read_hints

NOW = 1_795_000_000.0


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        (
            {
                "x-rate-limit-time-window-ms": "30000",
                "x-rate-limit-time-reset-ms": "15000",
                "x-rate-limit-requests-quota": "150",
                "x-rate-limit-requests-left": "35",
            },
            Hints(remaining=35, limit=150, reset_s=15),
        ),
        ({"x-shopify-shop-api-call-limit": "39/40"}, Hints(remaining=1, limit=40)),
        ({"x-amzn-ratelimit-limit": "0.0167"}, Hints(rate_per_s=0.0167)),
        ({"x-ms-ratelimit-burst-remaining-xrm-requests": "5998"}, Hints(remaining=5998)),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "7", "ratelimit-reset": "3"}, Hints(7, 100, 3)),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 42)}, Hints(0, 60, 42)),
        ({"ratelimit": '"default";r=50;t=30'}, Hints(remaining=50, reset_s=30)),
    ],
    ids=["BigCommerce", "Shopify REST", "Amazon", "Dataverse", "draft", "epoch", "structured"],
)
def test_a_vendors_headers_are_read(headers: dict[str, str], wanted: Hints) -> None:
    assert read_hints(headers.items(), b"", NOW) == wanted


def test_shopifys_points_are_read_from_the_end_of_the_body() -> None:
    status = b'{"maximumAvailable":2000.0,"currentlyAvailable":1954,"restoreRate":100.0}'
    body = b'{"data":{"x":"' + b"x" * 9000 + b'"},"extensions":{"cost":{"actualQueryCost":46,"throttleStatus":' + status + b"}}}"

    assert read_hints((), body, NOW) == Hints(points_left=1954, points_capacity=2000, points_restore_per_s=100)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "x-request-id": "7"},
        {"x-rate-limit-requests-left": "soon"},
        {"x-shopify-shop-api-call-limit": "39"},
        {"x-amzn-ratelimit-limit": "-1"},
        {"ratelimit-remaining": "\u0663"},
        {"ratelimit-remaining": "nan"},
    ],
)
def test_what_cannot_be_read_says_nothing(headers: dict[str, str]) -> None:
    assert read_hints(headers.items(), b'{"throttle": 1}', NOW) is None
