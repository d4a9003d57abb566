"""Writes the fleet file a bench runs Millrace with: one shop, one ERP, what is told of its limit, two kinds of pools."""

from bench.contenders import Told

_HEAD = """
[sources.shop]
channel = "shopify"
secrets = ["SHOP"]

[targets.erp]
adapter = "{adapter}"
url = "{erp_url}"
secret = "ERP"
max_execution_s = 2.0
answer_timeout_s = {answer_timeout_s}
{limit}
options = {{ {options} }}

[[routes]]
target = "erp"

[[classes]]
class = "high"
kinds = ["order"]
shipping_methods = ["express"]

[pools.prepare]
kind = "threads"
families = ["orders", "shipments", "returns"]
concurrency = 2
"""
_WORK = """
[pools.work]
kind = "threads"
families = ["orders", "shipments", "returns", "deliver.erp"]
concurrency = {slots}
"""
_DELIVER = """
[pools.deliver]
kind = "threads"
families = ["deliver.erp"]
concurrency = {slots}
"""
POOLS = {"combined": ("work",), "split": ("prepare", "deliver")}
"""Pools the worker processes serve in turn: all prepare and deliver, or one of each kind."""

Option = str | int | float | bool


def fleet_file(
    erp_url: str,
    told: Told | None,
    *,
    adapter: str,
    options: dict[str, Option],
    slots: int,
    answer_timeout_s: float,
) -> str:
    """The file's text. ``told`` None: the ERP has no limit; a ``Told`` of nothing: it has one that nobody knows."""
    text = _HEAD + _WORK + _DELIVER
    shown = ", ".join(f"{name} = {_toml(value)}" for name, value in options.items())
    return text.format(
        adapter=adapter,
        erp_url=erp_url,
        slots=slots,
        answer_timeout_s=answer_timeout_s,
        limit=_limit(told),
        options=shown,
    )


def _limit(told: Told | None) -> str:
    if told is None or told == Told():
        return ""
    known = {"rate_per_s": told.rate_per_s, "burst": told.burst, "concurrency": told.at_once}
    return f"limit = {{ {', '.join(f'{name} = {value}' for name, value in known.items() if value is not None)} }}"


def _toml(value: Option) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
