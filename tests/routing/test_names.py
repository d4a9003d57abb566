"""Names: lanes, families and queues are read back from what they were made of."""

from hypothesis import given
from hypothesis import strategies as st

from routing import names

targets = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
domains = st.sampled_from(["orders", "shipments", "returns"])


@given(targets, domains, st.sampled_from(names.CLASSES))
def test_a_delivery_queue_tells_its_family_lane_target_domain_and_class(target: str, domain: str, cls: names.Class) -> None:
    queue = names.queue(names.family(target, domain), cls)

    family = names.family_of(queue)
    assert (names.lane_of(family), names.target_of(family)) == (names.lane(target), target)
    assert (names.domain_of(family), names.class_of(queue)) == (domain, cls)


@given(domains)
def test_a_domain_is_its_own_lane_and_has_no_target(domain: str) -> None:
    assert (names.lane_of(domain), names.domain_of(domain), names.target_of(domain)) == (domain, domain, None)
    assert names.families_of(domain, ["orders", "returns"]) == (domain,)


@given(targets)
def test_a_lane_has_a_family_a_domain(target: str) -> None:
    assert names.target_of(names.lane(target)) == target
    assert names.families_of(names.lane(target), ["orders", "returns"]) == (
        f"deliver.{target}.orders",
        f"deliver.{target}.returns",
    )
