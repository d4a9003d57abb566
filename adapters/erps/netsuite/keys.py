"""Names every NetSuite record after its document: the external ids that make a repeat harmless."""

from canonical.keys import fit

LONGEST = 100
"""Characters of an external id that fit everywhere; NetSuite's own field is longer."""


def order_key(source: str, order_key: str) -> str:
    """External id of the sales order of a source's order.

    >>> order_key("shopify", "1001")
    'shopify-1001'
    """
    return fit(source, order_key, LONGEST)


def fulfilment_key(source: str, shipment_key: str) -> str:
    """External id of the item fulfilment of a shipment."""
    return fit(source, shipment_key, LONGEST, "shipment-")


def authorization_key(source: str, return_key: str) -> str:
    """External id of the return authorization of a return."""
    return fit(source, return_key, LONGEST, "return-")


def receipt_key(source: str, return_key: str) -> str:
    """External id of the item receipt of a return."""
    return fit(source, return_key, LONGEST, "receipt-")


def credit_key(source: str, return_key: str) -> str:
    """External id of the credit memo of a return."""
    return fit(source, return_key, LONGEST, "credit-")
