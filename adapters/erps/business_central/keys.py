"""Names every effect in Business Central after its document, within the fields there are."""

import hashlib

from canonical.keys import fit

LONGEST = 35
"""Characters of ``externalDocumentNumber``."""

LONGEST_MARK = 38
"""Characters of ``description2`` (50 in all) that our line key takes; a shipment's digest follows it."""


def order_key(source: str, key: str) -> str:
    """External document number of an order, carried on by its posted shipments and invoices.

    >>> order_key("shopify", "1001")
    'shopify_1001'
    """
    return fit(source, key, LONGEST)


def return_key(source: str, key: str) -> str:
    """External document number of the credit memo of a return."""
    return fit(source, key, LONGEST, "return-")


def line_mark(key: str) -> str:
    """What the second description of an order's line begins with.

    >>> line_mark("L1")
    'line_L1'
    """
    return fit("line", key, LONGEST_MARK)


def shipment_mark(source: str, key: str) -> str:
    """What the second description of a shipped line ends with."""
    return hashlib.blake2b(f"{source}\x00{key}".encode(), digest_size=5).hexdigest()
